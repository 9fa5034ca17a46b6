public import TensorModel

/// How a tensor of a store is cut into chunks: runs of its bytes, each of whole rows of some axis.
///
/// A chunk's extents are `[1, …, 1, k, n, …]`: `k` places along one axis, everything along the axes after it. So chunks follow each other as the
/// tensor's bytes do. The last chunk along the axis may reach beyond the tensor; what is beyond is zero, as HDF5 stores it.
public struct ChunkGrid: Hashable, Sendable {
  /// What chunks have at most, where a tensor's rows allow it.
  public static let targetByteCount = 2 << 20
  /// What a chunk of somebody else's may have: a few of them are in memory at a time, whatever the file's size.
  static let maximumChunkByteCount = 4 << 20

  /// The extents of the dataset: those of the tensor, or for packed dtypes the number of bytes.
  public let extents: [Int]
  /// The extents of a chunk.
  public let chunk: [Int]
  /// Bytes of one element of the dataset.
  public let elementByteCount: Int
  /// The axis along which a chunk has some places.
  private let axis: Int
  /// Bytes of one place along the axis.
  private let placeByteCount: Int
  /// The number of runs of places: the product of the extents before the axis.
  private let runCount: Int

  /// The grid that new stores have for a tensor.
  public init(_ type: TensorType) {
    let extents = type.datasetExtents
    let elementByteCount = type.datasetElementByteCount
    var axis = 0
    var place = extents.dropFirst().reduce(elementByteCount, *)
    while place > Self.targetByteCount && axis + 1 < extents.count {
      axis += 1
      place = extents.dropFirst(axis + 1).reduce(elementByteCount, *)
    }
    let count = extents.isEmpty ? 1 : extents[axis]
    // Packed dtypes are cut between blocks.
    let unit = type.dtype.blockElementCount > 1 ? type.dtype.blockByteCount : 1
    let most = max(unit, Self.targetByteCount / max(place, 1) / unit * unit)
    // As many chunks as are needed, of about the same size.
    let chunkCount = max(1, (count + most - 1) / most)
    let even = (count + chunkCount - 1) / chunkCount
    let places = max(1, min((even + unit - 1) / unit * unit, max(count, 1)))
    let chunk =
      extents.isEmpty
      ? [] : Array(repeating: 1, count: axis) + [places] + extents.dropFirst(axis + 1)
    self.init(extents, chunk, elementByteCount, axis: axis)
  }

  /// The grid that a manifest describes.
  ///
  /// - Throws: `malformed` for chunks of another form, `unsupported` for large ones.
  public init(_ type: TensorType, chunk: [Int]) throws(CheckpointError) {
    let extents = type.datasetExtents
    let axis = min(chunk.prefix { $0 == 1 }.count, max(0, chunk.count - 1))
    // Packed dtypes are cut between blocks.
    let unit = type.dtype.blockElementCount > 1 ? type.dtype.blockByteCount : 1
    // A run of ones may stand for an axis of which a chunk has one place, or for axes of extent 1.
    guard chunk.count == extents.count, !chunk.isEmpty, type.shape.elementCount > 0,
      zip(chunk, extents).allSatisfy({ $0 > 0 && $0 <= $1 }), chunk[axis] % unit == 0,
      chunk.dropFirst(axis + 1).elementsEqual(extents.dropFirst(axis + 1))
    else {
      throw CheckpointError(
        .malformed, "chunks of a form that stores don't have", found: "\(chunk) of \(extents)")
    }
    self.init(extents, chunk, type.datasetElementByteCount, axis: axis)
    guard chunkByteCount <= Self.maximumChunkByteCount else {
      throw CheckpointError(
        .unsupported, "chunks are too large",
        expected: "at most \(Self.maximumChunkByteCount) bytes",
        found: "\(chunkByteCount)")
    }
  }

  private init(_ extents: [Int], _ chunk: [Int], _ elementByteCount: Int, axis: Int) {
    self.extents = extents
    self.chunk = chunk
    self.elementByteCount = elementByteCount
    self.axis = axis
    placeByteCount = extents.dropFirst(axis + 1).reduce(elementByteCount, *)
    runCount = extents.prefix(axis).reduce(1, *)
  }

  private var placeCount: Int { extents.isEmpty ? 1 : extents[axis] }
  private var placesPerChunk: Int { chunk.isEmpty ? 1 : chunk[axis] }
  private var chunksPerRun: Int { (placeCount + placesPerChunk - 1) / placesPerChunk }

  /// The number of chunks.
  public var count: Int {
    extents.contains(0) ? 0 : runCount * chunksPerRun
  }

  /// Bytes of a whole chunk, also of one that reaches beyond the tensor.
  public var chunkByteCount: Int { placesPerChunk * placeByteCount }

  /// The bytes of the tensor that a chunk holds.
  public func byteRange(of index: Int) -> Range<Int> {
    let (run, number) = index.quotientAndRemainder(dividingBy: chunksPerRun)
    let first = run * placeCount + number * placesPerChunk
    let end = run * placeCount + min(placeCount, (number + 1) * placesPerChunk)
    return first * placeByteCount..<end * placeByteCount
  }

  /// The chunk that holds a byte of the tensor.
  public func index(ofByte offset: Int) -> Int {
    let (run, place) = (offset / placeByteCount).quotientAndRemainder(dividingBy: placeCount)
    return run * chunksPerRun + place / placesPerChunk
  }

  /// The indices of a chunk's first element.
  public func start(of index: Int) -> [Int] {
    var (rest, number) = index.quotientAndRemainder(dividingBy: chunksPerRun)
    var start = [Int](repeating: 0, count: extents.count)
    if !extents.isEmpty { start[axis] = number * placesPerChunk }
    for outer in (0..<axis).reversed() {
      start[outer] = rest % extents[outer]
      rest /= extents[outer]
    }
    return start
  }

  /// The chunks as regions of the tensor, in order.
  public func regions(_ geometry: MatrixGeometry) -> [MatrixRegion] {
    (0..<count).map { index in
      let bytes = byteRange(of: index)
      let row = bytes.lowerBound / geometry.rowByteCount
      if bytes.lowerBound % geometry.rowByteCount == 0
        && bytes.upperBound % geometry.rowByteCount == 0
      {
        return MatrixRegion(
          rows: row..<bytes.upperBound / geometry.rowByteCount, columns: 0..<geometry.columns)
      }
      let start = row * geometry.rowByteCount
      return MatrixRegion(
        rows: row..<row + 1,
        columns: (bytes.lowerBound - start)
          / geometry.cellByteCount..<(bytes.upperBound - start) / geometry.cellByteCount)
    }
  }
}
