import CheckpointFormats
import TensorModel
import TestSupport
import Testing

/// How tensors are cut into chunks, against sums and loops that know nothing of axes.
@Suite struct ChunkGridTests {
  private static let target = ChunkGrid.targetByteCount

  /// Shapes around everything that decides: ranks, ones, rows and elements around the size of a chunk.
  private static let shapes: [Shape] =
    [
      [], [1], [7], [target], [target + 1], [10_000_000], [1, 1, 1, 1, 1, 1], [5, 1], [1, 5],
      [4096, 4096], [50400, 4096], [3, target], [3, target + 4], [1, 3, 700_000],
      [2, 2, 2, 2, 2, 2],
      [3, 1, 600_000, 1], [2, 3, 4, 100_000], [2, 1_100_000, 3], [1, 1, 5_000_000],
      [700_000, 1, 3],
      [5_000_000, 1, 1, 1], [2, 2, 2, 2, 2, 140_000], [1_048_577, 2], [524_289, 4],
      [7, 11, 13, 17],
    ] + random()

  private static func random() -> [Shape] {
    var random = FixedRandom(seed: 11)
    let extents = [1, 1, 2, 3, 5, 16, 100, 1023, 4097, 70_000, 1_500_000]
    return (0..<60).compactMap { _ in
      let dimensions = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        extents.randomElement(using: &random) ?? 1
      }
      let product = dimensions.reduce(1.0) { $0 * Double($1) }
      return product < 4e8 ? Shape(dimensions) : nil
    }
  }

  /// All dtypes of another size of element, and the packed ones.
  private static let types: [TensorType] = [DType.u8, .bf16, .f32, .f64, .c64, .f4, .f6e2m3]
    .flatMap { dtype in
      shapes.filter { dtype.byteCount(elementCount: $0.elementCount) != nil }.map {
        TensorType(dtype, $0)
      }
    }

  @Test func ownGridsCutTensorsIntoRunsOfTheirBytesInOrder() throws {
    for type in Self.types {
      try check(ChunkGrid(type), type)
      #expect(ChunkGrid(type).chunkByteCount <= Self.target, "\(type)")
    }
  }

  @Test func ownGridsHaveNoMoreChunksThanHalfFilledOnesWouldMake() {
    for type in Self.types {
      let grid = ChunkGrid(type)
      let byteCount = type.geometry.rows * type.geometry.rowByteCount
      if byteCount <= Self.target { #expect(grid.count == 1, "\(type)") }
      let isOfLongRows = grid.chunk.dropFirst().reduce(grid.elementByteCount, *) > Self.target / 2
      let most = 4 * (byteCount / Self.target + 1)
      // Several axes with places of more than half a chunk can't do better.
      if !isOfLongRows && grid.chunk.first != 1 { #expect(grid.count <= most, "\(type)") }
    }
  }

  @Test func ownGridsAreReadBackFromTheirChunks() throws {
    for type in Self.types where !type.datasetExtents.isEmpty {
      let own = ChunkGrid(type)
      let read = try ChunkGrid(type, chunk: own.chunk)
      #expect(read.count == own.count, "\(type)")
      #expect(read.chunkByteCount == own.chunkByteCount, "\(type)")
      for index in Set([0, own.count / 2, own.count - 1]) {
        #expect(read.byteRange(of: index) == own.byteRange(of: index), "\(type)")
        #expect(read.start(of: index) == own.start(of: index), "\(type)")
      }
    }
  }

  @Test func foreignGridsOfTheSameFormDoTheSame() throws {
    var random = FixedRandom(seed: 12)
    for _ in 0..<150 {
      let extents = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        Int.random(in: 1...6, using: &random)
      }
      let type = TensorType(
        [.u8, .bf16, .f32, .f64].randomElement(using: &random) ?? .u8, Shape(extents))
      let axis = Int.random(in: extents.indices, using: &random)
      let places = Int.random(in: 1...extents[axis], using: &random)
      let chunk = Array(repeating: 1, count: axis) + [places] + extents[(axis + 1)...]
      let grid = try ChunkGrid(type, chunk: chunk)
      try check(grid, type)
      try checkEveryElement(grid, type)
    }
  }

  @Test func emptyTensorsHaveNoChunks() {
    for shape: Shape in [[0], [0, 5], [5, 0], [0, 1 << 40], [1 << 40, 0], [3, 0, 3]] {
      let grid = ChunkGrid(TensorType(.f32, shape))
      #expect(grid.count == 0)
      #expect(grid.regions(TensorType(.f32, shape).geometry).isEmpty)
    }
  }

  /// Runs of bytes that follow each other, and the three ways of naming them.
  private func check(_ grid: ChunkGrid, _ type: TensorType) throws {
    let geometry = type.geometry
    let regions = grid.regions(geometry)
    var (end, isInverted, areRegionsRight, areStartsRight) = (
      0, true, regions.count == grid.count, true
    )
    for index in 0..<grid.count {
      let range = grid.byteRange(of: index)
      guard range.lowerBound == end, !range.isEmpty else {
        Issue.record("\(type): chunk \(index) of \(grid.chunk) has \(range)")
        return
      }
      for offset in [
        range.lowerBound, (range.lowerBound + range.upperBound) / 2, range.upperBound - 1,
      ] {
        isInverted = isInverted && grid.index(ofByte: offset) == index
      }
      areRegionsRight = areRegionsRight && bytes(of: regions[index], geometry) == range
      areStartsRight =
        areStartsRight
        && grid.start(of: index)
          == coordinates(of: range.lowerBound / grid.elementByteCount, grid.extents)
      end = range.upperBound
    }
    #expect(end == geometry.rows * geometry.rowByteCount, "\(type)")
    #expect(isInverted && areRegionsRight && areStartsRight, "\(type) \(grid.chunk)")
  }

  /// The run of bytes that a region is; nil if it isn't one within the tensor.
  private func bytes(of region: MatrixRegion, _ geometry: MatrixGeometry) -> Range<Int>? {
    guard region.rows.count == 1 || region.columns == 0..<geometry.columns,
      region.rows.upperBound <= geometry.rows, region.columns.upperBound <= geometry.columns
    else { return nil }
    let start =
      region.rows.lowerBound * geometry.rowByteCount
      + region.columns.lowerBound * geometry.cellByteCount
    return start..<start + region.cellCount * geometry.cellByteCount
  }

  /// Indices of the element of a number.
  private func coordinates(of element: Int, _ extents: [Int]) -> [Int] {
    var rest = element
    var coordinates = extents
    for axis in extents.indices.reversed() {
      coordinates[axis] = rest % extents[axis]
      rest /= extents[axis]
    }
    return coordinates
  }

  /// HDF5's own rule: an element is in the chunk whose indices are its own, divided by the chunk's extents.
  private func checkEveryElement(_ grid: ChunkGrid, _ type: TensorType) throws {
    for element in 0..<type.shape.elementCount {
      let place = coordinates(of: element, grid.extents)
      let start = zip(place, grid.chunk).map { $0 / $1 * $1 }
      let index = grid.index(ofByte: element * grid.elementByteCount)
      guard grid.start(of: index) == start else {
        Issue.record("\(type) \(grid.chunk): element \(place) in \(grid.start(of: index))")
        return
      }
    }
  }

  // MARK: What a manifest may say

  @Test(arguments: [
    ([4, 4], []), ([4, 4], [4]), ([4, 4], [1, 4, 1]), ([4, 4], [0, 4]), ([4, 4], [-1, 4]),
    ([4, 4], [5, 4]), ([4, 4], [2, 2]), ([4, 4], [4, 3]), ([4, 4, 4], [1, 2, 3]),
    ([4, 4, 4], [2, 1, 4]), ([], []), ([0], [1]), ([0, 4], [1, 4]), ([4], [Int.max]),
    ([4, 4], [Int.max, Int.max]), ([2, 4], [Int.min, 4]),
  ])
  func refusesChunksOfOtherForms(_ shape: [Int], _ chunk: [Int]) throws {
    let error = #expect(throws: CheckpointError.self) {
      try ChunkGrid(TensorType(.f32, Shape(shape)), chunk: chunk)
    }
    #expect(error?.code == .malformed)
  }

  @Test func refusesChunksThatAreTooLarge() throws {
    let type = TensorType(.f32, [1 << 10, 1 << 10])
    _ = try ChunkGrid(type, chunk: [1 << 10, 1 << 10])
    let error = #expect(throws: CheckpointError.self) {
      try ChunkGrid(TensorType(.f64, [1 << 10, 1 << 10]), chunk: [1 << 10, 1 << 10])
    }
    #expect(error?.code == .unsupported)
  }

  /// A chunk that ends within a block of packed elements is no region of the tensor.
  @Test(arguments: [(DType.f6e2m3, 7), (.f6e3m2, 1), (.f6e2m3, 23)])
  func refusesChunksThatCutBlocks(_ dtype: DType, _ byteCount: Int) throws {
    let type = TensorType(dtype, [32])
    _ = try ChunkGrid(type, chunk: [9])
    _ = try ChunkGrid(TensorType(.f4, [32]), chunk: [5])
    let error = #expect(throws: CheckpointError.self) { try ChunkGrid(type, chunk: [byteCount]) }
    #expect(error?.code == .malformed)
  }
}
