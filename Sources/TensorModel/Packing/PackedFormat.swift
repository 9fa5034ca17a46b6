/// How a matrix is stored as several tensors: codes of a few bits, and what groups of them in a row are multiplied with.
///
/// Plans have one for each tensor, in expressions too: what it is defined by is kept once for all tensors of a format.
public struct PackedFormat: Sendable {
  private let definition: Definition

  /// What makes a format, and tells it from others.
  private final class Definition: Sendable {
    let name: String
    let arithmetic: Arithmetic
    let coding: Coding
    let bits: Int
    let groupSize: Int?
    let rowCount: Int
    let codes: DType
    let tensorScale: Float?

    init(
      _ name: String, _ arithmetic: Arithmetic, _ coding: Coding, bits: Int, groupSize: Int?,
      rowCount: Int, codes: DType, tensorScale: Float?
    ) {
      self.name = name
      self.arithmetic = arithmetic
      self.coding = coding
      self.bits = bits
      self.groupSize = groupSize
      self.rowCount = rowCount
      self.codes = codes
      self.tensorScale = tensorScale
    }
  }

  /// As schemes and expressions spell it.
  public var name: String { definition.name }
  /// Whose arithmetic it is: which scales, and which code of those near a weight.
  public var arithmetic: Arithmetic { definition.arithmetic }
  /// What a code stands for.
  public var coding: Coding { definition.coding }
  /// Bits of a code.
  public var bits: Int { definition.bits }
  /// Weights of a row that share a scale; nil for all of them.
  public var groupSize: Int? { definition.groupSize }
  /// Rows that share scales.
  public var rowCount: Int { definition.rowCount }
  /// What codes are stored in: words that rows of them fill.
  public var codes: DType { definition.codes }
  /// What scales are stored in; nil for the weights' dtype.
  public var scales: DType? { coding.scales(arithmetic) }
  /// What the scales of groups are more by, where a tensor has a scale of its own, and that is known.
  public var tensorScale: Float? { definition.tensorScale }

  /// Libraries that quantize.
  public enum Arithmetic: Hashable, Sendable {
    /// MLX.
    case mlx
    /// compressed-tensors.
    case compressedTensors
  }

  /// What the codes of a group stand for; MLX's modes have these names.
  public enum Coding: String, Hashable, Sendable {
    /// Multiples of a scale, plus a bias.
    case affine
    /// Multiples of a scale, symmetric around 0.
    case symmetric
    /// Floats of 8 bits (E4M3) times a scale.
    case fp8
    /// Floats of 4 bits (E2M1) times a power of two.
    case mxfp4
    /// Floats of 4 bits (E2M1) times a float of 8 (E4M3).
    case nvfp4
    /// Floats of 8 bits (E4M3) times a power of two.
    case mxfp8

    /// What scales are stored in; nil for the weights' dtype.
    fileprivate func scales(_ arithmetic: Arithmetic) -> DType? {
      switch self {
      case .affine, .symmetric, .fp8: nil
      case .mxfp4, .mxfp8: .u8
      case .nvfp4: arithmetic == .mlx ? .u8 : .f8e4m3
      }
    }
  }

  /// A tensor of those that a matrix is stored as.
  public enum Part: String, CaseIterable, Hashable, Sendable {
    /// The codes, several in a word.
    case codes
    /// What they are multiplied with.
    case scales
    /// What is added then.
    case biases
    /// The matrix's rows and columns.
    case shape
    /// What the scales of groups are more by than they should.
    case tensorScale
  }

  init(
    _ name: String, _ arithmetic: Arithmetic, _ coding: Coding, bits: Int, groupSize: Int?,
    rowCount: Int = 1, in codes: DType
  ) {
    definition = Definition(
      name, arithmetic, coding, bits: bits, groupSize: groupSize, rowCount: rowCount, codes: codes,
      tensorScale: nil)
  }

  private init(_ format: PackedFormat, tensorScale: Float) {
    definition = Definition(
      format.name, format.arithmetic, format.coding, bits: format.bits,
      groupSize: format.groupSize, rowCount: format.rowCount, codes: format.codes,
      tensorScale: tensorScale)
  }

  /// The format of that name, which may have a tensor's scale (`nvfp4a16*2688.0`); nil if there is none.
  public init?(named name: String) {
    let parts = name.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
    guard let format = Self.all.first(where: { $0.name == parts[0] }) else { return nil }
    guard parts.count == 2 else {
      self = format
      return
    }
    guard format.hasTensorScale, let scale = Float(parts[1]), scale > 0, scale.isFinite else {
      return nil
    }
    self = format.scaled(by: scale)
  }

  /// Every format.
  public static let all: [PackedFormat] = mlx + compressedTensors

  /// The parts of a row, in the order in which they follow each other in what `pack` gives.
  public var parts: [Part] {
    var parts: [Part] = [.codes, .scales]
    if coding == .affine { parts.append(.biases) }
    if hasShape { parts.append(.shape) }
    if hasTensorScale { parts.append(.tensorScale) }
    return parts
  }

  /// Whether words of codes don't say how long rows are.
  private var hasShape: Bool { arithmetic == .compressedTensors && codes == .i32 }

  /// Whether a tensor has a scale of its own, beside those of groups.
  public var hasTensorScale: Bool { arithmetic == .compressedTensors && coding == .nvfp4 }

  /// The format with the scale of a tensor: positive and finite.
  public func scaled(by scale: Float) -> PackedFormat {
    PackedFormat(self, tensorScale: scale)
  }
}

extension PackedFormat: Hashable {
  /// Whether both are of the same definition.
  public static func == (left: PackedFormat, right: PackedFormat) -> Bool {
    left.definition === right.definition
      || left.name == right.name && left.arithmetic == right.arithmetic
        && left.coding == right.coding && left.bits == right.bits
        && left.groupSize == right.groupSize && left.rowCount == right.rowCount
        && left.codes == right.codes && left.tensorScale == right.tensorScale
  }

  /// Of what tells formats apart as a rule.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(tensorScale)
  }
}

extension PackedFormat: CustomStringConvertible {
  /// The name, and the tensor's scale.
  public var description: String { name + (tensorScale.map { "*\($0)" } ?? "") }
}
