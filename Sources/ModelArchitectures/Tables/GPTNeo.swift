extension Architecture {
  /// GPT-Neo: learned positions, unscaled attention, local windows in every other layer.
  public static let gptNeo = Architecture(
    name: "gpt_neo",
    modelClass: "GPTNeoForCausalLM",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.wpe.weight", [.positions, .model], .positionEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight(
        "transformer.h.{i}.attn.attention.k_proj.weight", [.model, .model], .weight(.key)),
      .weight(
        "transformer.h.{i}.attn.attention.v_proj.weight", [.model, .model], .weight(.value)),
      .weight(
        "transformer.h.{i}.attn.attention.q_proj.weight", [.model, .model], .weight(.query)),
      .weight(
        "transformer.h.{i}.attn.attention.out_proj.weight", [.model, .model], .weight(.output)),
      .weight("transformer.h.{i}.attn.attention.out_proj.bias", [.model], .bias(.output)),
      .weight("transformer.h.{i}.ln_2.weight", [.model], .normScale(.feedForward)),
      .weight("transformer.h.{i}.ln_2.bias", [.model], .normOffset(.feedForward)),
      .weight("transformer.h.{i}.mlp.c_fc.weight", [.inner, .model], .weight(.up)),
      .weight("transformer.h.{i}.mlp.c_fc.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.c_proj.weight", [.model, .inner], .weight(.down)),
      .weight("transformer.h.{i}.mlp.c_proj.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    mesh: nil,
    gguf: nil)
}
