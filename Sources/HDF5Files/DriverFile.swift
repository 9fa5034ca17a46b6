import CHDF5Driver
import FileContainers
import TensorModel

/// The file behind the driver: it makes the calls that libhdf5 asks for, and keeps what went wrong.
///
/// Calls are made one at a time, within `HDF5.exclusively`.
final class DriverFile {
  /// What the driver is given; the library may look at it as long as it has the file.
  let state: UnsafeMutablePointer<wb_volume_file>
  /// Why the first call that failed did.
  private(set) var failure: CheckpointError?
  private let file: OutputFile

  init(_ file: OutputFile) {
    self.file = file
    state = .allocate(capacity: 1)
    state.initialize(to: wb_volume_file())
    // Not retained: whoever has the driver's state has this, too.
    state.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    state.pointee.read = { context, offset, bytes, count in
      DriverFile.attempt(context) { (file) throws(CheckpointError) in
        guard let bytes else { return }
        let done = try file.readAvailable(at: Int(offset), into: bytes, count: count)
        (bytes + done).initializeMemory(as: UInt8.self, repeating: 0, count: count - done)
      }
    }
    state.pointee.write = { context, offset, bytes, count in
      DriverFile.attempt(context) { (file) throws(CheckpointError) in
        guard let bytes else { return }
        try file.write(at: Int(offset), from: bytes, count: count)
      }
    }
    state.pointee.resize = { context, byteCount in
      DriverFile.attempt(context) { (file) throws(CheckpointError) in
        try file.resize(byteCount: Int(byteCount))
      }
    }
  }

  private static func attempt(
    _ context: UnsafeMutableRawPointer?, _ call: (OutputFile) throws(CheckpointError) -> Void
  ) -> Int32 {
    guard let context else { return -1 }
    let it = Unmanaged<DriverFile>.fromOpaque(context).takeUnretainedValue()
    do throws(CheckpointError) {
      try call(it.file)
      return 0
    } catch {
      it.failure = it.failure ?? error
      return -1
    }
  }

  /// From now on the driver pretends; the file itself may be closed.
  func discard() { state.pointee.discards = true }

  /// To be called when the library has let go of the file; if it can't, the state stays until the process ends.
  func release() { state.deallocate() }
}
