import FileContainers
import Synchronization
import TensorModel

/// The groups of a configuration of compressed-tensors, and which module is of which.
///
/// A module's name counts before regular expressions, these before its class; among expressions, and among classes, the first by its text. A target
/// that stands twice is the last group's (`compressed_tensors/utils/match.py`, `quantization/lifecycle/apply.py`).
final class CompressedGroups: Sendable {
  /// How a group's weights are stored.
  struct Scheme: Sendable {
    let format: String
    let bits: Int
    let strategy: String
    let group: Int?
    let block: [Int]?
    let isSymmetric: Bool
    /// Whether groups are of columns in another order, which an index tells.
    let isReordered: Bool
  }

  /// What may be spent on matching: far more than patterns that people write take.
  private static let effortForEach = 1 << 14
  private static let effortForAll = 1 << 22
  private static let mostPatterns = 1000
  private static let longestName = 1024
  static let embeddings: Set = [
    "embed_tokens", "wte", "wpe", "embed_in", "word_embeddings", "embeddings", "embed_positions",
  ]

  private let groups: [Result<Scheme, CheckpointError>]
  private let names: [ExactName: Int]
  private let patterns: [(pattern: TargetPattern, group: Int)]
  private let classes: [(name: String, group: Int)]
  private let effort = Atomic<Int>(CompressedGroups.effortForAll)

  /// - Parameter settings: what the configuration says of quantization.
  /// - Throws: what is wrong with a regular expression.
  init(_ settings: JSONValue) throws(CheckpointError) {
    let members = settings["config_groups"]?.members ?? []
    groups = members.map { member in Self.scheme(member.value, settings) }
    var names: [ExactName: Int] = [:]
    for (number, member) in members.enumerated() {
      for target in member.value["targets"]?.elements ?? [] {
        if let text = target.text { names[ExactName(text)] = number }
      }
    }
    self.names = names
    let sorted = names.sorted { $0.key.text.utf8.lexicographicallyPrecedes($1.key.text.utf8) }
    let expressions = sorted.filter { $0.key.text.hasPrefix("re:") }
    guard expressions.count <= Self.mostPatterns else {
      throw CheckpointError(
        .unsupported, "more regular expressions than are understood here", file: "config.json",
        expected: "at most \(Self.mostPatterns) in 'config_groups'", found: "\(expressions.count)")
    }
    var patterns: [(pattern: TargetPattern, group: Int)] = []
    for (name, group) in expressions {
      do throws(CheckpointError) {
        patterns.append((try TargetPattern(String(name.text.dropFirst(3))), group))
      } catch { throw error.in(file: "config.json") }
    }
    self.patterns = patterns
    // Only these are ever looked for: most targets are names of modules.
    classes = sorted.filter { $0.key.text == "Embedding" || $0.key.text.hasSuffix("Linear") }
      .map { ($0.key.text, $0.value) }
  }

  /// The scheme of a module.
  ///
  /// - Parameter module: its name.
  /// - Returns: the scheme; nil if no group has it.
  /// - Throws: `malformed` if its group doesn't say how weights are stored; `unsupported` for patterns that are too slow.
  func scheme(of module: String) throws(CheckpointError) -> Scheme? {
    if let group = names[ExactName(module)] { return try groups[group].get() }
    if !patterns.isEmpty {
      let name = Array(module.unicodeScalars)
      guard name.count <= Self.longestName else {
        throw CheckpointError(
          .unsupported, "a name too long for regular expressions", file: "config.json",
          expected: "at most \(Self.longestName) characters", found: "\(name.count)")
      }
      var left = effort.wrappingAdd(Self.effortForEach, ordering: .relaxed).newValue
      let before = left
      let found = patterns.first { $0.pattern.matches(name, effort: &left) }
      effort.wrappingSubtract(before - left, ordering: .relaxed)
      guard left > 0 else { throw Self.tooSlow }
      if let found { return try groups[found.group].get() }
    }
    let last = module.split(separator: ".").last.map(String.init) ?? module
    let isEmbedding = Self.embeddings.contains(last)
    let found =
      classes.first { ($0.name == "Embedding") == isEmbedding }
      ?? (isEmbedding ? classes.first : nil)
    return try found.map { (found) throws(CheckpointError) in try groups[found.group].get() }
  }

  private static let tooSlow = CheckpointError(
    .unsupported, "regular expressions that take too long to match", file: "config.json",
    expected: "targets that need less than a few million steps",
    hint: "name the modules in config.json, each by its full name")

  private static func scheme(
    _ group: JSONValue, _ settings: JSONValue
  ) -> Result<Scheme, CheckpointError> {
    guard let weights = group["weights"], weights.members != nil,
      let format = group["format"]?.text ?? settings["format"]?.text,
      let bits = weights["num_bits"]?.integer, (1...8).contains(bits)
    else {
      return .failure(
        CheckpointError(
          .malformed, "a group of the configuration doesn't say how weights are stored",
          file: "config.json", expected: "'format', and 'num_bits' of 1 to 8 in 'weights'",
          found: group.shortText, hint: "use the model's own config.json"))
    }
    let size = weights["group_size"]?.integer
    let inferred = size.map { $0 == -1 ? "channel" : "group" } ?? "tensor"
    return .success(
      Scheme(
        format: format, bits: bits, strategy: weights["strategy"]?.text?.lowercased() ?? inferred,
        group: size, block: block(weights["block_structure"]),
        isSymmetric: weights["symmetric"]?.boolean ?? true,
        isReordered: ["group", "dynamic"].contains(weights["actorder"]?.text?.lowercased())
          || weights["actorder"]?.boolean == true))
  }

  /// `[128, 128]`; older files have `"128x128"`.
  private static func block(_ value: JSONValue?) -> [Int]? {
    let extents =
      value?.elements?.map(\.integer)
      ?? value?.text?.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard let extents, extents.count == 2 else { return nil }
    let whole = extents.compactMap { $0 }
    return whole.count == 2 && whole.allSatisfy { $0 > 0 } ? whole : nil
  }
}
