/// All model families that are known: one line each.
public enum Architectures {
  private static let known: [Architecture] = [
    .gptj,
    .gpt2,
    .gptNeo,
    .gptNeoX,
    .llama,
    .mistral,
    .qwen2,
  ]

  @TaskLocal private static var added: [Architecture] = []

  /// The families.
  public static var all: [Architecture] { known + added }

  /// The family of that `model_type`.
  public static func named(_ name: String) -> Architecture? { all.first { $0.name == name } }

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
