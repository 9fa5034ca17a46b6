import CHDF5
import Foundation
import Synchronization
import TensorModel

/// Turns the library's negative results into errors, and makes its calls one at a time.
enum HDF5 {
  /// The library may be built without thread safety.
  ///
  /// Recursive, because identifiers are released within calls, too.
  private static let lock = NSRecursiveLock()
  private static let isPrepared = wb_h5_prepare() >= 0

  /// Runs calls of the library.
  static func exclusively<Result>(
    _ body: () throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    lock.lock()
    defer { lock.unlock() }
    guard isPrepared else { throw CheckpointError(.inputOutput, "libhdf5 can't be initialised") }
    wb_h5_silence()
    return try body()
  }

  /// Runs calls whose failure leaves nothing to be done.
  static func releasing(_ body: () -> Void) {
    lock.lock()
    defer { lock.unlock() }
    guard isPrepared else { return }
    wb_h5_silence()
    body()
  }
}

/// Whether a file has been given up after a failed system call.
final class HDF5FileFate: Sendable {
  private let state = Mutex(false)

  var isGivenUp: Bool { state.withLock { $0 } }

  func giveUp() { state.withLock { $0 = true } }
}

/// What an attempt is about, for its error.
struct HDF5Attempt {
  let action: String
  let path: String
  var code = CheckpointError.Code.inputOutput
  /// Of the file that it writes, which is given up when it fails; nil if nothing is written.
  var fate: HDF5FileFate?

  /// Throws for a negative result.
  @discardableResult
  func check<Number: SignedInteger>(_ result: Number) throws(CheckpointError) -> Number {
    guard result >= 0 else {
      fate?.giveUp()
      throw CheckpointError(
        code, "can't \(action): \(String(cString: wb_h5_last_error()))", file: path)
    }
    return result
  }

  /// Takes an identifier over, which is released when nobody uses it any more.
  func own(
    _ identifier: hid_t, _ release: @escaping @Sendable (hid_t) -> herr_t
  ) throws(CheckpointError) -> HDF5Identifier {
    HDF5Identifier(value: try check(identifier), release: release, fate: fate)
  }
}

/// An identifier that is released when nobody uses it any more.
final class HDF5Identifier: Sendable {
  let value: hid_t
  private let release: @Sendable (hid_t) -> herr_t
  private let fate: HDF5FileFate?

  fileprivate init(
    value: hid_t, release: @escaping @Sendable (hid_t) -> herr_t,
    fate: HDF5FileFate?
  ) {
    self.value = value
    self.release = release
    self.fate = fate
  }

  deinit { HDF5.releasing { if fate?.isGivenUp != true { _ = release(value) } } }
}
