"""Names and values of public configurations: folder, the model, where it was read, and the settings in full."""

HUB = "https://huggingface.co/"


def at(repository, place="config.json"):
  return f"<{HUB}{repository}> `{place}`"


def in_repository(repository, path):
  return f"<https://github.com/{repository}> `{path}`"


GPTJ_6B = dict(
  activation_function="gelu_new", architectures=["GPTJForCausalLM"], attn_pdrop=0.0, bos_token_id=50256, embd_pdrop=0.0, eos_token_id=50256,
  gradient_checkpointing=False, initializer_range=0.02, layer_norm_epsilon=1e-05, model_type="gptj", n_embd=4096, n_head=16, n_inner=None,
  n_layer=28, n_positions=2048, resid_pdrop=0.0, rotary=True, rotary_dim=64, scale_attn_weights=True, summary_activation=None,
  summary_first_dropout=0.1, summary_proj_to_labels=True, summary_type="cls_index", summary_use_proj=True,
  task_specific_params={"text-generation": {"do_sample": True, "max_length": 50, "temperature": 1.0}}, tie_word_embeddings=False,
  tokenizer_class="GPT2Tokenizer", transformers_version="4.18.0.dev0", use_cache=True, vocab_size=50400)
GPT2 = dict(
  activation_function="gelu_new", architectures=["GPT2LMHeadModel"], attn_pdrop=0.1, bos_token_id=50256, embd_pdrop=0.1, eos_token_id=50256,
  initializer_range=0.02, layer_norm_epsilon=1e-05, model_type="gpt2", n_ctx=1024, n_embd=768, n_head=12, n_layer=12, n_positions=1024,
  resid_pdrop=0.1, summary_activation=None, summary_first_dropout=0.1, summary_proj_to_labels=True, summary_type="cls_index",
  summary_use_proj=True, task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}}, vocab_size=50257)
PYTHIA = dict(
  architectures=["GPTNeoXForCausalLM"], bos_token_id=0, eos_token_id=0, hidden_act="gelu", hidden_size=768, initializer_range=0.02,
  intermediate_size=3072, layer_norm_eps=1e-05, max_position_embeddings=2048, model_type="gpt_neox", num_attention_heads=12,
  num_hidden_layers=12, rotary_emb_base=10000, rotary_pct=0.25, tie_word_embeddings=False, torch_dtype="float16",
  transformers_version="4.24.0", use_cache=True, use_parallel_residual=True, vocab_size=50304)
MISTRAL = dict(
  architectures=["MistralForCausalLM"], bos_token_id=1, eos_token_id=2, hidden_act="silu", hidden_size=4096, initializer_range=0.02,
  intermediate_size=14336, max_position_embeddings=32768, model_type="mistral", num_attention_heads=32, num_hidden_layers=32,
  num_key_value_heads=8, rms_norm_eps=1e-05, rope_theta=10000.0, sliding_window=4096, tie_word_embeddings=False)
QWEN2 = dict(
  architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, bos_token_id=151643, eos_token_id=151643, hidden_act="silu", hidden_size=896,
  initializer_range=0.02, intermediate_size=4864, max_position_embeddings=32768, max_window_layers=24, model_type="qwen2",
  num_attention_heads=14, num_hidden_layers=24, num_key_value_heads=2, rms_norm_eps=1e-06, rope_theta=1000000.0)
LLAMA = dict(
  architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, hidden_act="silu", initializer_range=0.02, model_type="llama",
  rms_norm_eps=1e-05, use_cache=True)
LLAMA3_SCALING = dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192, rope_type="llama3")
LLAMA_3_2_1B = dict(
  LLAMA, bos_token_id=128000, head_dim=64, hidden_size=2048, intermediate_size=8192, max_position_embeddings=131072, mlp_bias=False,
  num_attention_heads=32, num_hidden_layers=16, num_key_value_heads=8, pretraining_tp=1, rope_scaling=LLAMA3_SCALING, rope_theta=500000.0,
  tie_word_embeddings=True, torch_dtype="bfloat16", vocab_size=128256)
PIPELINES = {"text-generation": {
  "impl": "instruct_pipeline.InstructionTextGenerationPipeline", "pt": "AutoModelForCausalLM", "tf": "TFAutoModelForCausalLM"}}

PUBLISHED = {
  "gpt-j-6b": (
    "GPT-J 6B, fine-tuned", at("Graphcore/gptj-mnli"),
    GPTJ_6B | dict(_name_or_path="EleutherAI/gpt-j-6B", torch_dtype="float32", transformers_version="4.18.0")),
  "gpt-j-6b-own-code": (
    "GPT-J 6B, with code of its own beside it", at("d-matrix/gpt-j-6b"),
    {key: value for key, value in GPTJ_6B.items() if key != "transformers_version"} | dict(
      auto_map={"AutoConfig": "configuration_gptj.GPTJConfig", "AutoModelForCausalLM": "modeling_gptj.GPTJForCausalLM"})),
  "gpt-j-6b-fine-tuned": (
    "a fine-tune of GPT-J 6B", at("rexwang8/qilin-lit-6b"),
    GPTJ_6B | dict(
      _name_or_path="EleutherAI/gpt-j-6B", gradient_checkpointing=True, torch_dtype="float16", transformers_version="4.17.0", use_cache=False,
      vocab_size=50257)),
  "codegen-as-gptj": (
    "CodeGen 6B as GPT-J", at("moyix/codegen-6B-nl-gptj"),
    {key: value for key, value in GPTJ_6B.items() if not key.startswith("summary_") and key not in (
      "gradient_checkpointing", "rotary", "task_specific_params")} | dict(
        _name_or_path="codegen-6B-nl-gptj.modeldir", bos_token_id=1, eos_token_id=2, n_layer=33, tokenizer_class="CodeGenTokenizer",
        torch_dtype="float16", transformers_version="4.22.0.dev0", vocab_size=51200)),
  "gpt2": ("GPT-2", in_repository("huggingface/huggingface.js", "packages/hub/src/lib/upload-files-with-progress.spec.ts"), GPT2),
  "gpt2-fine-tuned": (
    "a fine-tune of GPT-2", at("StanfordShahLab/gpt-base-2048-clmbr"),
    GPT2 | dict(
      _name_or_path="gpt2", bos_token_id=0, cls_token_id=5, eos_token_id=1, mask_token_id=6, n_inner=None, n_positions=2048, pad_token_id=4,
      reorder_and_upcast_attn=False, scale_attn_by_inverse_layer_idx=False, scale_attn_weights=True, sep_token_id=3, torch_dtype="float32",
      transformers_version="4.44.2", unk_token_id=2, use_cache=True, vocab_size=39818)),
  "biomedlm": (
    "BioMedLM, a GPT-2 with scaled layers", in_repository("pleyad/medi-magma", "log_model.md"),
    GPT2 | dict(
      _name_or_path="stanford-crfm/BioMedLM", bos_token_id=28895, eos_token_id=28895, gradient_checkpointing=False, n_embd=2560, n_head=20,
      n_inner=None, n_layer=32, pad_token_id=28895, reorder_and_upcast_attn=False, scale_attn_by_inverse_layer_idx=True,
      scale_attn_weights=True, torch_dtype="float32", transformers_version="4.6.0.dev0", use_cache=False, vocab_size=28896)),
  "gpt-neo-125m": (
    "GPT-Neo 125M, fine-tuned", at("KimByeongSu/gpt-neo-125m-cs-finetuning-80000-1"),
    dict(
      _name_or_path="EleutherAI/gpt-neo-125m", activation_function="gelu_new", architectures=["GPTNeoForCausalLM"], attention_dropout=0,
      attention_layers=["global", "local"] * 6, attention_types=[[["global", "local"], 6]], bos_token_id=50256, classifier_dropout=0.1,
      embed_dropout=0, eos_token_id=50256, gradient_checkpointing=False, hidden_size=768, initializer_range=0.02, intermediate_size=None,
      layer_norm_epsilon=1e-05, max_position_embeddings=2048, model_type="gpt_neo", num_heads=12, num_layers=12, resid_dropout=0,
      summary_activation=None, summary_first_dropout=0.1, summary_proj_to_labels=True, summary_type="cls_index", summary_use_proj=True,
      torch_dtype="float32", transformers_version="4.36.2", use_cache=True, vocab_size=50257, window_size=256)),
  "tinystories-1m": (
    "TinyStories 1M", at("roneneldan/TinyStories-1M") + ", as a test of another project quotes it",
    dict(
      architectures=["GPTNeoForCausalLM"], activation_function="gelu_new", attention_dropout=0, attention_layers=["global", "local"] * 4,
      attention_types=[[["global", "local"], 4]], bos_token_id=50256, embed_dropout=0, eos_token_id=50256, intermediate_size=None,
      layer_norm_epsilon=1e-5, max_position_embeddings=2048, model_type="gpt_neo", hidden_size=64, num_layers=8, num_heads=16, resid_dropout=0,
      torch_dtype="float32", use_cache=True, vocab_size=50257, window_size=256)),
  "pythia-160m": ("Pythia 160M", at("EleutherAI/pythia-160m-deduped"), PYTHIA),
  "pythia-160m-v0": (
    "the first Pythia 160M, without `use_parallel_residual`", at("EleutherAI/pythia-160m-v0"),
    {key: value for key, value in PYTHIA.items() if key != "use_parallel_residual"} | dict(transformers_version="4.22.2")),
  "pythia-1b-fine-tuned": (
    "a fine-tune of Pythia 1B, with both spellings of its rotary part", at("XueyingJia/pythia-1b-sft-SG-merge"),
    PYTHIA | dict(
      _name_or_path="EleutherAI/pythia-1b", attention_bias=True, attention_dropout=0.0, classifier_dropout=0.1, hidden_dropout=0.0,
      hidden_size=2048, intermediate_size=8192, num_attention_heads=8, num_hidden_layers=16, partial_rotary_factor=0.25, rope_scaling=None,
      rope_theta=10000, torch_dtype="float32", transformers_version="4.47.0")),
  "dolly-v2": (
    "Dolly 2 12B", at("ethzanalytics/dolly-v2-12b-sharded"),
    PYTHIA | dict(
      _name_or_path="databricks/dolly-v2-12b", custom_pipelines=PIPELINES, hidden_size=5120, intermediate_size=20480, num_attention_heads=40,
      num_hidden_layers=36, torch_dtype="float32", transformers_version="4.28.1", use_cache=False, vocab_size=50280)),
  "gpt-neox-sequential": (
    "a small GPT-NeoX whose residuals follow each other", at("AndrewKoulogeorge/gptneoxTester"),
    PYTHIA | dict(bos_token_id=50256, eos_token_id=50256, rotary_pct=1.0, transformers_version="4.28.1", use_parallel_residual=False)),
  "mistral-7b-v0.1": (
    "Mistral 7B v0.1, fine-tuned", at("imone/Mistral_7B_with_EOT_token"),
    MISTRAL | dict(
      _name_or_path="mistralai/Mistral-7B-v0.1", eos_token_id=32000, max_position_embeddings=8192, torch_dtype="bfloat16",
      transformers_version="4.34.1", use_cache=True, vocab_size=32002)),
  "mistral-7b-flash": (
    "Mistral 7B, with the attention it was trained with", at("BAAI/Infinity-Instruct-3M-0613-Mistral-7B"),
    MISTRAL | dict(
      eos_token_id=32000, torch_dtype="float32", transformers_version="4.34.0.dev0", _attn_implementation="flash_attention_2", use_cache=True,
      vocab_size=32002)),
  "mistral-7b-v0.3": (
    "Mistral 7B Instruct v0.3", at("mistralai/Mistral-7B-Instruct-v0.3"),
    MISTRAL | dict(
      attention_dropout=0.0, rope_theta=1000000.0, sliding_window=None, torch_dtype="bfloat16", transformers_version="4.42.0.dev0",
      use_cache=True, vocab_size=32768)),
  "mistral-nemo": (
    "Mistral Nemo 12B, whose heads are narrower than width / heads", at("nvidia/Mistral-NeMo-12B-Instruct", "Mistral-NeMo-12B-Instruct-HF/config.json"),
    MISTRAL | dict(
      attention_dropout=0.0, head_dim=128, hidden_size=5120, max_position_embeddings=1024000, num_hidden_layers=40, rope_theta=1000000.0,
      sliding_window=None, torch_dtype="bfloat16", transformers_version="4.43.0.dev0", use_cache=True, vocab_size=131072)),
  "qwen2.5-0.5b": (
    "Qwen 2.5 0.5B", at("osllmai-community/Qwen2.5-0.5B"),
    QWEN2 | dict(
      _name_or_path="Qwen/Qwen2.5-0.5B", pad_token_id=151665, sliding_window=None, tie_word_embeddings=True, torch_dtype="bfloat16",
      transformers_version="4.44.2", unsloth_fixed=True, use_cache=True, use_mrope=False, use_sliding_window=False, vocab_size=151936)),
  "qwen2.5-0.5b-trained": (
    "Qwen 2.5 0.5B, fine-tuned, with a window that is off", at("hZzy/qwen2.5-0.5b-sft-25-2"),
    QWEN2 | dict(
      _name_or_path="Qwen/Qwen2.5-0.5B", bos_token_id=151644, eos_token_id=151645, pad_token_id=151645, sliding_window=32768,
      tie_word_embeddings=True, torch_dtype="float16", transformers_version="4.42.0", use_cache=True, use_mrope=False,
      use_sliding_window=False, vocab_size=151665)),
  "qwen2.5-7b-yarn": (
    "Qwen 2.5 7B Instruct, lengthened with YaRN", at("Qwen/Qwen2.5-7B-Instruct"),
    QWEN2 | dict(
      eos_token_id=151645, hidden_size=3584, intermediate_size=18944, max_position_embeddings=131072, max_window_layers=28,
      num_attention_heads=28, num_hidden_layers=28, num_key_value_heads=4, sliding_window=32768, tie_word_embeddings=False,
      torch_dtype="bfloat16", transformers_version="4.43.1", use_cache=True, use_sliding_window=False, vocab_size=152064,
      rope_scaling=dict(factor=4.0, original_max_position_embeddings=32768, type="yarn"))),
  "deepseek-r1-distill-qwen": (
    "DeepSeek R1 Distill Qwen 1.5B", at("onnx-community/DeepSeek-R1-Distill-Qwen-1.5B-ONNX"),
    QWEN2 | {
      "_name_or_path": "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "hidden_size": 1536, "intermediate_size": 8960,
      "max_position_embeddings": 131072, "max_window_layers": 21, "num_attention_heads": 12, "num_hidden_layers": 28, "rope_scaling": None,
      "rope_theta": 10000, "sliding_window": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.46.3",
      "use_cache": True, "use_mrope": False, "use_sliding_window": False, "vocab_size": 151936,
      "transformers.js_config": {"dtype": "q4f16", "kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}}}),
  "smollm2-135m": (
    "SmolLM2 135M Instruct, fine-tuned", at("thatupiso/SmolLM2-FT-DPO2"),
    LLAMA | {
      "_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct", "bos_token_id": 1, "eos_token_id": 2, "head_dim": 64, "hidden_size": 576,
      "initializer_range": 0.041666666666666664, "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192,
      "mlp_bias": False, "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2, "pretraining_tp": 1,
      "rope_interleaved": False, "rope_scaling": None, "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "float16",
      "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16", "q4f16": "float16"}}, "transformers_version": "4.46.3",
      "use_cache": False, "vocab_size": 49152}),
  "tinyllama-1.1b": (
    "TinyLlama 1.1B Chat", at("dpastushenkov/TinyLlama-1.1B-Chat-v1.0-openvino"),
    LLAMA | dict(
      _name_or_path="TinyLlama/TinyLlama-1.1B-Chat-v1.0", bos_token_id=1, eos_token_id=2, hidden_size=2048, intermediate_size=5632,
      is_decoder=True, max_position_embeddings=2048, mlp_bias=False, num_attention_heads=32, num_hidden_layers=22, num_key_value_heads=4,
      pretraining_tp=1, rope_scaling=None, rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="bfloat16",
      transformers_version="4.42.4", vocab_size=32000)),
  "llama-3.2-1b": (
    "Llama 3.2 1B", at("h3110Fr13nd/llama-3.2-1b-onnx"),
    {key: value for key, value in LLAMA_3_2_1B.items() if key != "torch_dtype"} | dict(
      _name_or_path="llama-3.2-1b", eos_token_id=128001, transformers_version="4.44.2")),
  "llama-3.2-1b-instruct": (
    "Llama 3.2 1B Instruct with Unsloth's repairs", at("unsloth/Llama-3.2-1B-Instruct") + ", as a test of another project quotes it",
    LLAMA_3_2_1B | dict(eos_token_id=128009, pad_token_id=128004, transformers_version="4.52.0.dev0", unsloth_fixed=True)),
  "llama-3-8b-unsloth": (
    "Llama 3 8B, fine-tuned with Unsloth", at("martyyz/llama3-8b-mart-unsloth-merged"),
    LLAMA | dict(
      _name_or_path="unsloth/llama-3-8b-bnb-4bit", bos_token_id=128000, eos_token_id=128001, hidden_size=4096, intermediate_size=14336,
      max_position_embeddings=8192, num_attention_heads=32, num_hidden_layers=32, num_key_value_heads=8, pretraining_tp=1, rope_scaling=None,
      rope_theta=500000.0, tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.38.2", unsloth_version="2024.4",
      vocab_size=128256)),
  "llama-3-8b-unsloth-2026": (
    "a Llama 3 fine-tuned with Unsloth in 2026, in the new spelling of rotary settings", at("robcorey/model"),
    LLAMA | dict(
      bos_token_id=128000, torch_dtype="bfloat16", eos_token_id=128001, head_dim=128, hidden_size=4096, intermediate_size=14336,
      max_position_embeddings=131072, mlp_bias=False, num_attention_heads=32, num_hidden_layers=32, num_key_value_heads=8, pad_token_id=128004,
      pretraining_tp=1, rope_parameters=dict(rope_theta=500000.0, rope_type="default"), tie_word_embeddings=False, unsloth_fixed=True,
      unsloth_version="2026.3.4", use_cache=False, vocab_size=128256)),
  "falcon3-3b": (
    "Falcon 3 3B", at("tiiuae/Falcon3-3B-Base"),
    {key: value for key, value in LLAMA.items() if key != "initializer_range"} | dict(
      activation="swiglu", eos_token_id=11, head_dim=256, hidden_size=3072, intermediate_size=9216, max_position_embeddings=32768,
      mlp_bias=False, num_attention_heads=12, num_hidden_layers=22, num_key_value_heads=4, pretraining_tp=1, rms_norm_eps=1e-06,
      rope_scaling=None, rope_theta=1000042, tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.46.1",
      vocab_size=131072)),
  "leolm-13b-linear": (
    "LeoLM 13B, a Llama 2 lengthened linearly", at("titanbot/LeoLM-hesseianai-13b-chat"),
    {key: value for key, value in LLAMA.items() if not key.startswith("attention_")} | dict(
      bos_token_id=1, eos_token_id=2, hidden_size=5120, intermediate_size=13824, max_position_embeddings=8192, num_attention_heads=40,
      num_hidden_layers=40, num_key_value_heads=40, pad_token_id=0, pretraining_tp=1, rope_scaling=dict(factor=2.0, type="linear"),
      rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="float16", transformers_version="4.33.1", vocab_size=32128)),
  "phi-4-as-llama": (
    "Phi 4 as Llama, with Unsloth's repairs", at("dimsavva/phi4tailwind") + " before commit `6f2b4e0`",
    LLAMA | dict(
      bos_token_id=100257, eos_token_id=100265, head_dim=128, hidden_size=5120, intermediate_size=17920, max_position_embeddings=16384,
      mlp_bias=False, num_attention_heads=40, num_hidden_layers=40, num_key_value_heads=10, original_max_position_embeddings=16384,
      pad_token_id=100351, pretraining_tp=1, rope_scaling=None, rope_theta=250000, tie_word_embeddings=False, torch_dtype="float16",
      transformers_version="4.47.1", unsloth_fixed=True, unsloth_version="2025.1.5", vocab_size=100352)),
}
