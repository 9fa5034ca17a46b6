import TensorModel

/// What most weights of a model become, in which container, and which others get more bits: `--scheme`.
///
/// A value: what a command needs to know of a scheme or its container is a property. The list is in `QuantizationSchemes.swift`.
public struct QuantizationScheme: Sendable {
  /// As `--scheme` spells it, in lower case.
  public let name: String
  /// What the weights are written in.
  public let container: QuantizationContainer
  /// The type of most weights.
  public let type: WeightType
  /// The container's own number for files of the scheme (GGUF's `general.file_type`); nil where it has none.
  public let fileType: Int?

  init(
    _ name: String, _ container: QuantizationContainer, _ type: WeightType, fileType: Int? = nil
  ) {
    self.name = name
    self.container = container
    self.type = type
    self.fileType = fileType
  }

  /// The scheme of that name, in either case and with other names of dtypes (`fp16`); nil if there is none.
  public init?(named name: String) {
    let name = DType.optionName(name)
    guard let scheme = Self.all.first(where: { $0.name == name }) else { return nil }
    self = scheme
  }
}

extension QuantizationScheme: Hashable {
  /// Whether the names are the same: each has one meaning.
  public static func == (one: QuantizationScheme, other: QuantizationScheme) -> Bool {
    one.name == other.name
  }

  /// Takes in the name.
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension QuantizationScheme: Codable {
  /// Reads the name.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let scheme = QuantizationScheme(named: name) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(name)' is no scheme")
    }
    self = scheme
  }

  /// Writes the name.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}

extension QuantizationScheme: CustomStringConvertible {
  /// The name.
  public var description: String { name }
}

/// What quantized weights are written in, as far as a request for them depends on it.
public struct QuantizationContainer: Sendable {
  /// What people call it.
  public let title: String
  /// The name of the format that is written, as `--to` spells it.
  public let format: String
  /// Whether an importance matrix changes what is written.
  public let heedsImportance: Bool
  /// The types that single tensors can be given.
  public let types: [WeightType]

  /// The schemes that are written in it.
  public var schemes: [QuantizationScheme] {
    QuantizationScheme.all.filter { $0.container.title == title }
  }

  /// Whether programs that load it make one layer of several, whose weights have one type, and schemes leave the head as it is.
  public var fusesLayers: Bool { title == Self.compressedTensors.title }

  /// The container of a format, as `--to` spells it; nil for formats without schemes.
  public init?(format: String) {
    guard
      let scheme = QuantizationScheme.all.first(where: {
        $0.container.title == format || $0.container.format == format
      })
    else { return nil }
    self = scheme.container
  }

  /// A container.
  ///
  /// - Parameters:
  ///   - title: what people call it; nil where that is the format's name.
  ///   - format: the name of the format that is written, as `--to` spells it.
  ///   - heedsImportance: whether an importance matrix changes what is written.
  ///   - types: that single tensors can be given.
  init(title: String? = nil, format: String, heedsImportance: Bool, types: [WeightType]) {
    self.title = title ?? format
    self.format = format
    self.heedsImportance = heedsImportance
    self.types = types
  }
}

/// Schemes that a person chooses between for one reason, and which.
public struct SchemeFamily: Sendable {
  /// The schemes, most bits first.
  public let schemes: [QuantizationScheme]
  /// The names, or what stands for them where there are many.
  public let names: String
  /// Half a line on them.
  public let summary: String

  init(_ schemes: [QuantizationScheme], names: String? = nil, _ summary: String) {
    self.schemes = schemes
    self.names = names ?? schemes.map(\.name).joined(separator: " ")
    self.summary = summary
  }
}
