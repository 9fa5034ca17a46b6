import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Damage to a store: found by `verify`, and never turned into wrong tensors.
@Suite struct StoreIntegrityTests {
  private let workspace: Workspace
  private let path: String

  private static let sample = SafetensorsSample(
    [
      SampleTensor("chunked", "F32", [32, 40], Data((0..<5120).map { UInt8($0 / 640) })),
      SampleTensor("other", "BF16", [50, 50], Data(count: 5000)),
      SampleTensor("plain", "F32", [5], Data(0..<20)),
    ], metadata: ["a": "b"])

  /// A store of two volumes, with assets.
  init() throws {
    workspace = try Workspace()
    path = workspace.path("a.store")
    try workspace.write("in/model.safetensors", Self.sample.fileContents)
    try workspace.write("in/config.json", Data("{}".utf8))
    try workspace.write("in/LICENSE", Data("all".utf8))
    try convertToStore(workspace.path("in"), path) { $0.settings.sharding = .count(2) }
  }

  private static let single = EvaluationResources(memory: 1_000_000, threads: 1)

  private static let files = [
    "assets/LICENSE", "assets/config.json", "chunks.json", "store.json", "weights-00001.h5",
    "weights-00002.h5", "weights.h5", "weighbridge-certificate.json",
  ]

  // MARK: Bits

  @Test(arguments: files)
  func anyFlippedBitIsFoundAndHarmless(file: String) throws {
    let original = try workspace.contents("a.store/\(file)")
    for place in stride(from: 0, to: original.count * 8, by: TestEffort.step(777)) {
      var flipped = original
      flipped[place / 8] ^= 1 << (place % 8)
      try workspace.write("a.store/\(file)", flipped)
      let report = try verification(of: path, resources: Self.single)
      #expect(report.hasFindings(.error), "bit \(place)")
      if let found = try? contents(of: path) {
        #expect(found == Self.sample.byName, "bit \(place)")
      }
      let error = failure(
        of: request(path, workspace.path("out.safetensors"), resources: Self.single) {
          $0.force = true
        })
      if error == nil {
        let back = try SafetensorsSample(parsing: workspace.contents("out.safetensors"))
        #expect(back.byName == Self.sample.byName, "bit \(place)")
      }
    }
  }

  @Test func namesTensorAndChunkOfEveryFlippedStoredByte() throws {
    let reader = try openStore(path)
    for (position, tensor) in reader.tensors.enumerated() {
      let info = reader.checkpoint.tensors[position]
      for (index, chunk) in tensor.chunks.enumerated() {
        try workspace.edit("a.store/\(info.file)") {
          $0[chunk.byteOffset + chunk.byteCount - 1] ^= 1
        }
        let report = try verification(of: path)
        let finding = try #require(report.findings.first { $0.check == "contents-unreadable" })
        #expect(finding.tensor == info.name && finding.file == info.file)
        #expect(finding.message.contains("chunk \(index + 1) of \(tensor.chunks.count)"))
        try workspace.edit("a.store/\(info.file)") {
          $0[chunk.byteOffset + chunk.byteCount - 1] ^= 1
        }
      }
    }
    #expect(try verification(of: path).findings.isEmpty)
  }

  @Test func reportsSeveralDamagedTensorsAtOnce() throws {
    let reader = try openStore(path)
    for (position, tensor) in reader.tensors.enumerated() {
      try workspace.edit("a.store/\(reader.checkpoint.tensors[position].file)") {
        $0[tensor.chunks[0].byteOffset] ^= 0x80
      }
    }
    for threads in [1, 4] {
      let resources = EvaluationResources(memory: 64_000_000, threads: threads)
      let report = try verification(of: path, resources: resources)
      let damaged = report.findings.filter { $0.check == "contents-unreadable" }.compactMap(
        \.tensor)
      #expect(damaged.sorted() == ["chunked", "other", "plain"])
    }
  }

  // MARK: Files

  @Test(arguments: files)
  func findsEveryFileThatIsGone(file: String) throws {
    try workspace.remove("a.store/\(file)")
    if file == "store.json" {
      // Then nothing says that it is a store.
      #expect(throws: CheckpointError.self) { try Source(path) }
      return
    }
    let report = try verification(of: path)
    #expect(report.hasFindings(.error))
    #expect(report.findings.contains { $0.file == file }, "\(report.findings.map(\.line))")
  }

  @Test(arguments: files)
  func findsEveryFileThatIsCutOrGrown(file: String) throws {
    let original = try workspace.contents("a.store/\(file)")
    for other in [
      original.dropLast(), original + Data([0x20]), original.prefix(original.count / 2),
    ] {
      try workspace.write("a.store/\(file)", other)
      #expect(try verification(of: path).hasFindings(.error))
    }
  }

  @Test func findsVolumesThatWereSwapped() throws {
    try workspace.move("a.store/weights-00001.h5", to: "a.store/x")
    try workspace.move("a.store/weights-00002.h5", to: "a.store/weights-00001.h5")
    try workspace.move("a.store/x", to: "a.store/weights-00002.h5")
    #expect(try verification(of: path).hasFindings(.error))
    #expect(failure(of: request(path, workspace.path("out"))) != nil)
    #expect(!workspace.has("out"))
  }

  @Test func findsBytesBetweenChunksThatWereChanged() throws {
    let editor = try StoreEditor(path)
    let chunks = zip(editor.manifest.tensors, editor.chunks)
      .filter { $0.0.volume == "weights-00001.h5" }.flatMap { $0.1 }
    let place = try #require(chunks.map(\.byteOffset).min()) - 1
    try workspace.edit("a.store/weights-00001.h5") { $0[place] ^= 1 }
    let report = try verification(of: path)
    #expect(
      report.findings.contains { $0.check == "store-structure" && $0.file == "weights-00001.h5" })
    #expect(try contents(of: path) == Self.sample.byName)
  }

  // MARK: Lies that agree with each other

  /// Another chunk, with a table, a manifest and checksums that fit it; only the tensor's digest tells.
  private func replaceChunk() throws {
    var editor = try StoreEditor(path)
    let position = try #require(editor.position(of: "chunked"))
    var bytes = [UInt8](Self.sample.tensors[0].data)
    bytes[77] ^= 0x10
    let shuffled = (0..<4).flatMap { byte in (0..<1280).map { bytes[$0 * 4 + byte] } }
    let frame = try HandMadeStore.frame(shuffled)
    // Where it doesn't fit in the old place it goes to the end.
    let volume = editor.manifest.tensors[position].volume ?? ""
    var file = try workspace.contents("a.store/\(volume)")
    editor.chunks[position][0] = StoredChunk(
      byteOffset: file.count, byteCount: frame.count, filterMask: 0, checksum: checksum(frame))
    file += frame
    try workspace.write("a.store/\(volume)", file)
    try editor.write()
  }

  @Test func recordedDigestsAreComparedInCopiesCastsAndStores() throws {
    try replaceChunk()
    for (name, dtype) in [("copy", nil), ("cast", DType.bf16), ("again.store", nil)] {
      let error = failure(
        of: request(path, workspace.path(name), dtype: dtype) {
          $0.format = name == "again.store" ? "store" : "safetensors"
        })
      #expect(error?.code == .corrupt, "\(name)")
      #expect(error?.tensor == "chunked" && error?.file == "weights-00001.h5")
      #expect(!workspace.has(name))
    }
    let report = try verification(of: path)
    #expect(
      report.findings.contains { $0.check == "contents-unreadable" && $0.tensor == "chunked" })
  }

  @Test func recordedDigestsAreComparedWherePartsAreUsed() throws {
    try replaceChunk()
    let reader = try openStore(path)
    let slice = TensorExpression.slice(.stored("chunked"), axis: 0, range: 30..<32)
    for expression in [slice, .cast(slice, .bf16), .transpose(.stored("chunked"))] {
      let tasks = [
        EvaluationTask(
          name: "part", expression: try CompiledExpression(expression, in: reader.checkpoint))
      ]
      let error = #expect(throws: CheckpointError.self) {
        try EvaluationPipeline(reader, smallResources).run(tasks, DigestCollector())
      }
      #expect(error?.code == .corrupt && error?.tensor == "chunked")
    }
  }

  @Test func recordedDigestsAreNotComparedWhereThatIsNotWanted() throws {
    try replaceChunk()
    var resources = smallResources
    resources.checksRecordedDigests = false
    try convert(path, workspace.path("out.safetensors"), resources: resources)
    let back = try SafetensorsSample(parsing: workspace.contents("out.safetensors"))
    #expect(back["chunked"]?.data[77] == Self.sample.tensors[0].data[77] ^ 0x10)
    try convertToStore(path, workspace.path("out.store"), resources: resources)
    #expect(try contents(of: workspace.path("out.store"))["chunked"] == back["chunked"])
  }

  @Test func findsARootThatIsNotThatOfTheTensors() throws {
    var editor = try StoreEditor(path)
    editor.manifest.root = Digest(of: [1])
    editor.forgesRoot = true
    try editor.write()
    #expect(try verification(of: path).findings.contains { $0.file == "store.json" })
  }

  @Test func findsChunksThatOverlap() throws {
    var editor = try StoreEditor(path)
    let (one, other) = (try #require(editor.position(of: "chunked")), editor.chunks.count - 1)
    #expect(one != other)
    editor.manifest.tensors[other] = editor.manifest.tensors[one].with(
      name: "twin", dataset: StoreFormat.datasetPath(for: "twin"))
    editor.chunks[other] = editor.chunks[one]
    #expect(throws: CheckpointError.self) { try editor.write() }
    try editor.write(measuresVolumes: false)
    let report = try verification(of: path)
    #expect(
      report.findings.contains { $0.check == "store-unreadable" && $0.message.contains("overlap") })
  }

  /// A name that an honest store doesn't have, and that would be another file's in the destination.
  @Test(arguments: [
    "model.safetensors", "weighbridge-certificate.json", "journal", "config.json", "store.json",
  ])
  func assetsNeverReplaceWhatAConversionWrites(name: String) throws {
    var editor = try StoreEditor(path)
    try workspace.write("a.store/assets/\(name)", Data("{}".utf8))
    editor.manifest.assets.removeAll { $0.name == name }
    editor.manifest.assets.append(.init(name: name, contents: Array("{}".utf8)))
    try editor.write()
    let error = failure(of: request(path, workspace.path("out")))
    if error == nil {
      #expect(try SafetensorsSample(folder: workspace.path("out")).byName == Self.sample.byName)
      let report = try verification(of: workspace.path("out"))
      #expect(report.findings.isEmpty)
    } else {
      #expect(!workspace.has("out"))
    }
  }
}
