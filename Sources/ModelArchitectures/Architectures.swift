/// All model families that are known: one line each.
public enum Architectures {
  /// The tables.
  public static let all: [Architecture] = [
    .gptj,
    .gpt2,
    .gptNeo,
    .gptNeoX,
    .llama,
    .mistral,
    .qwen2,
  ]

  /// The family of that `model_type`.
  public static func named(_ name: String) -> Architecture? { all.first { $0.name == name } }
}
