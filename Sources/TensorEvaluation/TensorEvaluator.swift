import CTensorKernels
public import FileContainers
public import TensorModel

/// Evaluates regions of expressions into memory, with intermediate results of a megabyte or less.
public struct TensorEvaluator: Sendable {
  private let reader: any CheckpointReader
  let tileByteCount: Int
  /// The most that the values of a matrix take that is transposed and then quantized: many rows, so that columns are read in long runs.
  let gatheredByteCount: Int

  /// What error feedback works with.
  let factors: MomentFactors

  /// The most that an intermediate result takes: small enough to stay in a core's cache.
  public static let standardTileByteCount = 1 << 20
  /// The least: where memory is short, contiguous reads are too.
  static let minimumTileByteCount = 64 << 10
  /// How deep casts, transposes, sums and codes nest in what the planner makes, with room to spare.
  private static let maximumNesting = 10

  /// What one thread needs beside the buffer for the result.
  public var scratchByteCount: Int {
    Self.scratchByteCount(tileByteCount) + ScratchArena.rounded(gatheredByteCount - tileByteCount)
  }

  static func scratchByteCount(_ tileByteCount: Int) -> Int {
    maximumNesting * (tileByteCount + ScratchArena.alignment)
  }

  /// Evaluates over a checkpoint's tensors.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - tileByteCount: the most that an intermediate result takes.
  ///   - gatheredByteCount: the most that values of a transposed matrix take before they are quantized; nil takes no more than for others.
  ///   - factors: of second moments, shared by all threads.
  public init(
    _ reader: any CheckpointReader, tileByteCount: Int = TensorEvaluator.standardTileByteCount,
    gatheredByteCount: Int? = nil, factors: MomentFactors = MomentFactors()
  ) {
    self.reader = reader
    self.factors = factors
    self.tileByteCount = tileByteCount
    self.gatheredByteCount = max(tileByteCount, gatheredByteCount ?? 0)
  }

  /// Writes a region of the result to `destination`, little-endian, rows `rowStride` bytes apart.
  ///
  /// - Parameters:
  ///   - expression: compiled for the same checkpoint.
  ///   - region: of `expression.geometry`.
  ///   - destination: room for the region.
  ///   - scratch: at least `scratchByteCount` bytes.
  /// - Returns: what casts did to the values of the region.
  /// - Throws: what the reader throws.
  public func evaluate(
    _ expression: CompiledExpression, _ region: MatrixRegion, into destination: MatrixBuffer,
    scratch: ScratchArena
  ) throws(CheckpointError) -> CastReport {
    var report = CastReport()
    try evaluate(expression.root, region, destination, scratch, &report)
    return report
  }

  /// Writes a region of a stored tensor.
  ///
  /// - Throws: what the reader throws.
  func copy(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) { try reader.read(position, region, into: destination) }

  /// Makes sure that what was read of a stored tensor is right.
  ///
  /// - Throws: what the reader throws.
  func confirm(_ position: Int) throws(CheckpointError) { try reader.confirm(position) }

  typealias Node = CompiledExpression.Node

  func evaluate(
    _ node: Node, _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    switch node.operation {
    case .stored(let position, _):
      try reader.read(position, region, into: destination)
    case .concatenate(let parts, let axis):
      try concatenate(parts, axis: axis, region, destination, scratch, &report)
    case .transpose(let operand):
      try transpose(operand, region, destination, scratch, &report)
    case .sum(let parts):
      try sum(parts, region, destination, scratch, &report)
    case .addRow(let matrix, let row):
      try evaluate(matrix, region, destination, scratch, &report)
      try add(row, region, destination, scratch, &report)
    case .slice(let operand, let rowOffset, let columnOffset):
      let shifted = MatrixRegion(
        rows: region.rows.shifted(by: rowOffset), columns: region.columns.shifted(by: columnOffset))
      try evaluate(operand, shifted, destination, scratch, &report)
    case .permuteRows(let operand, let permutation, let unit):
      try permute(operand, permutation, unit: unit, region, destination, scratch, &report)
    case .reshape(let operand):
      try reshape(operand, node.geometry, region, destination, scratch, &report)
    case .joinBlocks(let parts):
      try joinBlocks(parts, node.type.dtype, region, destination, scratch, &report)
    case .splitBlocks(let operand, let part):
      try splitBlocks(operand, part, node.geometry, region, destination, scratch, &report)
    case .dequantize(let operand):
      try dequantize(operand, node.geometry, region, destination, scratch, &report)
    case .quantize(let operand, let method):
      try quantize(operand, node.type, method, region, destination, scratch, &report)
    case .pack(let values, let packed):
      try pack(values, packed, node.geometry, region, destination, scratch, &report)
    case .cast(let operand):
      try cast(operand, to: node.type.dtype, region, destination, scratch, &report)
    case .decode(let operand, let code, let axis):
      try decode(operand, code, axis: axis, region, destination, scratch, &report)
    case .encode(let operand, let bits):
      try encode(operand, bits: bits, node.geometry, region, destination, scratch, &report)
    case .spread(let operand, let block):
      try spread(operand, block: block, region, destination, scratch, &report)
    case .gather(let operand, let index):
      try gather(operand, index, region, destination, scratch, &report)
    case .lookUp(let table, let places):
      try lookUp(table, places, region, destination, scratch, &report)
    case .combine(let operation, let left, let right):
      try combine(operation, left, right, region, destination, scratch, &report)
    case .view(let operand):
      try view(operand, node.geometry, region, destination, scratch, &report)
    case .fill(let element): fill(element, region, destination)
    }
  }

  private func fill(_ element: [UInt8], _ region: MatrixRegion, _ destination: MatrixBuffer) {
    for row in 0..<region.rows.count {
      let base = destination.advanced(rows: row).base
      for column in 0..<region.columns.count {
        base.advanced(by: column * element.count).copyMemory(
          from: element, byteCount: element.count)
      }
    }
  }

  private func concatenate(
    _ parts: [Node], axis: Int, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let wanted = axis == 0 ? region.rows : region.columns
    var start = 0
    for part in parts {
      let extent = axis == 0 ? part.geometry.rows : part.geometry.columns
      let shared = wanted.clamped(to: start..<start + extent)
      if !shared.isEmpty {
        let inPart = shared.shifted(by: -start)
        let skipped = shared.lowerBound - wanted.lowerBound
        if axis == 0 {
          try evaluate(
            part, MatrixRegion(rows: inPart, columns: region.columns),
            destination.advanced(rows: skipped), scratch, &report)
        } else {
          try evaluate(
            part, MatrixRegion(rows: region.rows, columns: inPart),
            destination.advanced(rows: 0, bytes: skipped * part.geometry.cellByteCount), scratch,
            &report)
        }
      }
      start += extent
    }
  }

  /// Takes the operand in tiles of whole row segments, which are contiguous reads, and scatters each while it is in the cache.
  private func transpose(
    _ operand: Node, _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    let cell = operand.geometry.cellByteCount
    let source = region.transposed
    for tile in source.tiles(cellByteCount: cell, limit: tileByteCount) {
      let rowBytes = tile.columns.count * cell
      try scratch.withPiece(byteCount: tile.rows.count * rowBytes) {
        (piece) throws(CheckpointError) in
        try evaluate(
          operand, tile, MatrixBuffer(base: piece, rowStride: rowBytes), scratch, &report)
        let target = destination.advanced(
          rows: tile.columns.lowerBound - source.columns.lowerBound,
          bytes: (tile.rows.lowerBound - source.rows.lowerBound) * cell)
        wb_transpose(
          piece, rowBytes, target.base, target.rowStride, tile.rows.count, tile.columns.count, cell)
      }
    }
  }

  private func cast(
    _ operand: Node, to dtype: DType, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let from = operand.type.dtype.kernelType, let to = dtype.kernelType else {
      throw CheckpointError(.unsupported, "no cast to \(dtype.rawValue)")
    }
    let (cell, outputCell) = (operand.geometry.cellByteCount, dtype.blockByteCount)
    for tile in region.tiles(cellByteCount: cell, limit: tileByteCount) {
      let (rows, columns) = (tile.rows.count, tile.columns.count)
      try scratch.withPiece(byteCount: rows * columns * cell) { (piece) throws(CheckpointError) in
        try evaluate(
          operand, tile, MatrixBuffer(base: piece, rowStride: columns * cell), scratch, &report)
        let target = destination.advanced(to: tile, in: region, cellByteCount: outputCell)
        let isPacked = target.rowStride == columns * outputCell
        let (runs, runLength) = isPacked ? (1, rows * columns) : (rows, columns)
        for run in 0..<runs {
          var outcome = wb_cast_report()
          wb_cast(
            from, to, piece + run * runLength * cell, target.advanced(rows: run).base, runLength,
            &outcome)
          report.merge(outcome)
        }
      }
    }
  }
}

extension MatrixRegion {
  /// The region in pieces of at most `limit` bytes, row-major: blocks of whole rows, or runs of a row where a row is larger.
  public func tiles(cellByteCount: Int, limit: Int) -> [MatrixRegion] {
    if cellCount * cellByteCount <= limit { return cellCount == 0 ? [] : [self] }
    let columnStep = Swift.max(1, Swift.min(columns.count, limit / cellByteCount))
    let rowStep =
      columnStep == columns.count ? Swift.max(1, limit / (columnStep * cellByteCount)) : 1
    var tiles: [MatrixRegion] = []
    for row in stride(from: rows.lowerBound, to: rows.upperBound, by: rowStep) {
      for column in stride(from: columns.lowerBound, to: columns.upperBound, by: columnStep) {
        tiles.append(
          MatrixRegion(
            rows: row..<Swift.min(row + rowStep, rows.upperBound),
            columns: column..<Swift.min(column + columnStep, columns.upperBound)))
      }
    }
    return tiles
  }
}

extension MatrixBuffer {
  /// Where a tile of a region goes in the region's buffer.
  public func advanced(
    to tile: MatrixRegion, in region: MatrixRegion, cellByteCount: Int
  ) -> MatrixBuffer {
    advanced(
      rows: tile.rows.lowerBound - region.rows.lowerBound,
      bytes: (tile.columns.lowerBound - region.columns.lowerBound) * cellByteCount)
  }
}

extension Range<Int> {
  fileprivate func shifted(by offset: Int) -> Range<Int> {
    lowerBound + offset..<upperBound + offset
  }
}
