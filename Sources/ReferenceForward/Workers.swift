import FileContainers
import Synchronization
import TensorModel

/// Divides work among threads.
struct Workers: Sendable {
  let count: Int

  /// Calls a body for every number below `count`, several at a time, with the number of the thread that does it.
  ///
  /// - Throws: the first error that a body throws.
  func forEach(
    _ count: Int, _ body: @Sendable (Int, _ worker: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let next = Atomic(0)
    let failure = Mutex<CheckpointError?>(nil)
    ThreadTeam.run(min(self.count, count)) { worker in
      while failure.withLock({ $0 == nil }) {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        do throws(CheckpointError) { try body(index, worker) } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }
}
