/// How a matrix is stored as several tensors: codes of a few bits, and what groups of them in a row are multiplied with.
public struct PackedFormat: Hashable, Sendable {
  /// As schemes and expressions spell it.
  public let name: String
  /// What a code stands for.
  public let coding: Coding
  /// Bits of a code.
  public let bits: Int
  /// Weights of a row that share a scale.
  public let groupSize: Int

  /// What the codes of a group stand for.
  public enum Coding: Hashable, Sendable {
    /// Multiples of a scale, plus a bias.
    case affine
    /// Floats of 4 bits (E2M1) times a power of two.
    case mxfp4
    /// Floats of 4 bits (E2M1) times a float of 8 (E4M3).
    case nvfp4
    /// Floats of 8 bits (E4M3) times a power of two.
    case mxfp8
  }

  /// A tensor of those that a matrix is stored as.
  public enum Part: String, CaseIterable, Hashable, Sendable {
    /// The codes, several in a word.
    case codes
    /// What they are multiplied with.
    case scales
    /// What is added then.
    case biases
  }

  init(_ name: String, _ coding: Coding, bits: Int, groupSize: Int) {
    self.name = name
    self.coding = coding
    self.bits = bits
    self.groupSize = groupSize
  }

  /// The format of that name; nil if there is none.
  public init?(named name: String) {
    guard let format = Self.all.first(where: { $0.name == name }) else { return nil }
    self = format
  }

  /// Every format.
  public static let all: [PackedFormat] = mlx

  /// The parts of a row, in the order in which they follow each other in what `pack` gives.
  public var parts: [Part] { coding == .affine ? [.codes, .scales, .biases] : [.codes, .scales] }

  /// The type of a part of a matrix.
  ///
  /// - Parameters:
  ///   - part: one of `parts`.
  ///   - matrix: rows of whole groups, F32, F16 or BF16.
  /// - Returns: the type: words of 32 bits for codes, the matrix's dtype or a byte for what belongs to a group; nil for other matrices and parts.
  public func type(of part: Part, _ matrix: TensorType) -> TensorType? {
    guard matrix.shape.rank == 2, [.f32, .f16, .bf16].contains(matrix.dtype), parts.contains(part),
      case let (rows, columns) = (matrix.shape.dimensions[0], matrix.shape.dimensions[1]),
      columns > 0, columns.isMultiple(of: groupSize), columns * bits % 32 == 0
    else { return nil }
    switch part {
    case .codes: return TensorType(.u32, [rows, columns * bits / 32])
    case .scales, .biases:
      return TensorType(coding == .affine ? matrix.dtype : .u8, [rows, columns / groupSize])
    }
  }

  /// The bytes of a part in a row of a matrix; nil as for `type`.
  public func bytes(of part: Part, _ matrix: TensorType) -> Range<Int>? {
    var start = 0
    for candidate in parts {
      guard let type = type(of: candidate, matrix) else { return nil }
      let end = start + type.geometry.rowByteCount
      if candidate == part { return start..<end }
      start = end
    }
    return nil
  }

  /// The type of whole rows: bytes of all parts, one after the other; nil as for `type`.
  public func type(ofRows matrix: TensorType) -> TensorType? {
    guard let last = parts.last, let end = bytes(of: last, matrix)?.upperBound else { return nil }
    return TensorType(.u8, [matrix.shape.dimensions[0], end])
  }
}

extension PackedFormat: CustomStringConvertible {
  /// The name.
  public var description: String { name }
}
