public import FileContainers
public import TensorModel

/// Bytes that stand for a file.
public struct BytesInMemory: RandomAccessBytes {
  /// All of them.
  public let bytes: [UInt8]
  /// How many there are.
  public var byteCount: Int { bytes.count }

  /// These bytes.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Copies bytes.
  public func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    guard position >= 0, count >= 0, count <= byteCount - position else {
      throw CheckpointError(.malformed, "a read beyond the storage", hint: "mend the test")
    }
    bytes.withUnsafeBytes {
      if let start = $0.baseAddress, count > 0 {
        base.copyMemory(from: start + position, byteCount: count)
      }
    }
  }
}
