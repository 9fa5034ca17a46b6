import CheckpointFormats
import FileContainers
import StoreWriting

/// What the journal says of a finished volume of a store.
struct VolumeClaim: Codable, Hashable {
  /// Its place in the plan.
  let volume: Int
  let byteCount: Int
  let structureDigest: Digest
  /// For each tensor of the volume its chunks: offset, size, filter mask and CRC-32.
  let chunks: [[[Int]]]

  init(volume: Int, _ finished: FinishedVolume) {
    self.volume = volume
    byteCount = finished.byteCount
    structureDigest = finished.structureDigest
    chunks = finished.chunks.map { tensor in
      tensor.map { [$0.byteOffset, $0.byteCount, $0.filterMask, Int($0.checksum)] }
    }
  }

  /// The volume, whose file is still to be compared with this.
  var finished: FinishedVolume {
    FinishedVolume(
      byteCount: byteCount, structureDigest: structureDigest,
      chunks: chunks.map { tensor in
        tensor.compactMap { row in
          guard row.count == 4 else { return nil }
          return StoredChunk(
            byteOffset: row[0], byteCount: row[1], filterMask: row[2],
            checksum: UInt32(truncatingIfNeeded: row[3]))
        }
      })
  }
}
