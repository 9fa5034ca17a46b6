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

  /// Families by the names of their tensors, numbers zeroed: Hugging Face's, and those of GGUF files.
  private static let byTensor: (names: [String: String], ggufNames: [String: String]) = {
    var (names, ggufNames): ([String: String], [String: String]) = ([:], [:])
    for architecture in (known.map { $0.value() } + later) where architecture.nested == nil {
      for row in architecture.rows {
        names[Architecture.zeroed(row.name)] =
          names[Architecture.zeroed(row.name)] ?? architecture.name
        guard architecture.gguf != nil else { continue }
        for role in row.role.ggufRoles {
          let name = role.ggufName(layer: row.name.contains("{i}") ? 0 : nil)
          ggufNames[name] = ggufNames[name] ?? architecture.name
        }
      }
    }
    return (names, ggufNames)
  }()

  /// The family that computes with a tensor.
  ///
  /// - Parameters:
  ///   - name: of the tensor, numbers zeroed.
  ///   - isGGUF: whether it is a name of GGUF files.
  ///   - architecture: the model's own family, which is named if it has the tensor too.
  /// - Returns: nil where no family that is known has such a tensor.
  public static func family(
    of name: String, isGGUF: Bool, besides architecture: Architecture
  ) -> String? {
    let isOwn = architecture.rows.contains { row in
      isGGUF
        ? row.role.ggufRoles.contains {
          $0.ggufName(layer: row.name.contains("{i}") ? 0 : nil) == name
        } : Architecture.zeroed(row.name) == name
    }
    if isOwn { return architecture.name }
    return (isGGUF ? byTensor.ggufNames : byTensor.names)[name]
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
