import CBLAS
import CTensorKernels
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// y = x · Wᵀ + b, the weight read slab by slab, or kept in memory as it is stored.
struct Linear: Sendable {
  let inputs: Int
  let outputs: Int
  /// What it is of the decoder.
  private let place: DecoderPlace
  private let weight: Weight
  private let orientation: DecoderRole.Orientation
  private let bias: FloatBuffer?
  private let reader: WeightReader

  /// Where the weight is.
  private enum Weight: Sendable {
    /// In the checkpoint, to be read as f32.
    case stored(CompiledExpression)
    /// In memory, in its own dtype.
    case resident(FloatBuffer, wb_float_type, elementByteCount: Int)
  }

  /// Widened weights under way at a time.
  private static let slabElementCount = 8 << 20
  /// Outputs that a thread computes at a time for a single row.
  private static let matvecOutputCount = 512

  init(
    _ place: DecoderPlace, _ tensor: CanonicalTensor, _ orientation: DecoderRole.Orientation,
    bias: CanonicalTensor?,
    _ reader: WeightReader, isResident: Bool
  ) throws(CheckpointError) {
    self.place = place
    self.reader = reader
    self.orientation = orientation
    if isResident {
      let (bytes, dtype) = try reader.readStored(tensor)
      weight = .resident(bytes, dtype.floatType, elementByteCount: dtype.blockByteCount)
    } else {
      weight = .stored(try reader.compiled(tensor))
    }
    let (first, second) = (tensor.shape.dimensions[0], tensor.shape.dimensions[1])
    (inputs, outputs) = orientation == .outIn ? (second, first) : (first, second)
    var values: FloatBuffer?
    if let bias { values = try reader.values(bias) }
    self.bias = values
  }

  /// Computes the outputs of some rows.
  ///
  /// - Parameters:
  ///   - x: `[count, inputs]`.
  ///   - count: of rows.
  ///   - y: room for `[count, outputs]`.
  ///   - room: for weights, and who is told of `x`.
  /// - Throws: what reading, and whoever is told, throws.
  func apply(
    _ x: FloatBuffer, _ count: Int, into y: FloatBuffer, _ room: Room
  ) throws(CheckpointError) {
    if count == 1, case .resident(let bytes, let type, let size) = weight {
      try tell(room, of: x, count)
      try y.resize(outputs)
      try applyToOneRow(x, into: y, bytes, type, size)
      add(bias, to: y, count)
    } else {
      try apply(x, [count], into: y, room)
    }
  }

  /// Computes the outputs of several batches, one after the other, for which weights are read once.
  ///
  /// - Parameters:
  ///   - x: `[rows of all batches, inputs]`.
  ///   - counts: rows of each; a row's outputs don't depend on other batches.
  ///   - y: room for `[rows of all batches, outputs]`.
  ///   - room: for weights, and who is told of each batch.
  /// - Throws: what reading, and whoever is told, throws.
  func apply(
    _ x: FloatBuffer, _ counts: [Int], into y: FloatBuffer, _ room: Room
  ) throws(CheckpointError) {
    var total = 0
    for count in counts {
      try tell(room, of: x, count, from: total)
      total += count
    }
    try y.resize(total * outputs)
    try forEachSlab(room.slab) { (range, weights) in
      let transposes = orientation == .outIn
      var first = 0
      for count in counts {
        wb_sgemm(
          false, transposes, count, range.count, inputs, 1, x.base + first * inputs, inputs,
          weights, transposes ? inputs : range.count, 0,
          y.base + first * outputs + range.lowerBound, outputs)
        first += count
      }
    }
    add(bias, to: y, total)
  }

  private func add(_ bias: FloatBuffer?, to y: FloatBuffer, _ count: Int) {
    guard let bias else { return }
    for row in 0..<count { wb_add_f32(y.base + row * outputs, bias.base, outputs) }
  }

  /// Tells the observer, if there is one, of what it is applied to: so many rows from one on.
  func tell(
    _ room: Room, of x: FloatBuffer, _ count: Int, from first: Int = 0
  ) throws(CheckpointError) {
    try room.observer?.willApply(
      place, to: x.base + first * inputs, rows: count, columns: inputs)
  }

  /// What one token takes: every weight is read once, so memory decides.
  private func applyToOneRow(
    _ x: FloatBuffer, into y: FloatBuffer, _ bytes: FloatBuffer, _ type: wb_float_type,
    _ size: Int
  ) throws(CheckpointError) {
    let step = Self.matvecOutputCount
    try reader.forEach((outputs + step - 1) / step) { piece in
      let first = piece * step
      let count = min(step, outputs - first)
      let base = UnsafeRawPointer(bytes.base)
      switch orientation {
      case .outIn:
        wb_matvec(
          type, base + first * inputs * size, count, inputs, inputs * size, x.base,
          y.base + first)
      case .inOut:
        wb_vecmat(
          type, base + first * size, inputs, count, outputs * size, x.base, y.base + first)
      }
    }
  }

  /// Calls a body with the widened weights of one range of outputs after the other.
  private func forEachSlab(
    _ slab: FloatBuffer, _ body: (Range<Int>, UnsafePointer<Float>) -> Void
  ) throws(CheckpointError) {
    let step = max(1, min(outputs, Self.slabElementCount / max(1, inputs)))
    try slab.resize(step * inputs)
    for first in stride(from: 0, to: outputs, by: step) {
      let range = first..<min(outputs, first + step)
      switch weight {
      case .stored(let expression):
        let region =
          orientation == .outIn
          ? MatrixRegion(rows: range, columns: 0..<inputs)
          : MatrixRegion(rows: 0..<inputs, columns: range)
        try reader.read(expression, region, into: slab)
      case .resident(let bytes, WB_F32, _) where orientation == .outIn:
        body(range, bytes.base + first * inputs)
        continue
      case .resident(let bytes, let type, let size):
        try widen(bytes, type, size, range, into: slab)
      }
      body(range, slab.base)
    }
  }

  private func widen(
    _ bytes: FloatBuffer, _ type: wb_float_type, _ size: Int, _ range: Range<Int>,
    into slab: FloatBuffer
  ) throws(CheckpointError) {
    let isOutIn = orientation == .outIn
    let (rows, columns) = isOutIn ? (range.count, inputs) : (inputs, range.count)
    let start = isOutIn ? range.lowerBound * inputs : range.lowerBound
    let stride = isOutIn ? inputs : outputs
    try reader.forEach(rows) { row in
      wb_cast(
        type, WB_F32, UnsafeRawPointer(bytes.base) + (start + row * stride) * size,
        slab.base + row * columns, columns, nil)
    }
  }
}

extension DType {
  /// The kernels' name; only for dtypes that can be cast.
  fileprivate var floatType: wb_float_type {
    switch self {
    case .f64: WB_F64
    case .f16: WB_F16
    case .bf16: WB_BF16
    default: WB_F32
    }
  }
}
