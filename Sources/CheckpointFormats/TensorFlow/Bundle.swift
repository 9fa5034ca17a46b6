// A TensorFlow V2 checkpoint, or tensor bundle (tensorflow/core/util/tensor_bundle/tensor_bundle.cc):
//
// 1. PREFIX.index: a table (`SortedTable`) of a header and an entry for each variable (`BundleEntry`)
// 2. PREFIX.data-00000-of-00002, …: the bytes of the variables, each where its entry says
// 3. a partitioned variable has an entry that lists its slices; each slice's bytes have an entry of their own (`SliceKey`)
//
// TensorFlow doesn't notice two entries for the same bytes, a key twice, or a missing header. Here these are refused.

import FileContainers
import TensorModel

/// The variables of a bundle and where their bytes are.
struct Bundle {
  /// A variable.
  struct Variable {
    let info: TensorInfo
    let bytes: any RandomAccessBytes
  }

  /// In the order of the index, which is that of the names' bytes.
  private(set) var variables: [Variable] = []
  /// The index and the data files.
  private(set) var files: [Checkpoint.SourceFile]
  /// Bytes of texts that describe a program's objects, which are no weights.
  private(set) var findings: [Finding] = []
  /// The number of data files.
  var shardCount: Int { files.count - 1 }

  private let indexName: String
  private var regions: [FileRegion] = []
  /// What each entry has of the data files.
  private var runs: [Run] = []

  private struct Run {
    let shard: Int
    let range: Range<Int>
    let name: String
  }

  private static let maximumIndexByteCount = 64 << 20
  /// The names of TensorFlow 2's objects, as a text.
  private static let objectGraph = "_CHECKPOINTABLE_OBJECT_GRAPH"

  /// Opens a bundle.
  ///
  /// - Parameters:
  ///   - prefix: its name, without `.index`.
  ///   - tree: where its files lie.
  /// - Throws: `missing` for a file that isn't there; `malformed`, `corrupt`, `unsupported` with file and variable.
  init(_ prefix: String, in tree: any FileTree) throws(CheckpointError) {
    indexName = prefix + TensorFlowFormat.indexEnding
    files = [.init(name: indexName, byteCount: try tree.region(indexName).byteCount)]
    let index = try BundleIndex(
      tree.contents(of: indexName, limit: Self.maximumIndexByteCount), fileName: indexName)
    for shard in 0..<index.header.shardCount {
      let name = Self.dataFile(prefix, shard, index.header.shardCount)
      guard tree.containsFile(name) else {
        throw CheckpointError(
          .missing, "a data file of the checkpoint is missing", file: name,
          expected: counted(index.header.shardCount, "data file"),
          hint: "the download is incomplete: all data files of one checkpoint belong together")
      }
      regions.append(try tree.region(name))
      files.append(.init(name: name, byteCount: regions[shard].byteCount))
    }
    variables.reserveCapacity(index.entries.count)
    for (name, entry) in index.entries {
      do throws(CheckpointError) {
        if entry.dtypeNumber == BundleEntry.stringNumber, name == Self.objectGraph {
          _ = try region(of: entry, name)
          findings.append(
            Finding(
              .note, "object-graph",
              "left out: the text that names TensorFlow 2's objects; variables keep the names that the index has for them",
              file: indexName, tensor: name))
        } else {
          variables.append(try variable(name, entry, index))
        }
      } catch { throw error.in(file: indexName, tensor: name) }
    }
    try checkOverlaps()
  }

  /// The name of a data file.
  static func dataFile(_ prefix: String, _ shard: Int, _ count: Int) -> String {
    func padded(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return "\(prefix).data-\(padded(shard))-of-\(padded(count))"
  }

  // MARK: Variables

  private mutating func variable(
    _ name: String, _ entry: BundleEntry, _ index: BundleIndex
  ) throws(CheckpointError) -> Variable {
    let dtype = try entry.dtype
    var bytes: any RandomAccessBytes
    var file: String
    if entry.slices.isEmpty {
      let stored = try stored(entry, dtype, name)
      (bytes, file) = (stored, stored.file)
    } else {
      var slices: [(extents: [Range<Int>], bytes: StoredBytes)] = []
      for extents in entry.slices {
        guard let slice = index.slices[SliceKey.bytes(name, extents)] else {
          throw CheckpointError(
            .malformed, "a slice of the variable has no entry", expected: "\(entry.slices.count)")
        }
        let ranges = zip(extents, entry.shape.dimensions).map { extent, size in
          extent.start..<extent.start + (extent.length ?? size)
        }
        guard slice.dtypeNumber == entry.dtypeNumber, slice.slices.isEmpty,
          slice.shape.dimensions == ranges.map(\.count)
        else {
          throw CheckpointError(
            .malformed, "a slice whose entry has another dtype or shape",
            expected: "\(ranges.map(\.count))", found: "\(slice.shape)")
        }
        slices.append((ranges, try stored(slice, dtype, name)))
      }
      guard entry.byteCount == 0, let first = slices.first else {
        throw CheckpointError(.malformed, "a variable has slices and bytes of its own")
      }
      bytes = try PartitionedBytes(slices, entry.shape, itemByteCount: dtype.blockByteCount)
      file = first.bytes.file
    }
    return Variable(
      info: try TensorInfo(
        name: name, dtype: dtype, shape: entry.shape, file: file,
        role: VariableNames.role(of: name, among: index.names)), bytes: bytes)
  }

  /// The bytes of an entry, as many as its shape and dtype need.
  private mutating func stored(
    _ entry: BundleEntry, _ dtype: DType, _ name: String
  ) throws(CheckpointError) -> StoredBytes {
    guard let count = dtype.byteCount(elementCount: entry.shape.elementCount),
      count == entry.byteCount
    else {
      throw CheckpointError(
        .malformed, "the size doesn't fit shape and dtype",
        expected: "\(dtype.rawValue) \(entry.shape)", found: "\(entry.byteCount) bytes")
    }
    let region = try region(of: entry, name)
    return StoredBytes(
      file: files[entry.shard + 1].name, ChecksummedRegion(region, crc32c: entry.crc32c))
  }

  private mutating func region(
    of entry: BundleEntry, _ name: String
  ) throws(CheckpointError) -> FileRegion {
    guard regions.indices.contains(entry.shard) else {
      throw CheckpointError(
        .malformed, "a data file that the checkpoint doesn't have",
        expected: "less than \(regions.count)", found: "data file \(entry.shard)")
    }
    guard let region = regions[entry.shard].part(at: entry.offset, count: entry.byteCount) else {
      throw CheckpointError(
        .malformed, "the variable's bytes end beyond the data file",
        file: files[entry.shard + 1].name, byteOffset: entry.offset,
        expected: counted(entry.byteCount, "byte"),
        found: "\(max(0, regions[entry.shard].byteCount - entry.offset))",
        hint: "the file was cut short: get it again")
    }
    if entry.byteCount > 0 {
      runs.append(
        Run(
          shard: entry.shard, range: entry.offset..<entry.offset + entry.byteCount, name: name))
    }
    return region
  }

  /// No byte belongs to two entries.
  private mutating func checkOverlaps() throws(CheckpointError) {
    runs.sort { ($0.shard, $0.range.lowerBound) < ($1.shard, $1.range.lowerBound) }
    for (run, next) in zip(runs, runs.dropFirst())
    where run.shard == next.shard && run.range.upperBound > next.range.lowerBound {
      throw CheckpointError(
        .malformed, "two variables lie in the same bytes", file: files[run.shard + 1].name,
        tensor: next.name, byteOffset: next.range.lowerBound, found: "'\(run.name)' there as well",
        hint: "TensorFlow doesn't write such files: don't trust this one")
    }
    runs = []
  }
}
