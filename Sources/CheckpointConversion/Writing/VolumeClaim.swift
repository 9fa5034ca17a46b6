import CheckpointFormats
import FileContainers
import StoreWriting

/// What the journal says about a volume of a store that is complete: what its file must be, and where everything lies in it.
///
/// As JSON: "byteCount", "chunks" (for each tensor of the volume a list of [offset, size, filter mask, CRC-32]), "structureDigest", "volume".
struct VolumeClaim: Decodable, Hashable {
  /// Its place in the plan.
  let volume: Int
  /// The volume, whose file is still to be compared with this.
  let finished: FinishedVolume

  var byteCount: Int { finished.byteCount }
  var structureDigest: Digest { finished.structureDigest }

  init(volume: Int, _ finished: FinishedVolume) {
    self.volume = volume
    self.finished = finished
  }

  private enum CodingKeys: String, CodingKey {
    case volume, byteCount, structureDigest, chunks
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    volume = try container.decode(Int.self, forKey: .volume)
    let chunks = try container.decode([[[Int]?]].self, forKey: .chunks)
    finished = FinishedVolume(
      byteCount: try container.decode(Int.self, forKey: .byteCount),
      structureDigest: try container.decode(Digest.self, forKey: .structureDigest),
      chunks: chunks.map { tensor in
        tensor.compactMap { row in
          guard let row else { return .absent }
          guard row.count == 4 else { return nil }
          return StoredChunk(
            byteOffset: row[0], byteCount: row[1], filterMask: row[2],
            checksum: UInt32(truncatingIfNeeded: row[3]))
        }
      })
  }

  /// The claim as JSON; an encoder would take many times the memory for a volume's thousands of chunks.
  var json: [UInt8] {
    var text = Array("{\"byteCount\":\(byteCount),\"chunks\":[".utf8)
    for (place, chunks) in finished.chunks.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      StoredChunk.appendRows(chunks, to: &text)
    }
    text += "],\"structureDigest\":\"\(structureDigest)\",\"volume\":\(volume)}".utf8
    return text
  }
}
