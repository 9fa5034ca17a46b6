import FileContainers
import TensorModel

/// The files of an update, as they are without its base: a compressed change for each tensor, and the checksum of what comes of it.
struct WeightDeltaFiles {
  /// The files, the index first.
  private(set) var files: [Checkpoint.SourceFile]
  /// What changed, file by file.
  private(set) var changes: [Change] = []

  /// A tensor that changed.
  struct Change {
    let name: String
    let file: String
    let frame: FileRegion
    /// Of its new bytes, in hexadecimal digits.
    let checksum: String
  }

  /// Looks at the files that an index names.
  ///
  /// - Throws: `malformed` for files that tell no such update, `missing`.
  init(
    _ index: WeightDeltaIndex, indexByteCount: Int, in tree: any FileTree
  ) throws(CheckpointError) {
    files = [.init(name: WeightDeltaFormat.indexName, byteCount: indexByteCount)]
    var seen: Set<ExactName> = []
    let named = Set(index.files.values)
    for file in named.sorted() {
      guard tree.containsFile(file) else {
        throw CheckpointError(
          .missing, "a file that the index names is not there", file: file,
          found: tree.obstacle(file), hint: "get the whole update again")
      }
      let region = try tree.region(file)
      files.append(.init(name: file, byteCount: region.byteCount))
      do throws(CheckpointError) {
        let header = try SafetensorsHeader(region)
        for entry in header.entries {
          let change = try Self.change(entry, header, region, file, index)
          seen.insert(ExactName(change.name))
          changes.append(change)
        }
      } catch { throw error.in(file: file) }
    }
    // Files in which nothing changed hold no tensor, and none names them.
    for file in try tree.children(of: "").sorted()
    where file.hasSuffix(".safetensors") && !named.contains(file) {
      let region = try tree.region(file)
      let header = try ifUsable { () throws(CheckpointError) in try SafetensorsHeader(region) }
      guard header?.entries.isEmpty == true else { continue }
      files.append(.init(name: file, byteCount: region.byteCount))
    }
    if let lost = index.files.keys.sorted().first(where: { !seen.contains($0) }) {
      throw CheckpointError(
        .missing, "no file has the tensor that the index names",
        file: WeightDeltaFormat.indexName, tensor: lost.text, hint: "get the whole update again")
    }
  }

  private static func change(
    _ entry: SafetensorsHeader.Entry, _ header: SafetensorsHeader, _ region: FileRegion,
    _ file: String, _ index: WeightDeltaIndex
  ) throws(CheckpointError) -> Change {
    do throws(CheckpointError) {
      guard index.files[ExactName(entry.name)] == file else {
        throw CheckpointError(.malformed, "the index doesn't place it in this file")
      }
      guard entry.dtype == .u8, entry.shape.rank == 1 else {
        throw CheckpointError(
          .malformed, "not a compressed update", expected: "a U8 vector",
          found: "\(entry.dtype.rawValue) \(entry.shape)")
      }
      guard let checksum = header.metadata[ExactName(entry.name)],
        let frame = region.part(
          at: header.dataOffset + entry.range.lowerBound, count: entry.range.count)
      else {
        throw CheckpointError(.malformed, "the file has no checksum of its new bytes")
      }
      return Change(name: entry.name, file: file, frame: frame, checksum: checksum)
    } catch { throw error.in(tensor: entry.name) }
  }
}
