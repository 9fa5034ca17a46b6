import CHDF5
import Foundation
import TensorModel

/// Turns the library's negative results into errors, and its identifiers into values that close themselves.
enum HDF5 {
  /// The library may be built without thread safety, so that its calls are made one at a time.
  private static let lock = NSRecursiveLock()
  /// Runs once: no error stacks on stderr, no handler at exit.
  private static let isPrepared: Bool = {
    H5dont_atexit()
    return H5open() >= 0 && wb_h5_silence() >= 0
  }()

  /// Runs calls of the library.
  static func exclusively<Result>(
    _ body: () throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    lock.lock()
    defer { lock.unlock() }
    guard isPrepared else { throw CheckpointError(.inputOutput, "libhdf5 can't be initialised") }
    return try body()
  }

  /// Throws for a negative result.
  @discardableResult
  static func check<Number: SignedInteger>(
    _ result: Number, _ action: String, _ path: String
  ) throws(CheckpointError) -> Number {
    guard result >= 0 else {
      throw CheckpointError(
        .inputOutput, "can't \(action): \(String(cString: wb_h5_last_error()))", file: path)
    }
    return result
  }
}

/// An identifier that is released when nobody uses it any more.
final class HDF5Identifier {
  let value: hid_t
  private let release: (hid_t) -> herr_t

  /// Takes an identifier over.
  ///
  /// - Throws: `inputOutput` if it is invalid.
  init(
    _ value: hid_t, _ action: String, _ path: String, release: @escaping (hid_t) -> herr_t
  ) throws(CheckpointError) {
    self.value = try HDF5.check(value, action, path)
    self.release = release
  }

  deinit { _ = release(value) }
}
