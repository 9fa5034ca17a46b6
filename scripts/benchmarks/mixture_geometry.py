"""The shapes of a narrow Qwen3 mixture, as Hugging Face's tensors: 2 GB of bf16 with 12 layers."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class MixtureGeometry:
  layers: int
  width: int = 1024
  heads: int = 8
  kv_heads: int = 2
  head: int = 64
  inner: int = 384
  experts: int = 64
  chosen: int = 8
  vocabulary: int = 32000

  def tensors(self):
    """(name, shape) of every tensor under Hugging Face's names."""
    width, inner, head = self.width, self.inner, self.head
    tensors = [("model.embed_tokens.weight", (self.vocabulary, width))]
    for layer in range(self.layers):
      prefix = f"model.layers.{layer}."
      tensors += [
        (f"{prefix}input_layernorm.weight", (width,)), (f"{prefix}post_attention_layernorm.weight", (width,)),
        (f"{prefix}self_attn.q_proj.weight", (self.heads * head, width)), (f"{prefix}self_attn.k_proj.weight", (self.kv_heads * head, width)),
        (f"{prefix}self_attn.v_proj.weight", (self.kv_heads * head, width)), (f"{prefix}self_attn.o_proj.weight", (width, self.heads * head)),
        (f"{prefix}self_attn.q_norm.weight", (head,)), (f"{prefix}self_attn.k_norm.weight", (head,)),
        (f"{prefix}mlp.gate.weight", (self.experts, width)),
      ]
      for expert in range(self.experts):
        module = f"{prefix}mlp.experts.{expert}."
        tensors += [(f"{module}gate_proj.weight", (inner, width)), (f"{module}up_proj.weight", (inner, width)), (f"{module}down_proj.weight", (width, inner))]
    return tensors + [("model.norm.weight", (width,)), ("lm_head.weight", (self.vocabulary, width))]

  def configuration(self):
    return json.dumps({
      "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_act": "silu", "vocab_size": self.vocabulary,
      "hidden_size": self.width, "intermediate_size": self.inner, "moe_intermediate_size": self.inner, "num_hidden_layers": self.layers,
      "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head, "num_experts": self.experts,
      "num_experts_per_tok": self.chosen, "norm_topk_prob": True, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
      "max_position_embeddings": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    }, indent=2)
