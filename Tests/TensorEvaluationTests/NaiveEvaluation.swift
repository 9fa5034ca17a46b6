import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport

/// A float tensor as numbers, evaluated whole, one element at a time.
struct NaiveTensor {
  var dtype: DType
  var rows: Int
  var columns: Int
  /// F64 for the sake of F64 tensors; all other values are exact in it.
  var values: [Double]

  subscript(row: Int, column: Int) -> Double { values[row * columns + column] }

  init(_ dtype: DType, _ rows: Int, _ columns: Int, _ element: (Int, Int) -> Double) {
    self.dtype = dtype
    self.rows = rows
    self.columns = columns
    values = []
    values.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for column in 0..<columns { values.append(element(row, column)) }
    }
  }

  init(_ type: TensorType, _ bytes: [UInt8]) {
    let geometry = MatrixGeometry(dtype: type.dtype, shape: type.shape)
    self.init(type.dtype, geometry.rows, geometry.columns) { row, column in
      type.dtype.decoded(bytes, (row * geometry.columns + column) * geometry.cellByteCount)
    }
  }

  /// The little-endian bytes.
  var bytes: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(values.count * dtype.blockByteCount)
    for value in values { dtype.append(value, to: &result) }
    return result
  }

  /// What an expression means.
  init(_ expression: TensorExpression, _ reader: MemoryReader) throws {
    func evaluated(_ operand: TensorExpression) throws -> NaiveTensor {
      try NaiveTensor(operand, reader)
    }
    switch expression {
    case .stored(let name):
      let type = reader.checkpoint.type(of: name)
      self.init(type ?? TensorType(.f32, [0]), reader.bytes(of: name) ?? [])
    case .transpose(let operand):
      let matrix = try evaluated(operand)
      let type = try operand.type { reader.checkpoint.type(of: $0) }
      if type.shape.rank == 3 {
        // Each matrix of a stack.
        let (rows, columns) = (type.shape.dimensions[1], type.shape.dimensions[2])
        self.init(matrix.dtype, matrix.rows, matrix.columns) { member, place in
          matrix[member, place % rows * columns + place / rows]
        }
      } else {
        self.init(matrix.dtype, matrix.columns, matrix.rows) { matrix[$1, $0] }
      }
    case .reshape(let operand, let shape):
      let tensor = try evaluated(operand)
      let geometry = MatrixGeometry(dtype: tensor.dtype, shape: shape)
      self.init(tensor.dtype, geometry.rows, geometry.columns) {
        tensor.values[$0 * geometry.columns + $1]
      }
    case .squeeze(let operand):
      let row = try evaluated(operand)
      self.init(row.dtype, row.columns, 1) { column, _ in row[0, column] }
    case .concatenate(let parts, let axis):
      let tensors = try parts.map(evaluated)
      if axis == 0 {
        self = tensors[0]
        values = tensors.flatMap(\.values)
        rows = tensors.reduce(0) { $0 + $1.rows }
      } else {
        let columns = tensors.reduce(0) { $0 + $1.columns }
        var joined: [Double] = []
        for row in 0..<tensors[0].rows {
          for tensor in tensors {
            joined += tensor.values[row * tensor.columns..<(row + 1) * tensor.columns]
          }
        }
        self.init(tensors[0].dtype, tensors[0].rows, columns) { joined[$0 * columns + $1] }
      }
    case .sum(let parts):
      let tensors = try parts.map(evaluated)
      self.init(.f32, tensors[0].rows, tensors[0].columns) { row, column in
        var sum = Float(tensors[0][row, column])
        for tensor in tensors.dropFirst() { sum += Float(tensor[row, column]) }
        return Double(sum)
      }
    case .mean(let parts):
      let tensors = try parts.map(evaluated)
      self.init(.f32, tensors[0].rows, tensors[0].columns) { row, column in
        var sum = Float(tensors[0][row, column])
        for tensor in tensors.dropFirst() { sum += Float(tensor[row, column]) }
        return Double(sum / Float(tensors.count))
      }
    case .addRow(let operand, let addend):
      let (matrix, row) = (try evaluated(operand), try evaluated(addend))
      self.init(.f32, matrix.rows, matrix.columns) {
        Double(Float(matrix[$0, $1]) + Float(row.values[$1]))
      }
    case .slice(let operand, let axis, let range):
      let tensor = try evaluated(operand)
      let (down, right) = axis == 0 ? (range.lowerBound, 0) : (0, range.lowerBound)
      self.init(
        tensor.dtype, axis == 0 ? range.count : tensor.rows,
        axis == 1 ? range.count : tensor.columns
      ) { tensor[$0 + down, $1 + right] }
    case .permuteRows(let operand, let permutation):
      let tensor = try evaluated(operand)
      self.init(tensor.dtype, tensor.rows, tensor.columns) {
        tensor[permutation.source(of: $0), $1]
      }
    case .cast(let operand, let dtype):
      self = try evaluated(operand)
      self.dtype = dtype
      values = values.map { dtype.rounded($0) }
    case .quantize, .blocks, .codes, .scales, .biases, .decode, .encode, .spread, .gather, .lookUp,
      .combine, .pack, .view, .part:
      throw CocoaError(.featureUnsupported)
    case .fill(let value, let type):
      self.init(type.dtype, type.geometry.rows, type.geometry.columns) { _, _ in value.number }
    }
  }
}

extension DType {
  /// The nearest number of the type.
  func rounded(_ value: Double) -> Double {
    var bytes: [UInt8] = []
    append(value, to: &bytes)
    return decoded(bytes, 0)
  }

  func append(_ value: Double, to bytes: inout [UInt8]) {
    switch self {
    case .f64: bytes += value.bitPattern.littleEndianBytes
    case .f32: bytes += Float(value).bitPattern.littleEndianBytes
    case .bf16: bytes += Self.bf16(value).littleEndianBytes
    default: bytes += Self.f16(value).littleEndianBytes
    }
  }

  func decoded(_ bytes: [UInt8], _ offset: Int) -> Double {
    let bits = (0..<blockByteCount).reduce(UInt64(0)) {
      $0 | UInt64(bytes[offset + $1]) << ($1 * 8)
    }
    switch self {
    case .f64: return Double(bitPattern: bits)
    case .f32: return Double(Float(bitPattern: UInt32(bits)))
    case .bf16: return Double(Float(bitPattern: UInt32(bits) << 16))
    default: return Self.value(f16: UInt16(bits))
    }
  }

  /// By steps of the spacing, so that nothing is rounded twice.
  private static func nearest(_ value: Double, _ fractionBits: Int, _ smallest: Int) -> Double {
    guard value != 0, value.isFinite else { return value }
    let exponent = max(Int(value.exponent), smallest) - fractionBits
    let spacing = Double(sign: .plus, exponent: exponent, significand: 1)
    return (value / spacing).rounded(.toNearestOrEven) * spacing
  }

  private static func bf16(_ value: Double) -> UInt16 {
    UInt16(Float(nearest(value, 7, -126)).bitPattern >> 16)
  }

  private static func f16(_ value: Double) -> UInt16 {
    let number = nearest(value, 10, -14)
    let sign: UInt16 = number.sign == .minus ? 0x8000 : 0
    let magnitude = number.magnitude
    if magnitude >= 65536 { return sign | 0x7c00 }
    if magnitude < 0x1p-14 { return sign | UInt16(magnitude * 0x1p24) }
    let exponent = Int(magnitude.exponent)
    return sign | UInt16(exponent + 15) << 10 | UInt16((magnitude.significand - 1) * 1024)
  }

  private static func value(f16 code: UInt16) -> Double {
    let exponent = Int(code >> 10 & 31)
    let fraction = Double(code & 0x3ff)
    let sign: Double = code & 0x8000 == 0 ? 1 : -1
    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
    return sign
      * (exponent == 0
        ? fraction * 0x1p-24
        : Double(sign: .plus, exponent: exponent - 25, significand: fraction + 1024))
  }
}

/// Random numbers as a tensor of the type.
func randomTensor(
  _ name: String, _ dtype: DType, _ shape: Shape, seed: UInt64, scale: Double = 1
) -> (name: String, type: TensorType, bytes: [UInt8]) {
  var random = FixedRandom(seed: seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(shape.elementCount * dtype.blockByteCount)
  for _ in 0..<shape.elementCount {
    dtype.append(scale * Double.random(in: -2...2, using: &random), to: &bytes)
  }
  return (name, TensorType(dtype, shape), bytes)
}

/// A tensor of F32 whose bytes are made without a loop over elements: for sizes beyond a tile.
func largeTensor(
  _ name: String, _ shape: Shape, seed: UInt64
) -> (name: String, type: TensorType, bytes: [UInt8]) {
  var random = FixedRandom(seed: seed)
  // One run of 997 numbers between 1 and 2, or their negatives, over and over.
  let run = (0..<997).flatMap { _ in
    (UInt32(truncatingIfNeeded: random.next()) & 0x807f_ffff | 0x3f80_0000).littleEndianBytes
  }
  let byteCount = shape.elementCount * 4
  let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
    while count < byteCount {
      let part = min(run.count, byteCount - count)
      UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
        .copyBytes(from: run.prefix(part))
      count += part
    }
  }
  return (name, TensorType(.f32, shape), bytes)
}
