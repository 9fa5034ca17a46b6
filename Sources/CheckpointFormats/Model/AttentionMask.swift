import FileContainers
import Foundation
import TensorModel

/// What an attention mask lets tokens see.
///
/// Older versions of transformers keep a mask in every layer, `[1, 1, n, n]`: row i says which tokens the i-th one sees.
enum AttentionMask: Hashable {
  /// Itself and those before it.
  case causal
  /// Itself and those before it, so many in all.
  case window(Int)
  /// All: so GPT-JT marks that prompts are seen as a whole.
  case full
  /// Anything else.
  case other

  /// Whether a tensor has the shape and a dtype that masks have.
  static func hasForm(of tensor: TensorInfo) -> Bool {
    let extents = tensor.shape.dimensions
    return extents.count == 4 && extents[0] == 1 && extents[1] == 1 && extents[2] == extents[3]
      && extents[2] > 0 && one(tensor.dtype) != nil
  }

  /// The bytes of 1; nil for dtypes that no mask has.
  private static func one(_ dtype: DType) -> [UInt8]? {
    switch dtype {
    case .bool, .u8, .i8: [1]
    case .f16: [0x00, 0x3c]
    case .bf16: [0x80, 0x3f]
    case .f32: [0, 0, 0x80, 0x3f]
    default: nil
    }
  }

  /// No model with stored masks sees so many tokens.
  private static let maximumSize = 1 << 15

  /// Reads a mask and says what it is.
  ///
  /// - Throws: what reading throws.
  init(_ reader: any CheckpointReader, _ position: Int) throws(CheckpointError) {
    let tensor = reader.checkpoint.tensors[position]
    guard Self.hasForm(of: tensor), let one = Self.one(tensor.dtype) else {
      self = .other
      return
    }
    // Rows that are repeated in a view may be of any length.
    guard tensor.shape.dimensions[3] <= Self.maximumSize else {
      self = .other
      return
    }
    var rows = MaskRows(size: tensor.shape.dimensions[3], one: one)
    try StoredRun(reader, position).forEach { (piece) in rows.take(piece) }
    self = rows.mask
  }
}

/// Compares the rows of a mask, as they come, with what they would be.
private struct MaskRows {
  private let size: Int
  private let cell: Int
  /// A row of ones after a row of zeros, and another of zeros: every row of a mask is a piece of this.
  private let pattern: [UInt8]
  private var pending: [UInt8] = []
  private var row = 0
  private var isFull = true
  private var isCausal = true
  /// How many ones the last rows have, if all fit a window.
  private var window: Int?
  private var isWindow = true

  init(size: Int, one: [UInt8]) {
    self.size = size
    cell = one.count
    let zeros = [UInt8](repeating: 0, count: size * cell)
    pattern = zeros + (0..<size).flatMap { _ in one } + zeros
  }

  /// Takes bytes in order; says whether more can change anything.
  mutating func take(_ piece: UnsafeRawBufferPointer) -> Bool {
    pending.append(contentsOf: piece)
    let rowByteCount = size * cell
    var start = 0
    while pending.count - start >= rowByteCount, isFull || isCausal || isWindow {
      pending[start..<start + rowByteCount].withUnsafeBytes { look(at: $0) }
      start += rowByteCount
      row += 1
    }
    pending.removeFirst(start)
    return isFull || isCausal || isWindow
  }

  private mutating func look(at bytes: UnsafeRawBufferPointer) {
    isFull = isFull && has(bytes, ones: size, endingAt: size)
    isCausal = isCausal && has(bytes, ones: row + 1, endingAt: row + 1)
    guard isWindow else { return }
    // The first row that doesn't begin with a one says how wide the window is.
    if window == nil, !has(bytes, ones: row + 1, endingAt: row + 1) { window = row }
    isWindow = window != 0 && has(bytes, ones: min(row + 1, window ?? .max), endingAt: row + 1)
  }

  /// Whether a row has so many ones before a column, and zeros elsewhere.
  private func has(_ bytes: UnsafeRawBufferPointer, ones: Int, endingAt end: Int) -> Bool {
    let zerosBefore = end - ones
    return pattern.withUnsafeBytes { pattern in
      guard let pattern = pattern.baseAddress, let base = bytes.baseAddress else { return false }
      return memcmp(base, pattern + (size - zerosBefore) * cell, end * cell) == 0
        && memcmp(base + end * cell, pattern + 2 * size * cell, (size - end) * cell) == 0
    }
  }

  var mask: AttentionMask {
    guard row == size else { return .other }
    if isCausal { return .causal }
    if isFull { return .full }
    return isWindow ? window.map(AttentionMask.window) ?? .other : .other
  }
}
