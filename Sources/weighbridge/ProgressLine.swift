import Foundation
import Synchronization
import TensorModel

/// How far long work has come: bytes, rate, time left.
///
/// A line that is redrawn on a terminal; elsewhere a plain line every ten seconds.
final class ProgressLine: Sendable {
  private struct State {
    var total: Int
    var done = 0
    var last: Date
    let start: Date
  }

  private let label: String
  private let isEnabled: Bool
  private let state: Mutex<State>
  /// Bytes that were added and not yet counted.
  private let pending = Atomic(0)

  /// What is added before the clock is looked at, which takes longer than reading a small tensor.
  private static let pieceByteCount = 64 << 10

  /// A line for so many bytes; 0 if that isn't known.
  init(_ label: String, total: Int, quiet: Bool) {
    self.label = label
    isEnabled = !quiet
    let now = Date()
    state = Mutex(State(total: total, last: now, start: now))
  }

  /// Says how many bytes there will be.
  func setTotal(_ total: Int) { state.withLock { $0.total = total } }

  /// Adds bytes that are done.
  @Sendable func add(_ byteCount: Int) {
    guard isEnabled,
      pending.wrappingAdd(byteCount, ordering: .relaxed).newValue >= Self.pieceByteCount
    else { return }
    let added = pending.exchange(0, ordering: .relaxed)
    update { $0.done += added }
  }

  /// Sets the number of bytes that are done.
  @Sendable func set(_ byteCount: Int) { update { $0.done = byteCount } }

  private func update(_ change: (inout State) -> Void) {
    guard isEnabled else { return }
    let isTerminal = Console.hasTerminal
    let text = state.withLock { state -> String? in
      change(&state)
      let now = Date()
      guard now.timeIntervalSince(state.last) >= (isTerminal ? 0.1 : 10) else { return nil }
      state.last = now
      return line(state, now)
    }
    guard let text else { return }
    if isTerminal { Console.status(text) } else { Console.error(text) }
  }

  private func line(_ state: State, _ now: Date) -> String {
    let seconds = now.timeIntervalSince(state.start)
    let rate = seconds > 0 ? Double(state.done) / seconds : 0
    var text = "\(label)  \(humanSize(state.done))"
    if state.total > 0 {
      text += " of \(humanSize(state.total)) (\(min(100, state.done * 100 / state.total)) %)"
    }
    text += ", \(humanSize(Int(rate)))/s"
    if state.total > state.done, rate > 0 {
      let left = Int(Double(state.total - state.done) / rate)
      text += ", \(left < 60 ? "\(left) s" : "\(left / 60) min \(left % 60) s") left"
    }
    return text
  }

  /// Takes the line off the terminal.
  func finish() { if isEnabled && Console.hasTerminal { Console.status("") } }
}
