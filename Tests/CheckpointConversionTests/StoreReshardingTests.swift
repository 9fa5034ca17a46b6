import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Stores from stores: other volumes, other compression, other dtypes.
@Suite struct StoreReshardingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let sample: SafetensorsSample = {
    var random = SampleRandom(seed: 5)
    let large = random.bytes(2_500_000)
    return SafetensorsSample(
      [
        SampleTensor("a", "I32", [700, 1000], Data(count: 100_000) + large + Data(count: 200_000)),
        SampleTensor("b", "F32", [40, 50], random.floats(2000)),
        SampleTensor("c", "F32", [3], random.floats(3)), SampleTensor("d", "F32", [0], Data()),
        SampleTensor("e", "F32", [3000], Data(count: 12_000)),
        SampleTensor("f", "U8", [5000], random.bytes(5000)),
      ], metadata: ["note": "kept"])
  }()

  /// Stored chunks of every tensor, as bytes with their filter masks.
  private func storedChunks(_ path: String) throws -> [String: [Data]] {
    let reader = try openStore(path)
    var chunks: [String: [Data]] = [:]
    for (position, tensor) in reader.tensors.enumerated() {
      chunks[reader.checkpoint.tensors[position].name] = try tensor.chunks.indices.map { index in
        let chunk = tensor.chunks[index]
        var data = Data(count: max(1, chunk.byteCount))
        try data.withUnsafeMutableBytes {
          if let base = $0.baseAddress { try reader.readStored(position, index, into: base) }
        }
        return data + [UInt8(chunk.filterMask)]
      }
    }
    return chunks
  }

  /// Everything but provenance.
  private func weights(_ folder: String) throws -> [String: Data] {
    try workspace.snapshot(of: folder).filter { $0.key.hasSuffix(".h5") || $0.key == "chunks.json" }
  }

  @Test(arguments: [ConversionPlan.Compression.zstd(level: 1), .zstd(level: nil), .uncompressed])
  func splittingAndMergingKeepsChunks(compression: ConversionPlan.Compression) throws {
    let source = try workspace.write("in.safetensors", Self.sample.fileContents)
    let first = try convertToStore(source, workspace.path("one.store"), compression)
    let chunks = try storedChunks(workspace.path("one.store"))
    for (name, sharding): (String, ConversionPlan.Sharding) in [
      ("max", .maximumByteCount(10_000)), ("three", .count(3)), ("each", .count(6)),
    ] {
      let split = try convert(workspace.path("one.store"), workspace.path("\(name).store")) {
        $0.format = nil
        $0.settings.sharding = sharding
      }
      #expect(split.certificate.format == "store")
      #expect(split.certificate.identities == first.certificate.identities)
      #expect(try storedChunks(workspace.path("\(name).store")) == chunks)
      #expect(try openStore(workspace.path("\(name).store")).volumes.count > 2)
      #expect(try verification(of: workspace.path("\(name).store")).findings.isEmpty)
      try convertToStore(workspace.path("\(name).store"), workspace.path("merged \(name)")) {
        $0.settings.sharding = ConversionPlan.Sharding.none
      }
      #expect(try weights("merged \(name)") == weights("one.store"), "\(name)")
    }
    let reader = try openStore(workspace.path("each.store"))
    #expect(reader.checkpoint.metadata == ["note": "kept"])
  }

  @Test func changingTheCompressionGivesWhatImportingWithItGives() throws {
    let source = try workspace.write("in.safetensors", Self.sample.fileContents)
    for compression in ConversionPlan.Compression.samples {
      try convertToStore(source, workspace.path("\(compression)"), compression)
    }
    for from in ConversionPlan.Compression.samples {
      for to in [ConversionPlan.Compression.zstd(level: nil), .uncompressed] where from != to {
        try convertToStore(workspace.path("\(from)"), workspace.path("changed"), to)
        #expect(try weights("changed") == weights("\(to)"), "\(from) to \(to)")
        try workspace.remove("changed")
      }
    }
  }

  /// Of an uncompressed store, some tensors are copied as they lie and others are cast.
  @Test(arguments: [ConversionPlan.Compression.uncompressed, .zstd(level: nil)])
  func castsSomeTensorsAndCopiesTheOthers(compression: ConversionPlan.Compression) throws {
    let source = try workspace.write("in.safetensors", Self.sample.fileContents)
    try convertToStore(source, workspace.path("a.store"), compression)
    let memory = EvaluationResources(memory: EvaluationResources.minimumMemory, threads: 1)
    for (name, resources) in [("b", smallResources), ("c", memory)] {
      try convert(
        workspace.path("a.store"), workspace.path(name), dtype: .bf16, resources: resources
      ) { $0.format = nil }
      #expect(try verification(of: workspace.path(name)).findings.isEmpty)
      let found = try contents(of: workspace.path(name))
      #expect(found["a"] == Self.sample["a"] && found["f"] == Self.sample["f"])
      #expect(found["b"]?.dtype == "BF16")
    }
  }

  @Test func givesTheSameForAnyStoreOfTheSameWeights() throws {
    let source = try workspace.write("in.safetensors", Self.sample.fileContents)
    try convertToStore(source, workspace.path("a")) { $0.settings.sharding = .count(3) }
    try convertToStore(source, workspace.path("b"), .uncompressed)
    for name in ["a", "b"] {
      try convert(workspace.path(name), workspace.path("\(name).safetensors"))
    }
    #expect(try workspace.contents("a.safetensors") == workspace.contents("b.safetensors"))
  }

  /// Filters that new stores don't use, as another program may write them.
  @Test(arguments: [[StoreManifest.Filter.shuffle], []])
  func encodesAnewWhatIsFilteredInAnotherWay(filters: [StoreManifest.Filter]) throws {
    var random = FixedRandom(seed: 6)
    let bytes = random.bytes(8000)
    try HandMadeStore([
      .init("x", TensorType(.bf16, [40, 100]), .chunked([7, 100], filters), bytes)
    ]).write(workspace)
    try convertToStore(workspace.path("made.store"), workspace.path("out"))
    let reader = try openStore(workspace.path("out"))
    #expect(try reader.contents(0) == bytes)
    guard case .chunked(_, let found) = reader.manifest.tensors[0].encoding else {
      Issue.record("not chunked")
      return
    }
    #expect(found == [.shuffle, .zstd])
  }

  /// A store of ours may be cut in another way by a later version.
  @Test func keepsChunksOfOtherExtents() throws {
    let bytes = (0..<8000).map { UInt8($0 / 100) }
    let encoding = StoreManifest.Encoding.chunked([7, 100], [.shuffle, .zstd])
    try HandMadeStore([
      .init("x", TensorType(.bf16, [40, 100]), encoding, bytes),
      .init("y", TensorType(.f6e2m3, [400]), .chunked([99], [.zstd]), Array(bytes.prefix(300))),
    ]).write(workspace)
    try convertToStore(workspace.path("made.store"), workspace.path("out"))
    let reader = try openStore(workspace.path("out"))
    #expect(reader.manifest.tensors.map(\.encoding) == [encoding, .chunked([99], [.zstd])])
    #expect(try storedChunks(workspace.path("out")) == storedChunks(workspace.path("made.store")))
    #expect(try verification(of: workspace.path("out")).findings.isEmpty)
  }
}
