import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// What a conversion will do, known before it does anything.
@Suite struct PlanTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let gptj = Fixtures.path("huggingface/gptj")

  private func plan(
    _ source: String, _ destination: String? = nil,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> (source: Source, plan: ConversionPlan) {
    try ConversionJob(request(source, destination ?? workspace.path("out"), edit)).plan()
  }

  private func document(_ edit: (inout ConversionRequest) -> Void = { _ in }) throws -> [UInt8] {
    let (source, plan) = try plan(gptj, nil, edit)
    return try ConversionJob.document(plan, source)
  }

  @Test func isTheSameEveryTime() throws {
    let first = try document()
    #expect(try document() == first)
    #expect(
      try document { $0.resources = EvaluationResources(memory: 9_000_000, threads: 7) } == first)
    #expect(try document { $0.destination = workspace.path("elsewhere") } == first)
    #expect(!String(decoding: first, as: UTF8.self).contains(Fixtures.packageRoot.path))
  }

  @Test func writesNothing() throws {
    _ = try document { $0.settings.dtype = .bf16 }
    #expect(workspace.names().isEmpty)
  }

  @Test func isAJSONDocumentWithASchema() throws {
    let object = try JSONSerialization.jsonObject(with: Data(document()))
    let plan = try #require(object as? [String: Any])
    #expect(plan["schema"] as? String == "plan/v1")
    #expect((plan["settings"] as? [String: Any])?["dtype"] as? String == "keep")
    let tensors = try #require(plan["tensors"] as? [[String: Any]])
    #expect(tensors.count == 35)
    #expect(
      tensors.allSatisfy {
        Set($0.keys) == [
          "name", "dtype", "shape", "file", "byte_offset", "byte_count", "expression", "sources",
        ]
      })
  }

  @Test func differsWithWhateverChangesTheResult() throws {
    let documents = [
      try document(), try document { $0.settings.dtype = .f16 },
      try document { $0.settings.dtype = .bf16 }, try document { $0.settings.dtype = .f32 },
      try document { $0.settings.allowOverflow = true },
      try document { $0.settings.sharding = .maximumByteCount(100_000) },
      try document { $0.settings.sharding = .count(2) },
      try document { $0.destination = workspace.path("out.safetensors") },
      try document { $0.openOptions.assetsDirectory = Fixtures.path("huggingface/gpt2") },
    ]
    #expect(Set(documents.map { Digest(of: $0) }).count == documents.count)
  }

  /// Every size and offset of a plan is what the written files have.
  @Test func knowsFilesAndOffsetsBeforehand() throws {
    let edit: (inout ConversionRequest) -> Void = {
      $0.settings.dtype = .f16
      $0.settings.sharding = .maximumByteCount(100_000)
    }
    let (_, plan) = try plan(gptj, nil, edit)
    try convert(gptj, workspace.path("out"), dtype: .f16, edit)
    #expect(plan.weightFiles.count > 3)
    var total = 0
    for (number, file) in plan.weightFiles.enumerated() {
      let data = try workspace.contents("out/\(file.name)")
      #expect(data.count == file.byteCount)
      let header = try #require(file.layout?.frame.first)
      #expect([UInt8](data.prefix(header.bytes.count)) == header.bytes)
      let sample = try SafetensorsSample(parsing: data)
      #expect(sample.metadata["format"] == "pt")
      for tensor in plan.tensors where tensor.file == number {
        let bytes = data.dropFirst(try #require(tensor.place).byteOffset).prefix(tensor.byteCount)
        #expect(bytes.elementsEqual(sample[tensor.name]?.data ?? Data()), "\(tensor.name)")
        #expect(tensor.type.dtype == .f16)
      }
      total += data.count
    }
    for sidecar in plan.sidecars {
      let data = try workspace.contents("out/\(sidecar.name)")
      #expect(data.count == sidecar.byteCount)
      #expect(data.digest == sidecar.digest.hexadecimal)
      total += data.count
    }
    #expect(plan.byteCount == total)
  }

  @Test func fillsShardsInTheSourcesOrder() throws {
    let (source, plan) = try plan(gptj) { $0.settings.sharding = .maximumByteCount(100_000) }
    #expect(plan.tensors.map(\.name) == source.checkpoint.tensors.map(\.name))
    #expect(plan.tensors.map(\.file) == plan.tensors.map(\.file).sorted())
    let names = plan.weightFiles.map(\.name)
    #expect(names.count == 10)
    #expect(names.first == "model-00001-of-00010.safetensors")
    #expect(names.last == "model-00010-of-00010.safetensors")
    let shards = names.indices.map { number in plan.tensors.filter { $0.file == number } }
    let sizes = shards.map { $0.reduce(0) { $0 + $1.byteCount } }
    for (size, tensors) in zip(sizes, shards) { #expect(size <= 100_000 || tensors.count == 1) }
    for (size, next) in zip(sizes, shards.dropFirst()) {
      #expect(size + (next.first?.byteCount ?? 0) > 100_000)
    }
  }

  @Test(arguments: [1, 2, 5, 35])
  func makesAsManyShardsAsAsked(count: Int) throws {
    try convert(gptj, workspace.path("out")) { $0.settings.sharding = .count(count) }
    let files = workspace.names(in: "out").filter { $0.hasSuffix(".safetensors") }
    #expect(files.count == count)
    #expect(workspace.has("out/model.safetensors.index.json") == (count > 1))
    let written = try SafetensorsSample(folder: workspace.path("out"))
    let original = try SafetensorsSample(folder: gptj)
    #expect(Set(written.tensors) == Set(original.tensors))
  }

  @Test func refusesMoreShardsThanTensors() {
    let error = failure(
      of: request(gptj, workspace.path("out")) { $0.settings.sharding = .count(36) })
    #expect(error?.code == .usage)
    #expect(workspace.names().isEmpty)
  }

  @Test func indexNamesTheFileOfEveryTensor() throws {
    try convert(gptj, workspace.path("out")) { $0.settings.sharding = .maximumByteCount(300_000) }
    struct Index: Decodable {
      let metadata: [String: Int]
      let weight_map: [String: String]
    }
    let index = try JSONDecoder().decode(
      Index.self, from: workspace.contents("out/model.safetensors.index.json"))
    var places: [String: String] = [:]
    var total = 0
    for file in workspace.names(in: "out") where file.hasSuffix(".safetensors") {
      for tensor in try SafetensorsSample(parsing: workspace.contents("out/\(file)")).tensors {
        places[tensor.name] = file
        total += tensor.data.count
      }
    }
    #expect(index.weight_map == places)
    #expect(index.metadata["total_size"] == total)
    #expect(try Source(workspace.path("out")).checkpoint.findings.isEmpty)
  }

  @Test func oneFileHasItsCertificateBesideIt() throws {
    let outcome = try convert(gptj, workspace.path("small.f16.safetensors"), dtype: .f16) {
      $0.format = nil
    }
    #expect(workspace.names() == ["small.f16.certificate.json", "small.f16.safetensors"])
    #expect(outcome.certificate.files.map(\.name) == ["small.f16.safetensors"])
    #expect(outcome.certificate.assets.isEmpty)
    #expect(outcome.certificate.leftOut.contains("config.json"))
    #expect(outcome.certificate.leftOut.contains("tokenizer.json"))
    let written = try SafetensorsSample(parsing: workspace.contents("small.f16.safetensors"))
    #expect(written.tensors.count == 35)
  }

  @Test func oneFileCantBeCutIntoShards() {
    for sharding in [ConversionPlan.Sharding.count(3), .maximumByteCount(1000)] {
      let error = failure(
        of: request(gptj, workspace.path("out.safetensors")) { $0.settings.sharding = sharding })
      #expect(error?.code == .usage)
    }
    #expect(workspace.names().isEmpty)
  }

  @Test func asksWhichFormatWhereNothingSaysIt() throws {
    let fixture = try #require(MeshFixture.all.first)
    let error = failure(of: request(fixture.archive, workspace.path("out")) { $0.format = nil })
    #expect(error?.code == .usage)
    #expect(error?.hintLines.contains { $0.contains("--to safetensors") } == true)
    #expect(workspace.names().isEmpty)
    let unknown = failure(of: request(gptj, workspace.path("out")) { $0.format = "papyrus" })
    #expect(unknown?.code == .usage)
    #expect(unknown?.found == "papyrus")
    #expect(workspace.names().isEmpty)
  }

  @Test func keepsMetadataWhoseKeysLookAlike() throws {
    // The same letter, composed and decomposed: equal as Swift strings, different keys in JSON.
    let header =
      #"{"__metadata__":{"\u00e9":"1","e\u0301":"2"},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#
    let text = Data((header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)).utf8)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
    let source = try workspace.write("in.safetensors", length + text)
    try convert(source, workspace.path("out"))
    let written = String(decoding: try workspace.contents("out/model.safetensors"), as: UTF8.self)
    #expect(written.utf8.count { $0 == UInt8(ascii: "1") } > 0)
    #expect(written.contains(":\"1\"") && written.contains(":\"2\""))
  }

  @Test func keepsTheContainersMetadata() throws {
    let sample = SafetensorsSample(
      [SampleTensor("x", [2], floats: [1, 2])], metadata: ["author": "me", "format": "np"])
    let source = try workspace.write("in.safetensors", sample.fileContents)
    try convert(source, workspace.path("out"), dtype: .bf16)
    #expect(try SafetensorsSample(folder: workspace.path("out")).metadata == sample.metadata)
  }

  @Test func refusesACheckpointWithoutTensors() throws {
    let source = try workspace.write("in.safetensors", SafetensorsSample([]).fileContents)
    let error = failure(of: request(source, workspace.path("out")))
    #expect(error?.code == .unsupported)
    #expect(workspace.names() == ["in.safetensors"])
  }
}
