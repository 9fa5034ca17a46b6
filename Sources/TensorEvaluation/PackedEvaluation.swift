import CTensorKernels
import FileContainers
import TensorModel

// What values of packed codes are made of. Every function but `encode` writes F32, rows of the region `destination.rowStride` bytes apart.
extension TensorEvaluator {
  /// Writes the numbers of codes that follow each other along an axis of the matrix that holds them.
  ///
  /// - Throws: what the reader throws.
  func decode(
    _ operand: Node, _ code: PackedCode, axis: Int, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let cellByteCount = operand.geometry.cellByteCount
    let bits = cellByteCount * 8
    for tile in region.tiles(cellByteCount: 4, limit: tileByteCount) {
      let wanted = axis == 1 ? tile.columns : tile.rows
      guard !wanted.isEmpty else { continue }
      // The cells that hold them, and how many codes come before in the first of these.
      let cells =
        wanted.lowerBound * code.bits / bits..<(wanted.upperBound * code.bits + bits - 1) / bits
      // Where codes don't begin with a cell, their stream is taken up where one does.
      let start = cells.lowerBound - cells.lowerBound % code.bits
      let skipped = wanted.lowerBound - start * bits / code.bits
      let stored =
        axis == 1
        ? MatrixRegion(rows: tile.rows, columns: start..<cells.upperBound)
        : MatrixRegion(rows: start..<cells.upperBound, columns: tile.columns)
      let rowStride = stored.columns.count * cellByteCount
      let target = destination.advanced(to: tile, in: region, cellByteCount: 4)
      try scratch.withPiece(byteCount: stored.rows.count * rowStride) {
        (piece) throws(CheckpointError) in
        try evaluate(
          operand, stored, MatrixBuffer(base: piece, rowStride: rowStride), scratch, &report)
        if axis == 0 {
          wb_decode_rows(
            code.kernelCode, UInt32(code.bits), piece, stored.columns.count, skipped,
            tile.rows.count, target.floats, target.rowStride)
          return
        }
        for row in 0..<tile.rows.count {
          wb_decode(
            code.kernelCode, UInt32(code.bits), piece + row * rowStride, skipped,
            tile.columns.count, target.advanced(rows: row).floats)
        }
      }
    }
  }

  /// Writes whole numbers as codes that follow each other in cells of integers.
  ///
  /// - Throws: what the reader throws.
  func encode(
    _ operand: Node, bits: Int, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let cell = geometry.cellByteCount
    let columns = operand.geometry.columns
    // So many cells hold whole codes; with those before and after, up to sixteen times a tile's are made.
    let unit = bits >> bits.trailingZeroBitCount
    let limit = unit == 1 ? tileByteCount : tileByteCount / 16
    for tile in region.tiles(cellByteCount: cell * 32 / bits, limit: limit) {
      let first = tile.columns.lowerBound / unit * unit
      let end = (tile.columns.upperBound + unit - 1) / unit * unit
      let codes = first * cell * 8 / bits..<min(end * cell * 8 / bits, columns)
      let rowStride = codes.count * 4
      let target = destination.advanced(to: tile, in: region, cellByteCount: cell)
      try scratch.withPiece(byteCount: tile.rows.count * rowStride) {
        (piece) throws(CheckpointError) in
        try evaluate(
          operand, MatrixRegion(rows: tile.rows, columns: codes),
          MatrixBuffer(base: piece, rowStride: rowStride), scratch, &report)
        for row in 0..<tile.rows.count {
          let numbers = piece + row * rowStride
          wb_encode(numbers.assumingMemoryBound(to: Float.self), codes.count, UInt32(bits))
          target.advanced(rows: row).base.copyMemory(
            from: numbers + (tile.columns.lowerBound - first) * cell,
            byteCount: tile.columns.count * cell)
        }
      }
    }
  }

  /// Writes elements repeated in blocks.
  ///
  /// - Throws: what the reader throws.
  func spread(
    _ operand: Node, block: [Int], _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard !region.rows.isEmpty, !region.columns.isEmpty else { return }
    let columns =
      region.columns.lowerBound / block[1]..<(region.columns.upperBound - 1) / block[1] + 1
    // As many rows of the operand at once as fit.
    let rowByteCount = columns.count * 4
    let step = max(1, tileByteCount / rowByteCount)
    let rows = region.rows.lowerBound / block[0]..<(region.rows.upperBound - 1) / block[0] + 1
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      let sources = first..<min(first + step, rows.upperBound)
      try scratch.withPiece(byteCount: sources.count * rowByteCount) {
        (piece) throws(CheckpointError) in
        try evaluate(
          operand, MatrixRegion(rows: sources, columns: columns),
          MatrixBuffer(base: piece, rowStride: rowByteCount), scratch, &report)
        let covered = region.rows.clamped(
          to: sources.lowerBound * block[0]..<sources.upperBound * block[0])
        for row in covered {
          wb_spread_f32(
            (piece + (row / block[0] - first) * rowByteCount).assumingMemoryBound(to: Float.self),
            region.columns.lowerBound, block[1], region.columns.count,
            destination.advanced(rows: row - region.rows.lowerBound).floats)
        }
      }
    }
  }

  /// Writes rows that an index names.
  ///
  /// - Throws: `malformed` for a row that isn't there, what the reader throws.
  func gather(
    _ operand: Node, _ index: Node, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let rowByteCount = region.columns.count * 4
    let step = max(1, tileByteCount / 4)
    for first in stride(from: region.rows.lowerBound, to: region.rows.upperBound, by: step) {
      let rows = first..<min(first + step, region.rows.upperBound)
      try scratch.withPiece(byteCount: rows.count * 4) { (piece) throws(CheckpointError) in
        try evaluate(
          index, MatrixRegion(rows: rows, columns: 0..<1), MatrixBuffer(base: piece, rowStride: 4),
          scratch, &report)
        let places = UnsafeBufferPointer(
          start: piece.assumingMemoryBound(to: Int32.self), count: rows.count)
        var last: (place: Int, row: MatrixBuffer)?
        for (offset, place) in places.enumerated() {
          let place = Int(Int32(littleEndian: place))
          guard (0..<operand.geometry.rows).contains(place) else {
            throw CheckpointError(
              .malformed, "an index names a group that isn't there",
              expected: "0 to \(operand.geometry.rows - 1)", found: "\(place)",
              hint: "the file is damaged, or was made by a program that is: get it again")
          }
          let target = destination.advanced(rows: first - region.rows.lowerBound + offset)
          // Mostly the same as before.
          if let last, last.place == place {
            target.base.copyMemory(from: last.row.base, byteCount: rowByteCount)
          } else {
            try evaluate(
              operand, MatrixRegion(rows: place..<place + 1, columns: region.columns), target,
              scratch, &report)
          }
          last = (place, target)
        }
      }
    }
  }

  /// Writes elements of a table.
  ///
  /// - Throws: `malformed` for a place that isn't there, what the reader throws.
  func lookUp(
    _ table: Node, _ places: Node, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    try evaluate(places, region, destination, scratch, &report)
    let count = table.geometry.rows
    try scratch.withPiece(byteCount: count * 4) { (piece) throws(CheckpointError) in
      try evaluate(
        table, MatrixRegion(rows: 0..<count, columns: 0..<1),
        MatrixBuffer(base: piece, rowStride: 4), scratch, &report)
      for row in 0..<region.rows.count {
        guard
          wb_look_up_f32(
            piece.assumingMemoryBound(to: Float.self), count,
            destination.advanced(rows: row).floats, region.columns.count)
        else {
          throw CheckpointError(
            .malformed, "a code has no value in the table", expected: "less than \(count)",
            hint: "the file is damaged, or was made by a program that is: get it again")
        }
      }
    }
  }

  /// Writes two operands' elements combined.
  ///
  /// - Throws: what the reader throws.
  func combine(
    _ operation: TensorExpression.Operator, _ left: Node, _ right: Node, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let kernel =
      switch operation {
      case .difference: wb_subtract_f32
      case .product: wb_multiply_f32
      case .quotient: wb_divide_f32
      }
    try evaluate(left, region, destination, scratch, &report)
    try accumulate(
      right, { left, right, count, _ in kernel(left, right, count) }, region, destination, scratch,
      &report)
  }
}

extension MatrixBuffer {
  fileprivate var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
}

extension PackedCode {
  fileprivate var kernelCode: wb_code {
    switch self {
    case .unsigned: WB_CODE_UNSIGNED
    case .excess: WB_CODE_EXCESS
    case .lessOne: WB_CODE_LESS_ONE
    case .awq: WB_CODE_AWQ
    case .highFirst: WB_CODE_HIGH_FIRST
    case .fp4: WB_CODE_FP4
    case .e4m3: WB_CODE_E4M3
    case .e5m2: WB_CODE_E5M2
    case .e8m0: WB_CODE_E8M0
    case .int8: WB_CODE_INT8
    }
  }
}
