import CTensorKernels
import FileContainers
import Foundation
import HDF5Files
import TensorModel
import TestSupport
import Testing

@Suite struct VolumeTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func catalogue(_ name: String = "v.h5") throws -> HDF5Catalogue {
    try HDF5Catalogue(path: workspace.path(name))
  }

  /// A volume with one dataset that stays open.
  private func writeDataset(
    _ tensor: String, _ type: TensorType, _ encoding: HDF5Volume.Encoding? = nil
  ) throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    _ = try volume.create(tensor, type, encoding)
    try volume.close()
  }

  // MARK: Types and names

  @Test(arguments: DType.allCases) func listsEveryDTypeAsItWasWritten(_ dtype: DType) throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    var offsets: [Int?] = []
    // Extents that fill whole blocks of packed dtypes.
    let block = dtype.isBlockQuantized ? dtype.blockElementCount : 4
    let shapes = [[block], [0], [3, 0, block], [2, 1, 3, 1, block], [16, 25 * block]].map {
      Shape($0)
    }
    let scalars: [Shape] = dtype.blockElementCount == 1 ? [[]] : []
    for (index, shape) in (shapes + scalars).enumerated() {
      let dataset = try volume.create("t\(index)", type(dtype, shape))
      try volume.write(contents(type(dtype, shape)), in: dataset)
      offsets.append(try volume.byteOffset(of: dataset))
    }
    try volume.close()

    let found = try catalogue()
    #expect(found.problems == [])
    let file = [UInt8](try workspace.contents("v.h5"))
    for (index, shape) in (shapes + scalars).enumerated() {
      let dataset = try #require(found["t\(index)"])
      #expect(dataset.name == "t\(index)")
      #expect(dataset.dtype == dtype.rawValue)
      #expect(dataset.storedDTypes.contains(dtype.rawValue))
      #expect(dataset.shape == (dtype.blockElementCount > 1 ? shape.canonicalText : nil))
      #expect(dataset.extents == type(dtype, shape).datasetExtents)
      let bytes = contents(type(dtype, shape))
      #expect(dataset.layout == .contiguous(offset: offsets[index], byteCount: bytes.count))
      if let offset = offsets[index] {
        #expect(Array(file[offset..<offset + bytes.count]) == bytes)
      } else {
        #expect(bytes.isEmpty)
      }
    }
  }

  @Test func onlyBytesStandForSeveralDTypes() throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    for dtype in DType.allCases { _ = try volume.create(dtype.rawValue, type(dtype, [256])) }
    try volume.close()
    let bytes = Set<DType>([
      .bool, .u8, .f4, .f6e2m3, .f6e3m2, .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz,
    ]).union(DType.allCases.filter(\.isBlockQuantized))
    for dataset in try catalogue().datasets {
      let dtype = try #require(DType(rawValue: dataset.linkName))
      let expected = bytes.contains(dtype) ? DType.allCases.filter(bytes.contains) : [dtype]
      #expect(dataset.storedDTypes == expected.map(\.rawValue))
    }
  }

  @Test func keepsNamesOfEveryKind() throws {
    let names = [
      "", "\0", "\0\0", "a\0", "a\0b", "a/b", "/", "//", ".", "..", "./a", "%", "%2F", " ", "é",
      "e\u{301}",
      "🙂", "\u{10ffff}", "line\nfeed", String(repeating: "x", count: 32 << 10),
      String(repeating: "é", count: 16 << 10),
    ]
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    for name in names { _ = try volume.create(name, type(.u8, [1])) }
    try volume.close()
    let found = try catalogue()
    #expect(found.problems == [])
    #expect(
      Set(found.datasets.map { ExactName($0.name ?? "?") }) == Set(names.map { ExactName($0) }))
    for dataset in found.datasets {
      let link = HDF5Storage.linkName(for: try #require(dataset.name))
      #expect(link.utf8.elementsEqual(dataset.linkName.utf8))
    }
  }

  @Test func refusesNamesThatAreTooLong() throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    for name in [
      String(repeating: "x", count: 32 << 10 + 1), String(repeating: "/", count: 25_000),
    ] {
      let error = #expect(throws: CheckpointError.self) { try volume.create(name, type(.u8, [1])) }
      #expect(error?.code == .unsupported)
    }
    _ = try volume.create(String(repeating: "/", count: 20_000), type(.u8, [1]))
    try volume.close()
    #expect(try catalogue().problems == [])
  }

  // MARK: Bytes

  @Test func equalCallsGiveEqualBytes() throws {
    try writeSample(workspace.path("a.h5"))
    // Other contents of freed memory.
    var random = FixedRandom(seed: 2)
    let noise = (0..<200).map { random.bytes(1 << ($0 % 16)) }
    #expect(noise.count == 200)
    try writeSample(workspace.path("b.h5"))
    #expect(try workspace.contents("a.h5") == workspace.contents("b.h5"))
  }

  @Test func rawDataBeginsAtMultiplesOf64() throws {
    try writeSample(workspace.path("v.h5"))
    let found = try catalogue()
    #expect(found.problems == [])
    var ranges: [Range<Int>] = []
    for dataset in found.datasets {
      switch dataset.layout {
      case .contiguous(let offset, let byteCount):
        let offset = try #require(offset)
        ranges.append(offset..<offset + byteCount)
      case .chunked(_, _, let chunks):
        #expect(chunks.count == 4)
        ranges += chunks.map { $0.offset..<$0.offset + $0.storedByteCount }
      }
    }
    #expect(ranges.count == DType.allCases.count * 5)
    #expect(ranges.allSatisfy { $0.lowerBound % HDF5Volume.alignment == 0 })
    ranges.sort { $0.lowerBound < $1.lowerBound }
    for (one, next) in zip(ranges, ranges.dropFirst()) {
      #expect(one.upperBound <= next.lowerBound)
    }
  }

  @Test func contiguousBytesMayBeWrittenByOthers() throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    let shape = type(.f32, [1000])
    let datasets = try (0..<3).map { try volume.create("t\($0)", shape) }
    let file = try FileHandle(forUpdating: URL(filePath: workspace.path("v.h5")))
    for (index, dataset) in datasets.enumerated() where index != 1 {
      try file.seek(toOffset: UInt64(try #require(try volume.byteOffset(of: dataset))))
      try file.write(contentsOf: contents(shape, seed: UInt64(index)))
    }
    try volume.write(contents(shape, seed: 1), in: datasets[1])
    try volume.close()
    let bytes = [UInt8](try workspace.contents("v.h5"))
    for index in 0..<3 {
      guard case .contiguous(.some(let offset), 4000) = try catalogue()["t\(index)"]?.layout else {
        Issue.record("t\(index) is not there")
        continue
      }
      #expect(Array(bytes[offset..<offset + 4000]) == contents(shape, seed: UInt64(index)))
    }
  }

  @Test func chunksAreReadBackThroughTheCatalogue() throws {
    let shape: Shape = [5, 4]
    let source = contents(type(.f32, shape))
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    let dataset = try volume.create(
      "t", type(.f32, shape), HDF5Volume.Encoding(chunk: [2, 4], shuffles: true, level: 1))
    let encoder = try ZstdChunkEncoder(.level(1))
    var offsets: [Int] = []
    for row in [0, 2, 4] {
      // The last chunk has a row that isn't there.
      let chunk = Array((source + [UInt8](repeating: 0, count: 16))[row * 16..<(row + 2) * 16])
      var shuffled = [UInt8](repeating: 0, count: 32)
      wb_shuffle(chunk, &shuffled, 8, 4)
      var frame = [UInt8](repeating: 0, count: 100)
      let count = try shuffled.withUnsafeBytes { shuffled in
        try frame.withUnsafeMutableBytes { try encoder.encode(shuffled, into: $0) }
      }
      // The second one is stored as it is.
      offsets.append(
        row == 2
          ? try volume.writeChunk(at: [row, 0], chunk, skippedFilters: 3, in: dataset)
          : try volume.writeChunk(
            at: [row, 0], Array(frame.prefix(try #require(count))), in: dataset))
    }
    #expect(try volume.byteOffset(of: dataset) == nil)
    try volume.close()

    let file = [UInt8](try workspace.contents("v.h5"))
    guard case .chunked([2, 4], [2, 32015], let chunks) = try catalogue()["t"]?.layout else {
      Issue.record("not chunked as it was written")
      return
    }
    #expect(chunks.map(\.start) == [[0, 0], [2, 0], [4, 0]])
    #expect(chunks.map(\.offset) == offsets)
    #expect(chunks.map(\.skippedFilters) == [0, 3, 0])
    var restored: [UInt8] = []
    for chunk in chunks {
      let stored = Array(file[chunk.offset..<chunk.offset + chunk.storedByteCount])
      if chunk.skippedFilters == 3 {
        restored += stored
        continue
      }
      var shuffled = [UInt8](repeating: 0, count: 32)
      try stored.withUnsafeBytes { stored in
        try shuffled.withUnsafeMutableBytes { try ZstdChunkDecoder().decode(stored, into: $0) }
      }
      var bytes = [UInt8](repeating: 0, count: 32)
      wb_unshuffle(shuffled, &bytes, 8, 4)
      restored += bytes
    }
    #expect(Array(restored.prefix(80)) == source)
  }

  @Test func writesManyDatasetsQuickly() throws {
    let start = ContinuousClock.now
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    for index in 0..<2000 {
      let dataset = try volume.create("model.layers.\(index).weight", type(.bf16, [8, 2]))
      try volume.write(contents(type(.bf16, [8, 2])), in: dataset)
    }
    try volume.close()
    let found = try catalogue()
    #expect(found.datasets.count == 2000 && found.problems.isEmpty)
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  @Test func writesManyChunksQuickly() throws {
    let start = ContinuousClock.now
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    let dataset = try volume.create(
      "t", type(.u8, [20_000]), HDF5Volume.Encoding(chunk: [1], shuffles: false, level: 1))
    var previous = 0
    for index in 0..<20_000 {
      let offset = try volume.writeChunk(at: [index], [1, 2, 3], skippedFilters: 1, in: dataset)
      #expect(offset > previous && offset % 64 == 0)
      previous = offset
    }
    try volume.close()
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  @Test func volumesAreWrittenByThreadsAtOnce() async throws {
    let paths = (0..<4).map { workspace.path("\($0).h5") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for path in paths { group.addTask { try writeSample(path) } }
      try await group.waitForAll()
    }
    let first = try workspace.contents("0.h5")
    for index in 1..<4 { #expect(try workspace.contents("\(index).h5") == first) }
  }

  // MARK: Links

  @Test func oneFileLinksToTheDatasetsOfAllVolumes() throws {
    let links = (0..<100).map {
      (linkName: "t%2F\($0)", volume: "volume-\($0 % 3).h5", isDifference: false)
    }
    _ = try HDF5Volume.createLinks(workspace.path("links.h5"), links)
    _ = try HDF5Volume.createLinks(workspace.path("again.h5"), links)
    #expect(try workspace.contents("links.h5") == workspace.contents("again.h5"))
    let found = try catalogue("links.h5")
    // Volumes must not contain any.
    #expect(found.datasets == [])
    #expect(found.problems.count == 100)
    #expect(found.problems.first == "'t%2F0' is a soft, external or unknown link")
  }

  @Test func linksHaveRoomForTheLongestNames() throws {
    let name = String(repeating: "x", count: HDF5Storage.maximumLinkNameByteCount)
    let volume = String(repeating: "v", count: 250)
    _ = try HDF5Volume.createLinks(workspace.path("l.h5"), [(name, volume, false)])
    #expect(try catalogue("l.h5").problems.count == 1)
    let error = #expect(throws: CheckpointError.self) {
      _ = try HDF5Volume.createLinks(workspace.path("m.h5"), [(name + "x", volume, false)])
    }
    #expect(error?.code == .unsupported)
  }

  // MARK: Failures

  @Test func refusesAFileThatExists() throws {
    try workspace.write("v.h5", Data([1, 2, 3]))
    let error = #expect(throws: CheckpointError.self) {
      try HDF5Volume(creating: workspace.path("v.h5"))
    }
    #expect(error?.code == .conflict)
    #expect(try workspace.contents("v.h5") == Data([1, 2, 3]))
    let missing = #expect(throws: CheckpointError.self) {
      try HDF5Volume(creating: workspace.path("no/v.h5"))
    }
    #expect(missing?.code == .missing)
  }

  @Test func refusesTheSameLinkTwiceAndGoesOn() throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    _ = try volume.create("t", type(.u8, [1]))
    let error = #expect(throws: CheckpointError.self) { try volume.create("t", type(.u8, [1])) }
    #expect(error?.code == .inputOutput)
    #expect(error?.tensor == "t")
    _ = try volume.create("u", type(.u8, [1]))
    try volume.close()
    #expect(try catalogue().datasets.map(\.linkName) == ["t", "u"])
  }

  @Test func nothingIsPrintedOnAnyThread() async throws {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent, \.standardOutputContent]
    ) {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            usleep(10_000)
            _ = try? HDF5Catalogue(path: "/dev/null")
          }
        }
      }
    }
    let printed = try #require(result).standardErrorContent + (result?.standardOutputContent ?? [])
    #expect(!String(decoding: printed, as: UTF8.self).contains("HDF5-DIAG"))
  }

  @Test func closedVolumesRefuseEverything() throws {
    let volume = try HDF5Volume(creating: workspace.path("v.h5"))
    let dataset = try volume.create("t", type(.u8, [1]))
    try volume.close()
    try volume.close()
    #expect(throws: CheckpointError.self) { try volume.create("u", type(.u8, [1])) }
    #expect(throws: CheckpointError.self) { try volume.byteOffset(of: dataset) }
    #expect(throws: CheckpointError.self) { try volume.write([1], in: dataset) }
    #expect(try catalogue().datasets.count == 1)
  }

  @Test func volumesThatAreGivenUpLeaveNoFilesOpen() async {
    await #expect(processExitsWith: .success) {
      let workspace = try Workspace()
      for index in 0..<300 {
        let volume = try HDF5Volume(creating: workspace.path("\(index).h5"))
        let dataset = try volume.create("t", type(.u8, [100]))
        try volume.write(contents(type(.u8, [100])), in: dataset)
      }
      // A descriptor's number is the lowest that is free.
      let descriptor = open("/dev/null", O_RDONLY)
      try #require(descriptor < 100)
    }
  }

  @Test func aFullDiskIsToldAndLeavesNoFilesOpen() async {
    await #expect(processExitsWith: .success) {
      let workspace = try Workspace()
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
      #if os(Linux)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      #else
        setrlimit(RLIMIT_FSIZE, &limit)
      #endif
      for index in 0..<100 {
        let volume = try HDF5Volume(creating: workspace.path("\(index).h5"))
        let error = #expect(throws: CheckpointError.self) {
          if index.isMultiple(of: 2) {
            // The library's own pages don't fit at the end.
            _ = try volume.create("t", type(.u8, [1 << 21]))
            try volume.close()
          } else {
            let dataset = try volume.create("t", type(.u8, [1 << 21]))
            try volume.write(contents(type(.u8, [1 << 21])), in: dataset)
          }
        }
        try #require(error?.code == .noSpace)
        let again = #expect(throws: CheckpointError.self) { try volume.close() }
        try #require(again?.code == .noSpace)
      }
      let descriptor = open("/dev/null", O_RDONLY)
      try #require(descriptor < 50)
    }
  }
}
