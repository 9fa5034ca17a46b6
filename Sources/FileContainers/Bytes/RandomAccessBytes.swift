public import TensorModel

/// Bytes that can be read at any position, by several threads at once: a file, a part of one, or the contents of a zip member.
public protocol RandomAccessBytes: Sendable {
  /// How many there are.
  var byteCount: Int { get }

  /// Copies bytes.
  ///
  /// What can be checked about the bytes as a whole (a CRC-32) is certain only when `confirm()` has returned.
  ///
  /// - Throws: `malformed` if they aren't all there, `corrupt` if a checksum fails, `inputOutput` if they can't be read.
  func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError)

  /// Makes sure that all bytes are what they should be, as far as the container can tell.
  ///
  /// - Throws: `corrupt` if a checksum fails, `inputOutput`.
  func confirm() throws(CheckpointError)

  /// The first bytes, or all if there are fewer; not checked against any checksum. For headers, when a file is opened.
  ///
  /// - Throws: `corrupt` or `inputOutput`.
  func head(_ count: Int) throws(CheckpointError) -> [UInt8]
}

extension RandomAccessBytes {
  /// There is no checksum.
  public func confirm() {}

  /// The first bytes, or all if there are fewer.
  public func head(_ count: Int) throws(CheckpointError) -> [UInt8] {
    try bytes(at: 0, count: Swift.min(count, byteCount))
  }

  /// Throws unless a run of bytes is within.
  func check(_ position: Int, count: Int) throws(CheckpointError) {
    guard position >= 0, count >= 0, position <= byteCount, count <= byteCount - position else {
      throw CheckpointError(
        .malformed, "the file ends early", byteOffset: position,
        expected: "\(count) bytes", found: "\(Swift.max(0, byteCount - position))")
    }
  }

  /// Some of the bytes as an array.
  ///
  /// - Throws: what `read(at:into:count:)` throws.
  public func bytes(at position: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    try check(position, count: count)
    var failure: CheckpointError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let base = buffer.baseAddress, count > 0 else { return }
      do throws(CheckpointError) {
        try read(at: position, into: base, count: count)
        initialized = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Copies a region of the row-major matrix of cells that begins at a position.
  ///
  /// - Throws: what `read(at:into:count:)` throws.
  public func read(
    matrixAt position: Int, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let runByteCount = region.columns.count * geometry.cellByteCount
    if region.columns.count == geometry.columns && destination.rowStride == runByteCount {
      try read(
        at: position + region.rows.lowerBound * runByteCount, into: destination.base,
        count: region.rows.count * runByteCount)
      return
    }
    let first = position + region.columns.lowerBound * geometry.cellByteCount
    for (index, row) in region.rows.enumerated() {
      try read(
        at: first + row * geometry.rowByteCount,
        into: destination.base + index * destination.rowStride, count: runByteCount)
    }
  }
}
