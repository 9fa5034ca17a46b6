import CFuzzing
public import CheckpointFormats
public import FileContainers
public import TensorModel

/// A store of changed parts, sealed again: without that no change would get further than to a digest that doesn't match.
public struct StoreSeal {
  /// The store's files.
  public let tree: ArchiveTree

  /// Puts a store together.
  ///
  /// - Parameters:
  ///   - manifest: `store.json`; digests, sizes and the root are replaced by those that the parts have.
  ///   - table: `chunks.json`.
  ///   - volume: the contents of every volume.
  /// - Throws: `malformed` if the manifest isn't JSON.
  public init(
    manifest: [UInt8], table: [UInt8], volume: [UInt8]
  ) throws(CheckpointError) {
    let asset = Array("{}".utf8)
    var text = JSONText(manifest)
    let document = try JSONValue(parsing: manifest)
    text.replace(Self.record(document["chunk_table"], table))
    for entry in document["assets"]?.elements ?? [] { text.replace(Self.record(entry, asset)) }
    for entry in document["volumes"]?.elements ?? [] {
      text.replace([(entry.range(of: "byte_count"), "\(volume.count)")])
    }
    var sealed = try Self.withDigest(text.edited)
    // The parser says which root it wants.
    do throws(CheckpointError) { _ = try StoreManifest(parsing: sealed) } catch {
      if error.message.contains("root"), let root = error.found {
        var text = JSONText(sealed)
        text.replace([(try JSONValue(parsing: sealed).range(of: "root"), "\"\(root)\"")])
        sealed = try Self.withDigest(text.edited)
      }
    }
    let file = try InputInMemory(sealed + table + volume + asset).region
    var (members, start): ([ExactName: FileRegion], Int) = ([:], 0)
    func add(_ names: [String], _ count: Int) {
      for name in names { members[ExactName(name)] = file.part(at: start, count: count) }
      start += count
    }
    func names(_ list: String) -> [String] {
      document[list]?.elements?.compactMap { $0["name"]?.text } ?? []
    }
    add([StoreFormat.manifestName], sealed.count)
    add([StoreFormat.chunkTableName], table.count)
    add(names("volumes"), volume.count)
    add(names("assets").map { "\(StoreFormat.assetFolder)/\($0)" }, asset.count)
    tree = ArchiveTree(displayName: "x.store", members: members)
  }

  private static func record(
    _ entry: JSONValue?, _ contents: [UInt8]
  ) -> [(Range<Int>?, String)] {
    [
      (entry?.range(of: "byte_count"), "\(contents.count)"),
      (entry?.range(of: "digest"), "\"\(Digest(of: contents))\""),
    ]
  }

  /// The manifest with the digest of itself, where it has one.
  private static func withDigest(_ manifest: [UInt8]) throws(CheckpointError) -> [UInt8] {
    let zeros = "sha256:" + String(repeating: "0", count: 64)
    guard let range = try JSONValue(parsing: manifest).range(of: "digest") else { return manifest }
    var cleared = manifest
    cleared.replaceSubrange(range, with: "\"\(zeros)\"".utf8)
    let digest = Digest(of: cleared)
    cleared.replaceSubrange(range.lowerBound..<range.lowerBound + 73, with: "\"\(digest)\"".utf8)
    return cleared
  }

  /// A reader of the same tensors whose chunks have the checksums of what is there.
  ///
  /// - Throws: what reading throws.
  public static func withChecksums(_ reader: StoreReader) throws(CheckpointError) -> StoreReader {
    var table: [[StoredChunk]] = []
    for (tensor, stored) in zip(reader.manifest.tensors, reader.tensors) {
      guard let volume = reader.volumes[tensor.volume ?? ""] else { continue }
      var chunks: [StoredChunk] = []
      for chunk in stored.chunks {
        let bytes = try volume.bytes(at: chunk.byteOffset, count: chunk.byteCount)
        chunks.append(
          StoredChunk(
            byteOffset: chunk.byteOffset, byteCount: chunk.byteCount, filterMask: chunk.filterMask,
            checksum: wb_fuzz_crc32(bytes, bytes.count)))
      }
      table.append(chunks)
    }
    return try StoreReader(reader.manifest, table, reader.volumes)
  }
}

/// A JSON text in which some values are replaced.
private struct JSONText {
  private let bytes: [UInt8]
  private var edits: [(Range<Int>, String)] = []

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func replace(_ values: [(Range<Int>?, String)]) {
    for (range, text) in values { if let range { edits.append((range, text)) } }
  }

  var edited: [UInt8] {
    var result = bytes
    for (range, text) in edits.sorted(by: { $0.0.lowerBound > $1.0.lowerBound }) {
      result.replaceSubrange(range, with: text.utf8)
    }
    return result
  }
}

extension JSONValue {
  fileprivate func range(of key: String) -> Range<Int>? {
    members?.first { $0.key == key }?.range
  }
}
