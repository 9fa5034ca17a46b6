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

/// `--tensor-type PATTERN=TYPE`: the type of the tensors whose name has a match of the pattern.
public struct TensorTypeOverride: Hashable, Sendable {
  /// A regular expression; it matches anywhere in the name, letters in either case.
  public let pattern: String
  /// What these tensors become.
  public let type: DType

  /// Parses `PATTERN=TYPE`; nil if it isn't that, or the pattern no regular expression.
  public init?(_ text: String) {
    guard let separator = text.lastIndex(of: "="), separator > text.startIndex,
      let type = DType(quantizationName: String(text[text.index(after: separator)...])),
      (try? Regex(String(text[..<separator]))) != nil
    else { return nil }
    pattern = String(text[..<separator])
    self.type = type
  }

  /// Whether the pattern is found in a name.
  public func matches(_ name: String) -> Bool {
    guard let expression = try? Regex(pattern).ignoresCase() else { return false }
    return name.firstMatch(of: expression) != nil
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
