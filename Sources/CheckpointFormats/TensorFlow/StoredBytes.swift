import FileContainers
import TensorModel

/// The bytes of a variable, or of a slice of one, in a data file that errors name.
struct StoredBytes: RandomAccessBytes {
  /// The data file's name.
  let file: String
  private let bytes: ChecksummedRegion

  /// Bytes that have been seen to lie within their file.
  init(file: String, _ bytes: ChecksummedRegion) {
    self.file = file
    self.bytes = bytes
  }

  var byteCount: Int { bytes.byteCount }

  func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    do throws(CheckpointError) { try bytes.read(at: position, into: base, count: count) } catch {
      throw error.in(file: file)
    }
  }

  func confirm() throws(CheckpointError) {
    do throws(CheckpointError) { try bytes.confirm() } catch { throw error.in(file: file) }
  }
}
