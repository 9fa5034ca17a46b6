public import TensorModel

/// A quantization as a user asks for it.
public struct QuantizationRequest: Hashable, Sendable {
  /// What most weights become.
  public var scheme: QuantizationScheme
  /// Types for tensors by name; the first that fits counts.
  public var overrides: [TensorTypeOverride] = []
  /// Types by exact names, before anything else: those of a file that is to be made again.
  public var exactTypes: [ExactName: DType] = [:]
  /// The type of the head, or of the embedding where that is the head; nil leaves it to the scheme.
  public var outputType: DType?
  /// Whether a type that a tensor's rows don't fit is an error instead of being substituted.
  public var isStrict = false
  /// How much errors in columns count; nil if everywhere the same.
  public var importance: ImportanceMatrix?

  /// A request with everything else at its default.
  public init(_ scheme: QuantizationScheme) { self.scheme = scheme }
}

/// `--tensor-type PATTERN=TYPE`: the type of the tensors in whose name the pattern is found.
public struct TensorTypeOverride: Hashable, Sendable {
  /// Which tensors.
  public let pattern: NamePattern
  /// What they become.
  public let type: DType

  /// Parses `PATTERN=TYPE`.
  ///
  /// - Throws: `usage` if it isn't that.
  public init(_ text: String) throws(CheckpointError) {
    func unusable(_ message: String, _ found: some StringProtocol) -> CheckpointError {
      CheckpointError(
        .usage, "--tensor-type: \(message)", expected: "PATTERN=TYPE, such as ffn_down=q6_k",
        found: String(found.prefix(100)))
    }
    guard let separator = text.lastIndex(of: "=") else {
      throw unusable("a type for which tensors?", text)
    }
    let name = text[text.index(after: separator)...]
    guard let type = DType(quantizationName: String(name)) else {
      throw unusable("a type that weights can't be given", name)
    }
    guard let pattern = NamePattern(String(text[..<separator])) else {
      throw unusable("no regular expression", text[..<separator])
    }
    self.pattern = pattern
    self.type = type
  }
}

extension DType {
  /// A type that weights can be given, by its name in either case: `q4_k`, `F16`.
  public init?(quantizationName name: String) {
    guard let type = DType(rawValue: name.uppercased()), type.isBlockQuantized || type.isCastable,
      type != .f64
    else { return nil }
    self = type
  }

  /// The names of all types that weights can be given, as options take them.
  public static var quantizationNames: [String] {
    allCases.map { $0.rawValue.lowercased() }.filter { DType(quantizationName: $0) != nil }
  }
}
