import CTensorKernels
import CheckpointFormats
import FileContainers
import StoreWriting
import TensorEvaluation
import TensorModel

/// Which differences are smaller than the tensors themselves: told by samples where that is clear, else by compressing both.
struct DifferenceSizes {
  private let outputs: [Planner.Output]
  private let base: BaseCheckpoint
  private let reader: any CheckpointReader
  private let evaluator: PooledEvaluator
  private let level: Int?
  private let resources: EvaluationResources

  /// A tensor's sample: so many pieces from all over it, of so many bytes.
  private static let (sampleCount, sampleByteCount) = (8, 8 << 10)
  /// A sample decides alone where its differences have at most this part of what its bytes have.
  private static let clearRatio = 0.9

  /// - Throws: never for levels that options take.
  init(
    _ outputs: [Planner.Output], _ planner: Planner, _ base: BaseCheckpoint
  ) throws(CheckpointError) {
    self.outputs = outputs
    self.base = base
    reader = planner.source.reader
    evaluator = PooledEvaluator(reader)
    resources = planner.resources
    level = if case .zstd(let asked) = planner.settings.compression { asked } else { nil }
  }

  /// Whether differences take fewer bytes.
  ///
  /// - Parameter candidates: for each output the place of the base's tensor that it differs from; nil for others.
  /// - Returns: for each output; false for others.
  /// - Throws: what reading throws.
  func areSmaller(_ candidates: [Int?]) throws(CheckpointError) -> [Bool] {
    let places = candidates.indices.filter { candidates[$0] != nil }
    // Each thread has buffers of two chunks, and what compressing them takes.
    let threads = max(
      1, min(resources.threads, resources.memory / (16 * ChunkGrid.targetByteCount)))
    let runs = ParallelPieces.runs(of: places.count, max(1, (places.count + threads - 1) / threads))
    let found = try ParallelPieces.map(runs.count) { (run) throws(CheckpointError) -> [Bool] in
      let measure = try Measure(
        level: level, chunkByteCount: places[runs[run]].map { chunkByteCount($0) }.max() ?? 1)
      var smaller: [Bool] = []
      for place in places[runs[run]] {
        try resources.checkCancellation()
        smaller.append(try isSmaller(place, candidates[place] ?? 0, measure))
      }
      return smaller
    }
    var smaller = [Bool](repeating: false, count: outputs.count)
    for (place, isSmaller) in zip(places, found.joined()) { smaller[place] = isSmaller }
    return smaller
  }

  private func chunkByteCount(_ place: Int) -> Int {
    max(ChunkGrid(outputs[place].type).chunkByteCount, Self.sampleCount * Self.sampleByteCount)
  }

  private func isSmaller(
    _ place: Int, _ position: Int, _ measure: Measure
  ) throws(CheckpointError) -> Bool {
    let output = outputs[place]
    // Nothing is compressed of tensors that aren't worth a chunk.
    guard StoreEncoding.encoding(of: output.type, isCompressed: true) != .contiguous else {
      return false
    }
    let pair = Pair(
      fork: try CompiledExpression(output.expression, in: reader.checkpoint), type: output.type,
      evaluator: evaluator, name: output.name,
      base: try BaseTensors(base, [(output.type, base.checkpoint.tensors[position].name)]))
    let samples = samples(output.type.geometry)
    if !samples.isEmpty {
      let sample = try measure.sizes(of: samples, pair)
      if Double(sample.difference) <= Self.clearRatio * Double(sample.plain) { return true }
    }
    var (plain, difference) = (0, 0)
    for region in ChunkGrid(output.type).regions(output.type.geometry) {
      let sizes = try measure.sizes(of: [region], pair)
      plain += sizes.plain
      difference += sizes.difference
    }
    return difference < plain
  }

  /// Pieces from all over a tensor; none of one that is hardly larger.
  private func samples(_ geometry: MatrixGeometry) -> [MatrixRegion] {
    let byteCount = geometry.rows * geometry.rowByteCount
    guard byteCount > 2 * Self.sampleCount * Self.sampleByteCount else { return [] }
    let cells = Self.sampleByteCount / geometry.cellByteCount
    return (0..<Self.sampleCount).map { number in
      if geometry.columns <= cells {
        let count = max(1, cells / geometry.columns)
        let first = (geometry.rows - count) * number / (Self.sampleCount - 1)
        return MatrixRegion(rows: first..<first + count, columns: 0..<geometry.columns)
      }
      let row = (geometry.rows - 1) * number / (Self.sampleCount - 1)
      let column = (geometry.columns - cells) * number / (Self.sampleCount - 1)
      return MatrixRegion(rows: row..<row + 1, columns: column..<column + cells)
    }
  }
}

/// A tensor of the fork, and the base's that it may differ from.
private struct Pair {
  let fork: CompiledExpression
  let type: TensorType
  let evaluator: PooledEvaluator
  let name: String
  let base: BaseTensors
}

/// Compresses tensors and differences, for one thread.
private final class Measure {
  private let sizer: ChunkSizer
  private let fork: ScratchArena
  private let difference: ScratchArena

  init(level: Int?, chunkByteCount: Int) throws(CheckpointError) {
    sizer = try ChunkSizer(level: level, chunkByteCount: chunkByteCount)
    fork = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    difference = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
  }

  /// Bytes that regions of a tensor take, all together as one chunk: as they are, and as differences.
  func sizes(
    of regions: [MatrixRegion], _ pair: Pair
  ) throws(CheckpointError) -> (plain: Int, difference: Int) {
    let size = pair.type.geometry.cellByteCount
    let byteCount = regions.reduce(0) { $0 + $1.cellCount } * size
    return try fork.withPiece(byteCount: byteCount) { (own) throws(CheckpointError) in
      try difference.withPiece(byteCount: byteCount) { (other) throws(CheckpointError) in
        var offset = 0
        do throws(CheckpointError) {
          for region in regions {
            let rowStride = region.columns.count * size
            try pair.evaluator.evaluate(
              pair.fork, region, into: MatrixBuffer(base: own + offset, rowStride: rowStride))
            try pair.base.read(
              0, region, into: MatrixBuffer(base: other + offset, rowStride: rowStride))
            offset += region.cellCount * size
          }
        } catch { throw error.in(tensor: pair.name) }
        let plain = try sizer.byteCount(
          of: UnsafeRawBufferPointer(start: own, count: byteCount), elementByteCount: size,
          isDifference: false)
        wb_ulp_encode(own, other, other, byteCount / size, size, pair.type.dtype.isOrderedFloat)
        guard !wb_is_zero(other, byteCount) else { return (plain, 0) }
        return (
          plain,
          try sizer.byteCount(
            of: UnsafeRawBufferPointer(start: other, count: byteCount), elementByteCount: size,
            isDifference: true)
        )
      }
    }
  }
}
