public import TensorModel

/// A quantization as a user asks for it.
public struct QuantizationRequest: Hashable, Sendable {
  /// What most weights become.
  public var scheme: QuantizationScheme
  /// Types for tensors by name; the first that fits counts.
  public var overrides: [TensorTypeOverride] = []
  /// Types by exact names, before anything else: those of a file that is to be made again.
  public var exactTypes: [ExactName: WeightType] = [:]
  /// The type of the head, or of the embedding where that is the head; nil leaves it to the scheme.
  public var outputType: WeightType?
  /// Whether a type that a tensor's rows don't fit is an error instead of being substituted.
  public var isStrict = false
  /// How much work is put into scales and codes.
  public var quality = QuantizationQuality.plain
  /// How much errors in columns count; nil if everywhere the same.
  public var importance: ImportanceMatrix?
  /// How the inputs of layers go together, which the quality `max` needs.
  public var moments: SecondMomentFile?

  /// A request with everything else at its default.
  public init(_ scheme: QuantizationScheme) { self.scheme = scheme }
}

/// `--tensor-type PATTERN=TYPE`: the type of the tensors in whose name the pattern is found.
public struct TensorTypeOverride: Hashable, Sendable {
  /// Which tensors.
  public let pattern: NamePattern
  /// What they become.
  public let type: WeightType

  /// As it is parsed.
  public var text: String { "\(pattern.text)=\(type.name)" }

  /// Parses `PATTERN=TYPE`.
  ///
  /// - Parameters:
  ///   - text: the option's.
  ///   - container: whose types there are.
  /// - Throws: `usage` if it isn't that.
  public init(_ text: String, _ container: QuantizationContainer) throws(CheckpointError) {
    func unusable(_ message: String, _ found: some StringProtocol) -> CheckpointError {
      CheckpointError(
        .usage, "--tensor-type: \(message)", expected: "PATTERN=TYPE, such as ffn_down=q6_k",
        found: String(found.prefix(100)))
    }
    guard let separator = text.lastIndex(of: "=") else {
      throw unusable("a type for which tensors?", text)
    }
    let name = String(text[text.index(after: separator)...])
    guard let type = container.type(named: name) else {
      throw container.unknownType(name, option: "--tensor-type")
    }
    guard let pattern = NamePattern(String(text[..<separator])) else {
      throw unusable("no regular expression", text[..<separator])
    }
    self.pattern = pattern
    self.type = type
  }
}

extension QuantizationContainer {
  /// A type that single tensors can be given, by its name in either case: `q4_k`, `F16`, `fp16`; nil if there is none.
  public func type(named name: String) -> WeightType? {
    let name = DType.optionName(name)
    return types.first { $0.name.lowercased() == name }
  }

  /// What is wrong with a name that no type has.
  ///
  /// - Parameters:
  ///   - name: as it was written.
  ///   - option: that took it.
  /// - Returns: a usage error, with the names that may have been meant.
  public func unknownType(_ name: String, option: String) -> CheckpointError {
    let near = nearNames(name, among: typeNames)
    return CheckpointError(
      .usage, "\(option): weights of \(title) can't be given this type",
      expected: typeNames.joined(separator: ", "), found: String(name.prefix(100)),
      hint: near.isEmpty ? nil : "did you mean \(alternatives(near))?")
  }

  /// The names of these types, as options take them.
  public var typeNames: [String] { types.map { $0.name.lowercased() } }

  /// The names of the dtypes among them.
  public var dtypeNames: [String] {
    types.compactMap { if case .dtype(let dtype) = $0 { dtype.rawValue.lowercased() } else { nil } }
  }
}
