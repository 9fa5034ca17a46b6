import FileContainers
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
    /// Whether codes are floats; nil where nothing is said.
    let isFloat: Bool?
    /// Which scales of activations are stored; nil for none, as where they are found at run time.
    let activations: Activations?
    /// Whether groups are of columns in another order, which an index tells.
    let isReordered: Bool
  }

  /// Scales of activations that are stored.
  enum Activations {
    /// All that there is.
    case fixed
    /// One above those of groups, which are found at run time.
    case global
  }

  static let embeddings: Set = [
    "embed_tokens", "wte", "wpe", "embed_in", "word_embeddings", "embeddings", "embed_positions",
  ]

  private let groups: [Result<Scheme, CheckpointError>]
  private let names: [ExactName: Int]
  private let patterns: NamePatterns
  /// Of the patterns, in their order.
  private let patternGroups: [Int]
  private let classes: [(name: String, group: Int)]

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
    patterns = try NamePatterns(
      expressions.map { String($0.key.text.dropFirst(3)) }, of: "config_groups")
    patternGroups = expressions.map(\.value)
    // Only these are ever looked for: most targets are names of modules.
    classes = sorted.filter { $0.key.text == "Embedding" || $0.key.text.hasSuffix("Linear") }
      .map { ($0.key.text, $0.value) }
  }

  /// What makes a module one of a group's.
  enum Target {
    case name(group: Int)
    case pattern(group: Int)
    case ofClass(String, group: Int)

    var group: Int {
      switch self {
      case .name(let group), .pattern(let group), .ofClass(_, let group): group
      }
    }
  }

  /// The scheme of a module.
  ///
  /// - Parameter module: its name.
  /// - Returns: the scheme; nil if no group has it.
  /// - Throws: `malformed` if its group doesn't say how weights are stored; `unsupported` for patterns that are too slow.
  func scheme(of module: String) throws(CheckpointError) -> Scheme? {
    guard let target = try target(of: module) else { return nil }
    return try groups[target.group].get()
  }

  /// The target that counts for a module; one of class `Linear` is taken to mean codes of an embedding, too.
  ///
  /// - Parameter module: its name.
  /// - Returns: the target; nil if no group has it.
  /// - Throws: `unsupported` for patterns that are too slow.
  func target(of module: String) throws(CheckpointError) -> Target? {
    if let group = names[ExactName(module)] { return .name(group: group) }
    if let found = try patterns.firstMatch(of: module) {
      return .pattern(group: patternGroups[found])
    }
    let last = module.split(separator: ".").last.map(String.init) ?? module
    let isEmbedding = Self.embeddings.contains(last)
    let found =
      classes.first { ($0.name == "Embedding") == isEmbedding }
      ?? (isEmbedding ? classes.first : nil)
    return found.map { .ofClass($0.name, group: $0.group) }
  }

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
        isFloat: weights["type"]?.text.map { $0.lowercased() == "float" },
        activations: activations(group["input_activations"]),
        isReordered: ["group", "dynamic"].contains(weights["actorder"]?.text?.lowercased())
          || weights["actorder"]?.boolean == true))
  }

  private static func activations(_ settings: JSONValue?) -> Activations? {
    guard let settings, settings.members != nil, settings["dynamic"]?.boolean != true else {
      return nil
    }
    if settings["strategy"]?.text?.lowercased() == "tensor_group" { return .global }
    return settings["dynamic"]?.boolean == false ? .fixed : nil
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
