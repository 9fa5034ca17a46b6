import CFuzzing
import Foundation
public import TensorModel

/// A parser under libFuzzer: conformers are the `@main` types of `Targets`.
public protocol FuzzTarget {
  /// Gives an input to the parser, and uses whatever comes of it.
  ///
  /// What doesn't hold is a failed `expect`; the only other way to end is an error of the kind that users get.
  ///
  /// - Parameter input: any bytes.
  /// - Throws: what the parser throws.
  static func use(_ input: [UInt8]) throws(CheckpointError)

  /// By how much the heap may grow while an input is used, beyond the input's own size.
  static var heapLimit: Int { get }
}

extension FuzzTarget {
  /// What every parser must do with.
  public static var heapLimit: Int { 64 << 20 }

  /// Runs libFuzzer with the arguments of the process.
  public static func main() {
    Outcome.use = { (input) throws(CheckpointError) in try use(input) }
    Outcome.heapLimit = heapLimit
    atexit { Outcome.report() }
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(
      LLVMFuzzerRunDriver(&count, &arguments) { bytes, count in
        Outcome.of(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
      })
  }
}

/// Does something of which it doesn't matter whether it is refused, as long as it is refused as users are told of it.
public func attempt(_ body: () throws(CheckpointError) -> Void) {
  do throws(CheckpointError) { try body() } catch { Outcome.check(error) }
}

/// What inputs did so far.
///
/// `nonisolated(unsafe)`: libFuzzer calls from one thread.
private enum Outcome {
  nonisolated(unsafe) static var use: ([UInt8]) throws(CheckpointError) -> Void = { _ in }
  nonisolated(unsafe) static var heapLimit = 0
  nonisolated(unsafe) private static var largestHeap = 0
  nonisolated(unsafe) private static var longestTime = 0.0
  nonisolated(unsafe) private static var refusals = 0
  nonisolated(unsafe) private static var acceptances = 0

  /// Of processor time, not the clock's: a busy machine is not the parser's fault.
  ///
  /// libFuzzer's own timeout ends what never ends.
  private static let secondsLimit = Double(wb_fuzz_slowness())

  static func of(_ input: [UInt8]) {
    let start = wb_fuzz_processor_seconds()
    wb_fuzz_meter_start(heapLimit + input.count)
    do throws(CheckpointError) {
      try use(input)
      acceptances += 1
    } catch {
      refusals += 1
      check(error)
    }
    largestHeap = max(largestHeap, wb_fuzz_meter_stop())
    let seconds = wb_fuzz_processor_seconds() - start
    longestTime = max(longestTime, seconds)
    guard seconds <= secondsLimit else {
      say("==time== an input takes \(seconds) s of processor time")
      fatalError()
    }
  }

  static func check(_ error: CheckpointError) {
    expect(!error.description.isEmpty)
    // Nothing is wrong with the file's storage: such an error would mean that something was read that isn't there.
    expect(![.inputOutput, .conflict].contains(error.code), error.description)
  }

  static func report() {
    say(
      """
      stat::accepted_inputs:           \(acceptances)
      stat::refused_inputs:            \(refusals)
      stat::largest_heap_bytes:        \(largestHeap)
      stat::longest_processor_seconds: \(longestTime)
      """)
  }
}
