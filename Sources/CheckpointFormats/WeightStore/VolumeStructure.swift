public import FileContainers
public import TensorModel

/// What is in a volume beside chunks: HDF5's headers, attributes and indexes, and the gaps that alignment leaves.
public enum VolumeStructure {
  /// SHA-256 of all bytes that belong to no chunk, in the order of the file.
  ///
  /// - Parameters:
  ///   - volume: the file.
  ///   - chunks: all of it, within the file.
  /// - Returns: the digest.
  /// - Throws: `malformed` if chunks overlap, `inputOutput`.
  public static func digest(
    of volume: FileRegion, around chunks: [StoredChunk]
  ) throws(CheckpointError) -> Digest {
    var stream = StreamingDigest()
    var end = 0
    for chunk in chunks.sorted(by: { $0.byteOffset < $1.byteOffset }) where chunk.byteCount > 0 {
      guard chunk.byteOffset >= end else {
        throw CheckpointError(.malformed, "chunks that overlap", byteOffset: chunk.byteOffset)
      }
      try stream.update(volume, end..<chunk.byteOffset)
      end = chunk.byteOffset + chunk.byteCount
    }
    try stream.update(volume, end..<volume.byteCount)
    return stream.digest
  }
}

extension StreamingDigest {
  fileprivate mutating func update(
    _ file: FileRegion, _ range: Range<Int>
  ) throws(CheckpointError) {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
      let count = min(1 << 20, range.upperBound - start)
      let bytes = try file.bytes(at: start, count: count)
      bytes.withUnsafeBytes { update($0) }
    }
  }
}
