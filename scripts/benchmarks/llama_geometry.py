"""The shapes of a Llama with 1.1 billion parameters, as Hugging Face's tensors, and a small SentencePiece tokenizer."""

import dataclasses
import json
import struct


@dataclasses.dataclass(frozen=True)
class LlamaGeometry:
  layers: int
  width: int = 2048
  heads: int = 32
  kv_heads: int = 4
  inner: int = 5632
  vocabulary: int = 32000
  positions: int = 2048

  def tensors(self):
    """(name, shape) of every tensor under Hugging Face's names."""
    width, inner, grouped = self.width, self.inner, self.width // self.heads * self.kv_heads
    tensors = [("model.embed_tokens.weight", (self.vocabulary, width))]
    for layer in range(self.layers):
      prefix = f"model.layers.{layer}."
      tensors += [
        (f"{prefix}input_layernorm.weight", (width,)),
        *((f"{prefix}self_attn.{name}_proj.weight", (rows, width)) for name, rows in [("q", width), ("k", grouped), ("v", grouped), ("o", width)]),
        (f"{prefix}post_attention_layernorm.weight", (width,)),
        *((f"{prefix}mlp.{name}_proj.weight", (inner, width)) for name in ("gate", "up")),
        (f"{prefix}mlp.down_proj.weight", (width, inner)),
      ]
    return tensors + [("model.norm.weight", (width,)), ("lm_head.weight", (self.vocabulary, width))]

  def configuration(self):
    return json.dumps({
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
      "bos_token_id": 1, "eos_token_id": 2, "hidden_size": self.width, "intermediate_size": self.inner,
      "max_position_embeddings": self.positions, "num_attention_heads": self.heads, "num_hidden_layers": self.layers,
      "num_key_value_heads": self.kv_heads, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": False,
      "torch_dtype": "bfloat16", "vocab_size": self.vocabulary,
    }, indent=2)


def sentencepiece_model():
  """A ModelProto of sentencepiece_model.proto: three tokens that aren't text, every byte, and no merges."""

  def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)

  def piece(text, kind):
    # piece = 1, score = 2, type = 3 of SentencePiece, which is field 1 of the model.
    message = b"\x0a" + varint(len(text)) + text.encode() + b"\x15" + struct.pack("<f", 0) + b"\x18" + varint(kind)
    return b"\x0a" + varint(len(message)) + message

  unknown, control, byte = 2, 3, 6
  pieces = [piece("<unk>", unknown), piece("<s>", control), piece("</s>", control), *(piece(f"<0x{b:02X}>", byte) for b in range(256))]
  # model_type = 3 of TrainerSpec is BPE, byte_fallback = 35 true.
  trainer = b"\x18\x02" + varint(35 << 3) + b"\x01"
  # name = 1 of NormalizerSpec, remove_extra_whitespaces = 4 false: texts are taken as they are.
  normalizer = b"\x0a\x08identity\x20\x00"
  return b"".join(pieces) + b"\x12" + varint(len(trainer)) + trainer + b"\x1a" + varint(len(normalizer)) + normalizer
