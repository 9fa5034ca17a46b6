import CheckpointFormats
import FileContainers
import Foundation
import Synchronization
import TensorModel

/// How far long work has come, step after step: how much of what there is, rate, time left.
///
/// A line that is redrawn on a terminal; elsewhere a plain line every ten seconds. With `--verbose` each step leaves a line behind.
final class ProgressLine: Sendable {
  private struct Step {
    let label: String
    let total: Int
    let unit: WorkProgress.Unit
    let start = Date()
    var last = Date()
    var done = 0
    var isDrawn = false
  }

  private let isQuiet: Bool
  private let isVerbose: Bool
  private let step = Mutex<Step?>(nil)
  /// What was added and not yet counted.
  private let pending = Atomic(0)
  private let piece = Atomic(0)

  /// Bytes that are added before the clock is looked at, which takes longer than reading a small tensor.
  private static let pieceByteCount = 64 << 10

  /// A line for all steps of a command.
  init(quiet: Bool, verbose: Bool) {
    isQuiet = quiet
    isVerbose = verbose
  }

  /// What work tells its progress to.
  var work: WorkProgress {
    WorkProgress(step: { self.begin($0, $1, $2) }, done: { self.add($0) })
  }

  /// Begins a step.
  ///
  /// - Parameters:
  ///   - label: what is done.
  ///   - total: how much there is; 0 if that isn't known.
  ///   - unit: of what.
  func begin(_ label: String, _ total: Int, _ unit: WorkProgress.Unit = .bytes) {
    finish()
    piece.store(unit == .bytes ? Self.pieceByteCount : 1, ordering: .relaxed)
    step.withLock { $0 = Step(label: label, total: total, unit: unit) }
  }

  /// Adds what is done.
  @Sendable func add(_ count: Int) {
    guard !isQuiet,
      pending.wrappingAdd(count, ordering: .relaxed).newValue >= piece.load(ordering: .relaxed)
    else { return }
    let added = pending.exchange(0, ordering: .relaxed)
    update { $0.done += added }
  }

  /// What is told how many bytes of an archive have been unpacked, if it must be.
  func unpacking(_ source: String) -> @Sendable (Int) -> Void {
    let hasBegun = Atomic(false)
    return { [self] count in
      if !hasBegun.exchange(true, ordering: .relaxed) {
        let place = try? NamedPath(source).place
        begin("unpacking", place.flatMap { try? InputFile(path: $0).byteCount } ?? 0)
      }
      update { $0.done = count }
    }
  }

  private func update(_ change: (inout Step) -> Void) {
    guard !isQuiet else { return }
    let isTerminal = Terminal.showsErrors
    let text = step.withLock { step -> String? in
      guard var current = step else { return nil }
      defer { step = current }
      change(&current)
      let now = Date()
      guard now.timeIntervalSince(current.last) >= (isTerminal ? 0.1 : 10) else { return nil }
      current.last = now
      current.isDrawn = isTerminal
      return Self.line(current, now)
    }
    guard let text else { return }
    if isTerminal { Console.status(text) } else { Console.error(text) }
  }

  private static func line(_ step: Step, _ now: Date) -> String {
    let seconds = now.timeIntervalSince(step.start)
    var text = "\(step.label)  \(amount(step.done, step.unit, outOf: step.total))"
    if step.total > 0 { text += " (\(min(100, step.done * 100 / step.total)) %)" }
    if let rate = rate(step, seconds) { text += ", \(rate)" }
    if step.total > step.done, step.done > 0 {
      let left = Int(seconds * Double(step.total - step.done) / Double(step.done))
      text += ", \(duration(Double(left))) left"
    }
    return text
  }

  private static func amount(_ done: Int, _ unit: WorkProgress.Unit, outOf total: Int) -> String {
    guard unit != .bytes else {
      return humanSize(done) + (total > 0 ? " of \(humanSize(total))" : "")
    }
    return grouped(done) + (total > 0 ? " of \(grouped(total))" : "") + " \(unit.rawValue)"
  }

  private static func rate(_ step: Step, _ seconds: Double) -> String? {
    guard step.unit == .bytes, seconds > 0 else { return nil }
    return "\(humanSize(Int(Double(step.done) / seconds)))/s"
  }

  /// Ends the step: takes its line off the terminal, and leaves one behind if that is wanted.
  func finish() {
    guard !isQuiet else { return }
    let last = pending.exchange(0, ordering: .relaxed)
    let ended = step.withLock { step -> Step? in
      defer { step = nil }
      step?.done += last
      return step
    }
    guard let ended else { return }
    if ended.isDrawn { Console.status("") }
    guard isVerbose, ended.total > 0 || ended.done > 0 else { return }
    let seconds = Date().timeIntervalSince(ended.start)
    let total = ended.total > 0 ? " of \(grouped(ended.total))" : ""
    let rate = Self.rate(ended, seconds).map { ", \($0)" } ?? ""
    Console.error(
      "\(ended.label): \(grouped(ended.done))\(total) \(ended.unit.rawValue) in \(duration(seconds))\(rate)"
    )
  }
}

/// A time as people say it: `0.41 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
func duration(_ seconds: Double) -> String {
  if seconds < 10 && seconds != seconds.rounded() { return String(format: "%.2f s", seconds) }
  let whole = Int(seconds.rounded())
  if whole < 60 { return "\(whole) s" }
  if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
  return "\(whole / 3600) h \(whole / 60 % 60) min"
}
