extension Architecture {
  /// GPT-2: learned positions, fused queries, keys and values, weights stored `[in, out]`, a head that shares the embedding.
  public static let gpt2 = Architecture(
    name: "gpt2",
    modelClass: "GPT2LMHeadModel",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.wpe.weight", [.positions, .model], .positionEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight(
        "transformer.h.{i}.attn.c_attn.weight", [.model, .queriesKeysValues],
        .weight(.queryKeyValue, .inOut)),
      .weight(
        "transformer.h.{i}.attn.c_attn.bias", [.queriesKeysValues], .bias(.queryKeyValue)),
      .weight(
        "transformer.h.{i}.attn.c_proj.weight", [.model, .model], .weight(.output, .inOut)),
      .weight("transformer.h.{i}.attn.c_proj.bias", [.model], .bias(.output)),
      .weight("transformer.h.{i}.ln_2.weight", [.model], .normScale(.feedForward)),
      .weight("transformer.h.{i}.ln_2.bias", [.model], .normOffset(.feedForward)),
      .weight("transformer.h.{i}.mlp.c_fc.weight", [.model, .inner], .weight(.up, .inOut)),
      .weight("transformer.h.{i}.mlp.c_fc.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.c_proj.weight", [.inner, .model], .weight(.down, .inOut)),
      .weight("transformer.h.{i}.mlp.c_proj.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    mesh: nil,
    gguf: GGUFTable("gpt2"))
}
