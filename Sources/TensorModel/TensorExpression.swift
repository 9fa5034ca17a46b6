/// How an output tensor is computed from stored ones: a value that can be printed, compared and encoded, and that is
/// evaluated row slab by row slab.
///
/// Sums and means are f32 and start from their first operand; everything else moves elements unchanged but `cast`, which rounds once.
public indirect enum TensorExpression: Hashable, Sendable {
  /// A tensor of the source, by name.
  case stored(String)
  /// The operands one after the other along an axis; they agree in dtype and in the other extents.
  case concatenate([TensorExpression], axis: Int)
  /// A matrix with rows and columns exchanged: `[a, b]` becomes `[b, a]`; of a stack of matrices each: `[n, a, b]` becomes `[n, b, a]`.
  case transpose(TensorExpression)
  /// The same elements, row-major, in other extents.
  case reshape(TensorExpression, Shape)
  /// A matrix of one row as a vector: `[1, n]` becomes `[n]`.
  case squeeze(TensorExpression)
  /// Float operands of one shape added up in f32, in order, starting from the first.
  case sum([TensorExpression])
  /// The sum of such operands divided by their number, in f32: what copies amount to that differ.
  case mean([TensorExpression])
  /// A matrix `[n, d]` with a row `[d]` added to each of its rows, in f32.
  case addRow(TensorExpression, row: TensorExpression)
  /// The part of the operand whose index along an axis is in the range.
  case slice(TensorExpression, axis: Int, range: Range<Int>)
  /// The rows in another order.
  case permuteRows(TensorExpression, RowPermutation)
  /// The elements in another float dtype, each rounded once to nearest even; of a block format, the values that its blocks stand for. To a
  /// block format: the blocks that ggml's reference makes of the values in F32.
  case cast(TensorExpression, DType)
  /// The blocks of a block format for a matrix, made in another way than a cast makes them.
  case quantize(TensorExpression, DType, QuantizationMethod)
  /// Blocks of a format that `BlockParts` knows, `[…, 32 n]`, of their parts: codes, scales and, where it has some, biases.
  case blocks([TensorExpression], DType)
  /// The codes of such blocks.
  case codes(TensorExpression)
  /// The scales of such blocks.
  case scales(TensorExpression)
  /// What such blocks add, where they do.
  case biases(TensorExpression)
  /// The numbers, in F32, of codes that lie packed in a matrix: along its rows (axis 1), or down its columns (axis 0).
  case decode(TensorExpression, PackedCode, Shape, axis: Int)
  /// The whole numbers of a float matrix, each the nearest of 0 to 2^bits − 1, one after the other in a row's cells of another dtype, lowest bits first.
  case encode(TensorExpression, bits: Int, DType)
  /// A float matrix of other extents, in F32, each element of the operand repeated in a block of so many rows and columns.
  case spread(TensorExpression, Shape, block: [Int])
  /// The rows of a float matrix that an index of I32 names, in F32.
  case gather(TensorExpression, rows: TensorExpression)
  /// The elements of a vector of floats that stand at the places, in F32.
  case lookUp(TensorExpression, places: TensorExpression)
  /// Float operands of one shape combined element by element in f32, rounded each time.
  case combine(Operator, TensorExpression, TensorExpression)
  /// The rows of a matrix in a format of several parts: of each row the parts' bytes one after the other.
  case pack(TensorExpression, PackedFormat, QuantizationMethod = .plain)
  /// A part of what `pack` gives, as a tensor of its own.
  case part(TensorExpression, PackedFormat.Part)
  /// The bytes of a matrix's rows as another dtype's, in as many columns as they fill.
  case view(TensorExpression, TensorType)
  /// A tensor of which every element is the same; the dtype has exactly that value.
  case fill(FillValue, TensorType)

  /// How two elements become one.
  public enum Operator: String, CaseIterable, Sendable {
    /// The first less the second.
    case difference
    /// The first times the second.
    case product
    /// The first by the second.
    case quotient
  }

  /// The stored tensors it reads, in order, each once.
  public var sources: [String] {
    if case .stored(let name) = self { return [name] }
    var names: [String] = []
    var seen: Set<ExactName> = []
    var pending = [self]
    while let expression = pending.popLast() {
      if case .stored(let name) = expression {
        if seen.insert(ExactName(name)).inserted { names.append(name) }
      } else {
        pending.append(contentsOf: expression.operands.reversed())
      }
    }
    return names
  }

  /// The expressions it is made of.
  public var operands: [TensorExpression] {
    switch self {
    case .stored, .fill: []
    case .concatenate(let parts, _), .sum(let parts), .mean(let parts), .blocks(let parts, _): parts
    case .transpose(let operand), .squeeze(let operand), .slice(let operand, _, _),
      .permuteRows(let operand, _), .cast(let operand, _), .quantize(let operand, _, _),
      .reshape(let operand, _), .codes(let operand), .scales(let operand),
      .biases(let operand), .decode(let operand, _, _, _), .spread(let operand, _, _),
      .pack(let operand, _, _),
      .part(let operand, _), .view(let operand, _), .encode(let operand, _, _):
      [operand]
    case .gather(let operand, let other), .lookUp(let operand, let other),
      .combine(_, let operand, let other):
      [operand, other]
    case .addRow(let matrix, let row): [matrix, row]
    }
  }
}

extension TensorExpression {
  /// Whether codes and scales are put together in another way, or taken apart, and the numbers stay what they were.
  public var isRepacked: Bool {
    switch self {
    // The other parts are the same numbers, in another dtype perhaps.
    case .blocks(let parts, _): parts.first?.movesOnly == true
    case .codes, .scales, .biases, .view, .encode: movesOnly
    default: operands.contains { $0.isRepacked } && movesOnly
    }
  }

  /// Whether all elements are stored ones.
  private var movesOnly: Bool {
    switch self {
    case .sum, .mean, .addRow, .cast, .quantize, .decode, .spread, .gather, .lookUp, .combine,
      .pack,
      .part, .fill:
      false
    case .stored: true
    case .concatenate, .transpose, .reshape, .squeeze, .slice, .permuteRows, .blocks, .codes,
      .scales, .biases, .view:
      operands.allSatisfy(\.movesOnly)
    case .encode(let operand, let bits, _): operand.movesCodes(bits: bits)
    }
  }

  /// Whether all elements are stored codes of as many bits.
  private func movesCodes(bits: Int) -> Bool {
    switch self {
    case .decode(let operand, let code, _, _): code.bits == bits && operand.movesOnly
    case .transpose(let operand), .permuteRows(let operand, _):
      operand.movesCodes(bits: bits)
    default: false
    }
  }
}

/// What evaluating an expression gives.
public struct TensorType: Hashable, Sendable {
  /// The element type.
  public let dtype: DType
  /// The extents.
  public let shape: Shape

  /// A dtype and a shape.
  public init(_ dtype: DType, _ shape: Shape) {
    self.dtype = dtype
    self.shape = shape
  }

  /// The tensor as rows of cells.
  public var geometry: MatrixGeometry { MatrixGeometry(dtype: dtype, shape: shape) }
}

extension TensorExpression: CustomStringConvertible {
  /// One line such as `cast(transpose(concatenate(axis 1, shard_{0…7}/layer_0/~/linear/w)), F16)`.
  public var description: String {
    switch self {
    case .stored(let name): name
    case .concatenate(let parts, let axis): "concatenate(axis \(axis), \(Self.list(parts)))"
    case .transpose(let operand): "transpose(\(operand))"
    case .squeeze(let operand): "squeeze(\(operand))"
    case .reshape(let operand, let shape): "reshape(\(operand), \(shape))"
    case .blocks(let parts, let dtype):
      "\(BlockParts.operation(dtype))(\(parts.map(\.description).joined(separator: ", ")))"
    case .codes(let operand): "codes(\(operand))"
    case .scales(let operand): "scales(\(operand))"
    case .biases(let operand): "biases(\(operand))"
    case .pack(let operand, let format, let method): "pack(\(operand), \(format)\(method.suffix))"
    case .part(let operand, let part): "\(part.rawValue)(\(operand))"
    case .sum(let parts): "sum(\(Self.list(parts)))"
    case .mean(let parts): "mean(\(Self.list(parts)))"
    case .addRow(let matrix, let row): "addRow(\(matrix), \(row))"
    case .slice(let operand, let axis, let range):
      "slice(\(operand), axis \(axis), \(range.lowerBound)..<\(range.upperBound))"
    case .permuteRows(let operand, let permutation): "permuteRows(\(operand), \(permutation))"
    case .cast(let operand, let dtype): "cast(\(operand), \(dtype.rawValue))"
    case .quantize(let operand, let dtype, let method):
      "quantize(\(operand), \(dtype.rawValue)\(method.suffix))"
    case .decode(let operand, let code, let shape, let axis):
      "decode(\(operand), \(code), \(shape), axis \(axis))"
    case .spread(let operand, let shape, let block):
      "spread(\(operand), \(shape), \(block[0]) × \(block[1]))"
    case .gather(let operand, let rows): "gather(\(operand), \(rows))"
    case .lookUp(let table, let places): "lookUp(\(table), \(places))"
    case .combine(let operation, let left, let right): "\(operation.rawValue)(\(left), \(right))"
    case .encode(let operand, let bits, let dtype):
      "encode(\(operand), \(PackedCode.unsigned(bits: bits)), \(dtype.rawValue))"
    case .view(let operand, let type): "view(\(operand), \(type.dtype.rawValue), \(type.shape))"
    case .fill(let value, let type):
      "fill(\(value.text(in: type.dtype)), \(type.dtype.rawValue), \(type.shape))"
    }
  }

  /// Operands that are stored tensors numbered from 0, as in `shard_{0…7}/x`, written once.
  private static func list(_ parts: [TensorExpression]) -> String {
    let texts = parts.map(\.description)
    guard parts.count > 1, case .stored(let first) = parts[0] else {
      return texts.joined(separator: ", ")
    }
    for position in first.indices where first[position] == "0" {
      let (head, tail) = (first[..<position], first[first.index(after: position)...])
      if texts.enumerated().allSatisfy({ $1 == "\(head)\($0)\(tail)" }) {
        return "\(head){0…\(parts.count - 1)}\(tail)"
      }
    }
    return texts.joined(separator: ", ")
  }
}

extension TensorExpression: Encodable {
  /// Writes the printed form, which says everything.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
