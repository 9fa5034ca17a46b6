import CBLAS
import FileContainers
import TensorEvaluation
import TensorModel

/// Finds the ranks of changes: adds Δᵀ Δ up over the rows of each matrix, whose eigenvalues are the squares of Δ's singular values.
///
/// One matrix after the other, each in row order, so one thread at a time has the sums; products use all threads. Sums are cut at the same
/// rows whatever slabs are, so that the result doesn't depend on threads or memory.
///
/// `@unchecked Sendable`: what changes is only touched in `receiveInSequence`, which is called by one thread at a time.
final class ChangeRankFinder: EvaluationConsumer, @unchecked Sendable {
  /// A matrix that was changed.
  struct Change: Sendable {
    /// The second checkpoint's, `[rows, columns]` with no more columns than rows, in the dtype of the first's.
    let expression: CompiledExpression
    /// The largest |Δ|, which is finite.
    let maxAbsolute: Double
    /// Bytes of both.
    let bytes: StoredBytes

    /// The smaller side.
    var columns: Int { expression.type.shape.dimensions[1] }
  }

  private let changes: [Change]
  private let evaluator: CounterpartEvaluator
  private let progress: @Sendable (Int) -> Void

  /// Rows that are added up at once.
  private static let panelRowCount = 512
  /// Columns of a block of the sums; blocks over the diagonal are those below it.
  private static let blockColumnCount = 1024

  private let sums: Pages
  private let panel: Pages
  private let basis: Pages
  private var filledCount = 0
  private var isEmpty = true
  private var found: [Int: ChangeRank] = [:]

  /// Bytes that a matrix with so many columns takes, however many rows it has; nil if that is more than can be counted.
  static func byteCount(columns: Int) -> Int? {
    // As many vectors as there are columns, at most.
    let (square, isTooLarge) = columns.multipliedReportingOverflow(by: columns)
    guard !isTooLarge, square <= Int.max / 64 else { return nil }
    return 4 * (square + columns * panelRowCount + DominantSpectrum.basisCount(order: columns))
  }

  /// Makes room for the largest.
  ///
  /// - Parameters:
  ///   - reader: of the second checkpoint.
  ///   - changes: in the order of the tasks.
  ///   - resources: what the pipeline has.
  ///   - progress: told of stored bytes of both.
  /// - Throws: `inputOutput` without memory.
  init(
    _ reader: any CheckpointReader, _ changes: [Change], _ resources: EvaluationResources,
    _ progress: @escaping @Sendable (Int) -> Void
  ) throws(CheckpointError) {
    self.changes = changes
    self.progress = progress
    evaluator = CounterpartEvaluator(reader, changes.map(\.expression), resources)
    let columns = changes.map(\.columns).max() ?? 0
    sums = try Pages(byteCount: 4 * columns * columns)
    panel = try Pages(byteCount: 4 * columns * Self.panelRowCount)
    basis = try Pages(byteCount: 4 * DominantSpectrum.basisCount(order: columns))
  }

  /// The rank of a task's change.
  func rank(of task: Int) -> ChangeRank { found[task] ?? .exactly(0) }

  var order: EvaluationOrder { .sequential }

  func receiveInSequence(_ slab: EvaluatedSlab) throws(CheckpointError) {
    let change = changes[slab.index]
    if slab.byteOffset == 0 { (filledCount, isEmpty) = (0, true) }
    guard let first = slab.bytes.baseAddress, !slab.bytes.isEmpty else { return }
    try evaluator.withCounterpart(of: slab) { other in
      guard let second = other.baseAddress else { return }
      let count = slab.bytes.count / change.expression.geometry.cellByteCount
      append(first, second, count, change)
    }
    progress(change.bytes.count(slab.byteOffset, slab.bytes.count))
    if slab.byteOffset + slab.bytes.count == change.bytes.evaluated {
      found[slab.index] = rank(change.columns)
    }
  }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    try evaluator.confirm(tensor.index)
  }

  /// Puts differences into the panel, and adds it up whenever it is full.
  private func append(
    _ first: UnsafeRawPointer, _ second: UnsafeRawPointer, _ count: Int, _ change: Change
  ) {
    // The largest becomes about 1, so that squares are in the range of f32.
    let scale = Double(
      sign: .plus, exponent: -Int(change.maxAbsolute.exponent), significand: 1)
    let isWide = change.expression.geometry.cellByteCount == 8
    let (columns, room) = (change.columns, panel.base.assumingMemoryBound(to: Float.self))
    let capacity = columns * Self.panelRowCount
    for index in 0..<count {
      let (a, b) =
        isWide
        ? (
          first.load(fromByteOffset: 8 * index, as: Double.self),
          second.load(fromByteOffset: 8 * index, as: Double.self)
        )
        : (
          Double(first.load(fromByteOffset: 4 * index, as: Float.self)),
          Double(second.load(fromByteOffset: 4 * index, as: Float.self))
        )
      let difference = b - a
      // What is no number in both, or infinite, is the same in both: the largest difference is finite.
      room[filledCount] = difference.isNaN ? 0 : Float(difference * scale)
      filledCount += 1
      if filledCount == capacity { addPanel(columns) }
    }
  }

  /// Adds the panel's rows to the sums, below the diagonal.
  private func addPanel(_ columns: Int) {
    let (panel, sums) = (
      panel.base.assumingMemoryBound(to: Float.self), sums.base.assumingMemoryBound(to: Float.self)
    )
    for start in stride(from: 0, to: columns, by: Self.blockColumnCount) {
      let end = min(start + Self.blockColumnCount, columns)
      wb_sgemm(
        true, false, end - start, end, filledCount / columns, 1, panel + start, columns, panel,
        columns, isEmpty ? 0 : 1, sums + start * columns, columns)
    }
    (filledCount, isEmpty) = (0, false)
  }

  /// The rank of the matrix whose rows have all been taken.
  private func rank(_ columns: Int) -> ChangeRank {
    if filledCount > 0 { addPanel(columns) }
    let sums = sums.base.assumingMemoryBound(to: Float.self)
    for row in 0..<columns {
      for column in 0..<row { sums[column * columns + row] = sums[row * columns + column] }
    }
    var spectrum = DominantSpectrum(
      sums, order: columns, basis: basis.base.assumingMemoryBound(to: Float.self))
    return spectrum.rank(holding: ChangeRank.share, limit: ChangeRank.limit)
  }
}
