import Foundation
import TensorModel

/// Deals slabs of tensors out to threads.
///
/// A thread stays with its tensor while that has slabs left, then begins the largest tensor that nobody has begun, and when there is none
/// helps with the one that has most left. So tensors run in parallel, a single large one too, and what must happen in row order
/// (hashing) rarely has to wait.
final class EvaluationSchedule: @unchecked Sendable {
  // Everything below `condition` is only touched while it is locked.
  private let condition = NSCondition()
  private var waiting: [Int]
  private var progress: [Int: Progress] = [:]
  private(set) var failure: CheckpointError?

  struct Slab {
    let task: Int
    let number: Int
    let region: MatrixRegion
    let byteOffset: Int
    let byteCount: Int
  }

  private struct Progress {
    var slabs: [Slab]
    var dealt = 0
    var inOrder = 0
    var complete = 0
  }

  private let tasks: [EvaluationTask]
  private let resources: EvaluationResources

  init(_ tasks: [EvaluationTask], _ resources: EvaluationResources) {
    self.tasks = tasks
    self.resources = resources
    // Largest last, because the end is where they are taken from; equal ones in the order of the list.
    waiting = tasks.indices.sorted {
      tasks[$0].byteCount == tasks[$1].byteCount
        ? $0 > $1 : tasks[$0].byteCount < tasks[$1].byteCount
    }
  }

  /// The next slab for a thread whose last one was of the task `current`; nil when all are dealt out or something failed.
  func next(after current: Int?) -> Slab? {
    condition.withLock {
      guard failure == nil else { return nil }
      if let current, let slab = deal(from: current) { return slab }
      while let task = waiting.popLast() {
        progress[task] = Progress(slabs: slabs(of: task))
        if let slab = deal(from: task) { return slab }
      }
      let fullest = progress.max {
        ($0.value.slabs.count - $0.value.dealt, $1.key) < (
          $1.value.slabs.count - $1.value.dealt, $0.key
        )
      }
      return fullest.flatMap { deal(from: $0.key) }
    }
  }

  private func deal(from task: Int) -> Slab? {
    guard var state = progress[task], state.dealt < state.slabs.count else { return nil }
    let slab = state.slabs[state.dealt]
    state.dealt += 1
    progress[task] = state
    return slab
  }

  private func slabs(of task: Int) -> [Slab] {
    let expression = tasks[task].expression
    let limit = resources.slabByteCount(transposing: expression.root.transposes)
    let cell = expression.geometry.cellByteCount
    var offset = 0
    var slabs: [Slab] = []
    for region in expression.geometry.whole.tiles(cellByteCount: cell, limit: limit) {
      let byteCount = region.cellCount * cell
      slabs.append(
        Slab(
          task: task, number: slabs.count, region: region, byteOffset: offset, byteCount: byteCount)
      )
      offset += byteCount
    }
    // A tensor without elements still has a digest.
    if slabs.isEmpty {
      slabs.append(
        Slab(
          task: task, number: 0, region: MatrixRegion(rows: 0..<0, columns: 0..<0), byteOffset: 0,
          byteCount: 0))
    }
    return slabs
  }

  /// Waits until all earlier slabs of the tensor have had their turn; false if something failed meanwhile.
  func waitForTurn(of slab: Slab) -> Bool {
    condition.withLock {
      while failure == nil, progress[slab.task]?.inOrder != slab.number { condition.wait() }
      return failure == nil
    }
  }

  /// Lets the next slab of the tensor have its turn.
  func endTurn(of slab: Slab) {
    condition.withLock {
      progress[slab.task]?.inOrder += 1
      condition.broadcast()
    }
  }

  /// Counts a slab with which nothing remains to be done; true for the last of its tensor.
  func complete(_ slab: Slab) -> Bool {
    condition.withLock {
      progress[slab.task]?.complete += 1
      guard let state = progress[slab.task], state.complete == state.slabs.count else {
        return false
      }
      progress[slab.task] = nil
      return true
    }
  }

  /// Stops everything; the first error counts.
  func fail(_ error: CheckpointError) {
    condition.withLock {
      failure = failure ?? error
      condition.broadcast()
    }
  }
}
