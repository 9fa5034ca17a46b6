import Foundation
import TensorModel

/// Deals slabs of tensors out to threads.
///
/// Where any order will do, a thread stays with its tensor while that has slabs left, then begins the largest tensor that nobody has begun,
/// and when there is none helps with the one that has most left. So tensors run in parallel, a single large one too, and what must happen
/// in row order (hashing) rarely has to wait. In sequential order slabs are dealt as they come.
final class EvaluationSchedule: @unchecked Sendable {
  // Everything below `condition` is only touched while it is locked.
  private let condition = NSCondition()
  private var waiting: [Int]
  private var progress: [Int: Progress] = [:]
  private var dealtCount = 0
  private var sequenceTurn = 0
  private(set) var failure: CheckpointError?

  private let tasks: [EvaluationTask]
  private let cutter: SlabCutter
  private let order: EvaluationOrder

  private struct Progress {
    var slabs: [Slab]
    var dealt = 0
    var inOrder = 0
    var complete = 0
    var isAbandoned = false
  }

  init(_ tasks: [EvaluationTask], _ resources: EvaluationResources, _ order: EvaluationOrder) {
    self.tasks = tasks
    self.order = order
    cutter = SlabCutter(resources)
    // They are taken from the end. Largest last there, equal ones in the order of the list.
    switch order {
    case .sequential: waiting = tasks.indices.reversed()
    case .any:
      let sizes = tasks.map(\.byteCount)
      waiting = tasks.indices.sorted {
        sizes[$0] == sizes[$1] ? $0 > $1 : sizes[$0] < sizes[$1]
      }
      waiting = Self.grouped(waiting, tasks)
    }
  }

  /// Tasks with the same second moments behind each other, where the largest of them is: their factor takes long to make, and much memory.
  private static func grouped(_ order: [Int], _ tasks: [EvaluationTask]) -> [Int] {
    guard tasks.contains(where: { $0.expression.moments != nil }) else { return order }
    var (places, members) = ([SecondMoments: Int](), [[Int]]())
    for task in order.reversed() {
      if let moments = tasks[task].expression.moments {
        if let place = places[moments] {
          members[place].append(task)
          continue
        }
        places[moments] = members.count
      }
      members.append([task])
    }
    return members.joined().reversed()
  }

  /// Small tensors that nobody has begun, for one thread to copy; none where others come first, such as the task `current`, or where
  /// order counts.
  func nextSmall(after current: Int?) -> [Slab] {
    guard order == .any else { return [] }
    return condition.withLock {
      if let current, let state = progress[current], state.dealt < state.slabs.count,
        !state.isAbandoned
      {
        return []
      }
      var slabs: [Slab] = []
      while failure == nil, slabs.count < Self.smallCount, let task = waiting.last,
        let slab = cutter.smallSlab(of: tasks[task], task)
      {
        waiting.removeLast()
        slabs.append(slab)
      }
      return slabs
    }
  }

  /// How many small tensors a thread takes at once.
  private static let smallCount = 128

  /// The next slab for a thread whose last one was of the task `current`; nil when all are dealt out or something failed.
  func next(after current: Int?) -> Slab? {
    condition.withLock {
      guard failure == nil else { return nil }
      switch order {
      case .any:
        if let current, let slab = deal(from: current) { return slab }
        // Threads stay together where a factor of second moments is in memory.
        for task in progress.keys.sorted() where tasks[task].expression.moments != nil {
          if let slab = deal(from: task) { return slab }
        }
      case .sequential:
        // At most one task has slabs left that aren't dealt.
        for task in progress.keys { if let slab = deal(from: task) { return slab } }
      }
      while let task = waiting.popLast() {
        let slabs = cutter.slabs(of: tasks[task], task)
        if slabs.count == 1 { return dealt(slabs[0], isAlone: true) }
        progress[task] = Progress(slabs: slabs)
        if let slab = deal(from: task) { return slab }
      }
      let fullest = progress.filter { !$0.value.isAbandoned }.max {
        ($0.value.slabs.count - $0.value.dealt, $1.key) < (
          $1.value.slabs.count - $1.value.dealt, $0.key
        )
      }
      return fullest.flatMap { deal(from: $0.key) }
    }
  }

  private func deal(from task: Int) -> Slab? {
    guard var state = progress[task], state.dealt < state.slabs.count, !state.isAbandoned else {
      return nil
    }
    let slab = dealt(state.slabs[state.dealt])
    state.dealt += 1
    progress[task] = state
    return slab
  }

  private func dealt(_ slab: Slab, isAlone: Bool = false) -> Slab {
    var slab = slab
    slab.sequence = dealtCount
    slab.isAlone = isAlone
    dealtCount += 1
    return slab
  }

  /// Waits until all slabs that were dealt before have had their turn; false if something failed meanwhile.
  func waitForSequence(_ slab: Slab) -> Bool {
    condition.withLock {
      while failure == nil, sequenceTurn != slab.sequence { condition.wait() }
      return failure == nil
    }
  }

  /// Lets the slab that was dealt next have its turn.
  func endSequence() {
    condition.withLock {
      sequenceTurn += 1
      condition.broadcast()
    }
  }

  /// Waits until all earlier slabs of the tensor have had their turn; false if something failed meanwhile.
  func waitForTurn(of slab: Slab) -> Bool {
    if slab.isAlone { return true }
    return condition.withLock {
      while failure == nil, let state = progress[slab.task], !state.isAbandoned,
        state.inOrder != slab.number
      { condition.wait() }
      return failure == nil && progress[slab.task]?.isAbandoned == false
    }
  }

  /// Lets the next slab of the tensor have its turn.
  func endTurn(of slab: Slab) {
    if slab.isAlone { return }
    condition.withLock {
      progress[slab.task]?.inOrder += 1
      condition.broadcast()
    }
  }

  /// Counts a slab with which nothing remains to be done; true for the last of its tensor.
  func complete(_ slab: Slab) -> Bool {
    if slab.isAlone { return true }
    return condition.withLock {
      progress[slab.task]?.complete += 1
      guard let state = progress[slab.task], state.complete == state.slabs.count,
        !state.isAbandoned
      else { return false }
      progress[slab.task] = nil
      return true
    }
  }

  /// Gives up a tensor; true for the first of its slabs that says so.
  func abandon(_ slab: Slab) -> Bool {
    if slab.isAlone { return true }
    return condition.withLock {
      // All slabs of a tensor may be done when its end fails: then nobody else says so.
      if progress[slab.task]?.isAbandoned == true { return false }
      progress[slab.task]?.isAbandoned = true
      condition.broadcast()
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
