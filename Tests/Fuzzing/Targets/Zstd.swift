// seeds: fixtures/bad/tarzst/*.zst

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A compressed archive, and the stream in it alone.
@main struct ZstdTarget: FuzzTarget {
  /// So many uncompressed bytes are read.
  private static let byteCount = 16 << 20

  /// A frame's window comes on top, which the format sets: up to 128 MiB, as the `zstd` command accepts it.
  static var heapLimit: Int { 64 << 20 + ZstdStream.maximumWindowByteCount }

  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let file = InputInMemory(input)
    try read(ZstdStream(SequentialRegion(file.region)))
    try ArchiveCheck.members(of: file)
  }

  private static func read(_ stream: ZstdStream) throws(CheckpointError) {
    var count = 0
    while count < byteCount {
      let bytes = try stream.next(1 << 20)
      if bytes.isEmpty { break }
      count += bytes.count
    }
  }
}
