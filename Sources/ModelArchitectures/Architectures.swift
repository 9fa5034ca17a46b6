/// All model families that are known: one line each.
public enum Architectures {
  private static let known: KeyValuePairs<String, @Sendable () -> Architecture> = [
    "gptj": { .gptj },
    "gpt2": { .gpt2 },
    "gpt_neo": { .gptNeo },
    "gpt_neox": { .gptNeoX },
    "llama": { .llama },
    "mistral": { .mistral },
    "qwen2": { .qwen2 },
    "qwen3": { .qwen3 },
    "phi3": { .phi3 },
    "olmo2": { .olmo2 },
    "granite": { .granite },
    "smollm3": { .smolLM3 },
    "starcoder2": { .starCoder2 },
    "opt": { .opt },
    "bloom": { .bloom },
    "gemma2": { .gemma2 },
    "gemma3_text": { .gemma3Text },
    "gemma3": { .gemma3 },
    "falcon": { .falcon },
    "stablelm": { .stableLM },
    "mixtral": { .mixtral },
    "qwen3_moe": { .qwen3MoE },
    "gpt_oss": { .gptOss },
  ]

  /// Families whose tensors are known, but that aren't run: checked, converted, stored and compared by their tables.
  private static let laterFamilies: KeyValuePairs<String, @Sendable () -> Architecture> = [
    "cohere2": { .cohere2 },
    "deepseek_v3": { .deepSeekV3 },
    "gemma3n_text": { .gemma3nText },
    "glm4_moe": { .glm4MoE },
    "llama4_text": { .llama4Text },
    "minimax_m2": { .miniMaxM2 },
    "phimoe": { .phiMoE },
    "qwen3_next": { .qwen3Next },
  ]

  /// The families that are known by their tensors alone.
  public static var later: [Architecture] { laterFamilies.map { $0.value() } }

  @TaskLocal private static var added: [Architecture] = []

  /// The families.
  public static var all: [Architecture] { known.map { $0.value() } + added }

  /// The family of that `model_type`; no other's table is made for it.
  public static func named(_ name: String) -> Architecture? {
    (known.first { $0.key == name } ?? laterFamilies.first { $0.key == name })?.value()
      ?? added.first { $0.name == name }
  }

  /// Runs something with families of one's own beside those that are known.
  ///
  /// - Parameters:
  ///   - families: each a table and what its configuration means.
  ///   - body: whatever converts, checks or runs models of them, on this thread.
  /// - Returns: what the body returns.
  /// - Throws: what the body throws.
  static func adding<Result>(
    _ families: [Architecture], _ body: () throws -> Result
  ) rethrows -> Result { try $added.withValue(families, operation: body) }
}
