import FileContainers
import TensorModel

/// A weight of an HDF5 file, checked against the file: every byte of it is there.
struct StoredDataset {
  let type: TensorType
  let isBigEndian: Bool
  let storage: Storage

  /// Where the bytes are.
  enum Storage {
    case contiguous(FileRegion)
    case chunked(Chunks)
  }

  /// Chunks and what they lie in.
  struct Chunks {
    let file: FileRegion
    let boxes: ChunkBoxes
    let filters: ChunkFilters
    let chunks: [DatasetCatalogue.Chunk]
  }

  /// Checks what a catalogue says of a weight.
  ///
  /// - Parameters:
  ///   - dataset: from a catalogue that isn't trusted.
  ///   - file: from HDF5's signature on.
  /// - Throws: `malformed` for what can't be in the file, `unsupported` for what isn't read.
  init(_ dataset: DatasetCatalogue.Dataset, in file: FileRegion) throws(CheckpointError) {
    type = TensorType(dataset.dtype, dataset.shape)
    isBigEndian = dataset.isBigEndian
    guard let byteCount = dataset.dtype.byteCount(elementCount: dataset.shape.elementCount) else {
      throw CheckpointError(.malformed, "a weight of impossible size", found: "\(dataset.shape)")
    }
    switch dataset.storage {
    case .contiguous(let offset):
      guard let region = file.part(at: byteCount == 0 ? 0 : offset, count: byteCount) else {
        throw Self.outside(offset, byteCount, file)
      }
      storage = .contiguous(region)
    case .chunked(let extents, let filters, let chunks):
      let boxes = try ChunkBoxes(type, chunk: extents)
      let checked = try ChunkFilters(
        filters, elementByteCount: dataset.dtype.blockByteCount,
        chunkByteCount: boxes.chunkByteCount)
      guard chunks.count == boxes.count else {
        throw CheckpointError(
          .malformed, "a weight without all of its chunks", expected: "\(boxes.count)",
          found: "\(chunks.count)")
      }
      for chunk in chunks {
        guard checked.allows(chunk) else {
          throw CheckpointError(
            .malformed, "a chunk of impossible size", byteOffset: chunk.offset,
            expected: "about \(boxes.chunkByteCount) bytes at most", found: "\(chunk.byteCount)")
        }
        guard file.part(at: chunk.offset, count: chunk.byteCount) != nil else {
          throw Self.outside(chunk.offset, chunk.byteCount, file)
        }
      }
      storage = .chunked(Chunks(file: file, boxes: boxes, filters: checked, chunks: chunks))
    }
  }

  private static func outside(_ offset: Int, _ count: Int, _ file: FileRegion) -> CheckpointError {
    CheckpointError(
      .malformed, "a weight's bytes are not in the file", byteOffset: offset,
      expected: "\(count) bytes within \(file.byteCount)",
      hint: "the file was cut short or changed: get it again")
  }

  /// The bytes that it takes in the file.
  var ranges: [Range<Int>] {
    switch storage {
    case .contiguous(let region): [region.offset..<region.offset + region.byteCount]
    case .chunked(let chunks):
      chunks.chunks.map {
        chunks.file.offset + $0.offset..<chunks.file.offset + $0.offset + $0.byteCount
      }
    }
  }

  /// Throws if bytes belong to two weights: a small file could stand for any size then.
  static func checkAreApart(
    _ datasets: [(name: String, dataset: StoredDataset)]
  ) throws(CheckpointError) {
    var all: [(range: Range<Int>, owner: Int)] = []
    for (owner, one) in datasets.enumerated() {
      all += one.dataset.ranges.filter { !$0.isEmpty }.map { ($0, owner) }
    }
    all.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (one, next) in zip(all, all.dropFirst()) where one.range.upperBound > next.range.lowerBound
    {
      throw CheckpointError(
        .malformed, "a weight lies where another one, or its own other part, does",
        tensor: datasets[next.owner].name, byteOffset: next.range.lowerBound,
        found: "also '\(datasets[one.owner].name)'",
        hint: "HDF5's hard links are not read: copy the file with h5py, or get it again")
    }
  }
}
