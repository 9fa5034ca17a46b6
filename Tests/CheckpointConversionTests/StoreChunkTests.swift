import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Tensors of several chunks, in any memory and with any number of threads.
@Suite struct StoreChunkTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Tensors that are cut along their first, second and third axis, with edges, and one whose chunks don't shrink.
  private static let sample: SafetensorsSample = {
    var random = SampleRandom(seed: 7)
    let noise = random.bytes(300_000)
    func data(_ count: Int, zeros: Int) -> Data {
      var data = Data(capacity: count + 600_000)
      while data.count < count { data += noise + Data(count: zeros) }
      return data.prefix(count)
    }
    return SafetensorsSample([
      SampleTensor("first", "F32", [1000, 601], data(2_404_000, zeros: 300_000)),
      SampleTensor("noise", "U8", [1400, 1500], data(2_100_000, zeros: 0)),
      SampleTensor("second", "BF16", [1, 550_001, 2], data(2_200_004, zeros: 200_000)),
      SampleTensor("small", "F32", [3], data(12, zeros: 0)),
      SampleTensor("third", "BF16", [1, 1, 1_100_003], data(2_200_006, zeros: 100_000)),
    ])
  }()

  private func source() throws -> String {
    try workspace.write("in.safetensors", Self.sample.fileContents)
  }

  @Test func areCutAlongTheFirstAxisWhoseRowsFit() throws {
    try convertToStore(source(), workspace.path("out"))
    let reader = try openStore(workspace.path("out"))
    var chunks: [String: [Int]] = [:]
    var counts: [String: Int] = [:]
    for (tensor, stored) in zip(reader.manifest.tensors, reader.tensors) {
      guard case .chunked(let chunk, let filters) = tensor.encoding else { continue }
      chunks[tensor.name] = chunk
      counts[tensor.name] = stored.chunks.count
      #expect(filters == (tensor.name == "noise" ? [.zstd] : [.shuffle, .zstd]))
    }
    #expect(
      chunks == [
        "first": [500, 601], "noise": [700, 1500], "second": [1, 275_001, 2],
        "third": [1, 1, 550_002],
      ])
    #expect(counts == ["first": 2, "noise": 2, "second": 2, "third": 2])
    #expect(try contents(of: workspace.path("out")) == Self.sample.byName)
    #expect(try verification(of: workspace.path("out")).findings.isEmpty)
  }

  @Test func areStoredAsTheyAreWhereTheyDoNotShrink() throws {
    try convertToStore(source(), workspace.path("out"))
    let reader = try openStore(workspace.path("out"))
    for (position, tensor) in reader.tensors.enumerated() {
      let isNoise = reader.checkpoint.tensors[position].name == "noise"
      guard reader.manifest.tensors[position].encoding != .contiguous else { continue }
      for chunk in tensor.chunks {
        #expect(chunk.filterMask == (isNoise ? 1 : 0))
        #expect((chunk.byteCount == tensor.grid.chunkByteCount) == isNoise)
      }
    }
  }

  @Test(arguments: [ConversionPlan.Compression.zstd(level: nil), .uncompressed])
  func areTheSameForAnyMemoryAndThreads(compression: ConversionPlan.Compression) throws {
    let source = try source()
    let least = EvaluationResources.minimumMemory
    var first: [String: Data]?
    for (number, (memory, threads)) in [
      (1_000_000_000, 1), (1_000_000_000, 5), (least, 1), (10 * least, 5), (4 * least, 2),
    ].enumerated() {
      let name = "out\(number)"
      try convertToStore(
        source, workspace.path(name), compression,
        resources: EvaluationResources(memory: memory, threads: threads)
      ) { $0.settings.sharding = .count(2) }
      let files = try workspace.snapshot(of: name)
      #expect(files.count == 6 && files["store.json"] != nil)
      #expect((first ?? files) == files, "\(memory) bytes, \(threads) threads")
      first = first ?? files
      try workspace.remove(name)
    }
  }

  @Test func areReadBackInLittleMemory() throws {
    try convertToStore(source(), workspace.path("a.store"))
    let least = EvaluationResources(memory: EvaluationResources.minimumMemory, threads: 1)
    try convert(workspace.path("a.store"), workspace.path("b.safetensors"), resources: least)
    #expect(
      try SafetensorsSample(parsing: workspace.contents("b.safetensors")).byName
        == Self.sample.byName)
    try convert(
      workspace.path("a.store"), workspace.path("c.safetensors"), dtype: .f16, resources: least
    ) { $0.settings.allowOverflow = true }
    try convert(workspace.path("in.safetensors"), workspace.path("d.safetensors"), dtype: .f16) {
      $0.settings.allowOverflow = true
    }
    #expect(try workspace.contents("c.safetensors") == workspace.contents("d.safetensors"))
  }

  @Test func giveAnyRegion() throws {
    try convertToStore(source(), workspace.path("out"))
    let reader = try Source(workspace.path("out")).reader
    let plain = try Source(workspace.path("in.safetensors")).reader
    var random = FixedRandom(seed: 8)
    for (position, tensor) in reader.checkpoint.tensors.enumerated() {
      let other = try #require(plain.checkpoint.position(of: tensor.name))
      let geometry = TensorType(tensor.dtype, tensor.shape).geometry
      for _ in 0..<8 {
        let row = Int.random(in: 0..<geometry.rows, using: &random)
        let column = Int.random(in: 0..<geometry.columns, using: &random)
        let region = MatrixRegion(
          rows: row..<min(geometry.rows, row + Int.random(in: 1...20, using: &random)),
          columns: column..<Int.random(in: column + 1...geometry.columns, using: &random))
        let found = try reader.contents(position, region)
        #expect(try found == plain.contents(other, region), "\(tensor.name) \(region)")
      }
    }
  }

  @Test func thousandsOfTensorsAreWrittenVerifiedAndRead() throws {
    let count = TestEffort.isExhaustive ? 10_000 : 1_000
    let sample = SafetensorsSample(
      (0..<count).map { SampleTensor("layer.\($0).bias", "U8", [2], Data([UInt8($0 & 255), 1])) })
    let source = try workspace.write("in.safetensors", sample.fileContents)
    let outcome = try convertToStore(source, workspace.path("many.store"))
    let report = try verification(of: workspace.path("many.store"))
    #expect(report.findings.isEmpty && report.tensorCount == count)
    #expect(report.root == outcome.certificate.root)
    try convert(workspace.path("many.store"), workspace.path("back.safetensors"))
    let back = try Source(workspace.path("back.safetensors")).reader
    let last = try #require(back.checkpoint.position(of: "layer.\(count - 1).bias"))
    #expect(try back.contents(last) == [UInt8((count - 1) & 255), 1])
    #expect(back.checkpoint.tensors.count == count)
  }
}
