import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct MeshTransformerTests {
  private static let goldens = [
    "s4_perturbed_full", "s4_perturbed_slim_f16", "s8_trained_slim",
  ]

  private struct Expected: Decodable {
    struct Info: Decodable { let shards: Int, step: [Int], leaves: Int, kind: String }
    struct Tensor: Decodable { let shape: [Int], sha256_f32le: String }
    let info: Info
    let tensors: [String: Tensor]
  }

  private func expected(_ name: String) throws -> Expected {
    try JSONDecoder().decode(
      Expected.self,
      from: Data(Fixtures.bytes("mesh-transformer/\(name)/expected_hf_f32.json")))
  }

  private func open(_ name: String, configured: Bool) throws -> Source {
    let configuration = try Fixtures.bytes("mesh-transformer/\(name)/config.json")
    return try Source(
      Fixtures.path("mesh-transformer/\(name)/step.tar.zstd"),
      OpenOptions(configuration: configured ? configuration : nil))
  }

  // MARK: What the original tool made of it

  @Test(arguments: goldens)
  func givesTheTensorsThatTheOriginalToolGives(_ name: String) throws {
    let (expected, source) = (try expected(name), try open(name, configured: true))
    let digests = try digests(source.reader, as: .f32)
    #expect(Set(digests.keys) == Set(expected.tensors.keys))
    for (tensor, golden) in expected.tensors {
      #expect(digests[tensor]?.hexadecimal == golden.sha256_f32le, "\(tensor)")
    }
    for tensor in try source.reader.canonicalTensors() {
      #expect(tensor.shape.dimensions == expected.tensors[tensor.name]?.shape)
    }
  }

  @Test(arguments: goldens, [true, false])
  func opensWithAndWithoutAConfiguration(_ name: String, _ configured: Bool) throws {
    let (expected, source) = (try expected(name), try open(name, configured: configured))
    let checkpoint = source.checkpoint
    #expect(checkpoint.tensors.count == expected.info.shards * expected.info.leaves)
    #expect(
      checkpoint.layout
        == "\(expected.info.shards) shards, \(expected.info.kind == "full" ? "with optimizer state" : "slim"), step \(expected.info.step[0])"
    )
    #expect(source.architectureName == "gptj")
    #expect(checkpoint.findings.allSatisfy { $0.severity == .note })
    let roles = Set(checkpoint.tensors.map(\.role))
    #expect(roles.contains(.optimizer) == (expected.info.kind == "full"))
    if configured {
      let bytes = try #require(try source.huggingFaceConfiguration())
      let made = try HuggingFaceConfiguration(parsing: bytes)
      #expect(made.modelType == "gptj")
      #expect(try made.dimensions().vocabulary == expected.tensors["lm_head.bias"]?.shape[0])
    }
  }

  @Test(arguments: goldens)
  func asksForWhatNoFileSays(_ name: String) throws {
    let source = try open(name, configured: false)
    let error = #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
    #expect(error?.code == .usage)
    let hint = try #require(error?.hintLines).joined(separator: "\n")
    let start = try #require(hint.firstIndex(of: "{"))
    let template = try JSONValue(parsing: Array(hint[start...].utf8))
    let given = try JSONValue(
      parsing: Fixtures.bytes("mesh-transformer/\(name)/config.json"))
    for key in ["layers", "d_model", "n_vocab", "cores_per_replica"] {
      #expect(template[key]?.integer == given[key]?.integer, "\(key)")
    }
    for key in ["n_heads", "pe_rotary_dims", "seq"] { #expect(template[key] == .null) }
  }

  @Test(arguments: [
    ("\"layers\": 1", "\"layers\": 2", "layers"), ("\"d_model\": 4", "\"d_model\": 8", "d_model"),
    ("\"n_vocab\": 6", "\"n_vocab\": 7", "n_vocab"),
    ("\"n_heads\": 2", "\"n_heads\": null", "n_heads"),
    ("\"n_heads\": 2, ", "", "n_heads"), ("\"n_heads\": 2", "\"n_heads\": 3", "heads"),
    ("\"n_heads\": 2", "\"n_heads\": 0", "n_heads"), ("\"seq\": 16", "\"seq\": \"16\"", "seq"),
    ("layernorm", "rmsnorm", "norm"), ("\"rotary\"", "\"t5\"", "pe"),
    ("\"pe_rotary_dims\": 2", "\"pe_rotary_dims\": null", "pe_rotary_dims"),
    ("\"layers\": 1", "\"layers\": 1, \"layers\": 1", "layers"),
  ])
  func namesTheKeyOfAWrongConfiguration(_ old: String, _ new: String, _ key: String) throws {
    let workspace = try Workspace()
    let sample = try MeshSample()
    let path = try sample.write(workspace)
    let text = String(decoding: sample.configuration, as: UTF8.self)
    _ = try Source(path, OpenOptions(configuration: sample.configuration))
    let wrong = text.replacingOccurrences(of: old, with: new)
    #expect(wrong != text)
    let error = #expect(throws: CheckpointError.self) {
      try Source(
        path, OpenOptions(configuration: Array(wrong.utf8), configurationName: "my.json"))
    }
    #expect(error?.description.contains(key) == true, "\(error?.description ?? "")")
    #expect(error?.file == "my.json")
  }

  @Test func takesHuggingFacesConfigurationToo() throws {
    let sample = try MeshSample()
    let own = try MeshConfiguration(parsing: sample.configuration)
    let converted = own.huggingFaceConfiguration(dtype: .f32)
    #expect(try MeshConfiguration(parsing: converted) == own)
    #expect(own.rotaryDimensions == 2 && own.heads == 2 && own.sequenceLength == 16)
  }

  // MARK: The table

  @Test func agreesWithTheLeavesOfGPTJ6B() throws {
    struct Table: Decodable {
      struct Row: Decodable {
        let mtj: String
        let shard_shape: [Int]
        let rule: String
        let hf: String?
        let hf_shape: [Int]?
      }
      let cores_per_replica: Int
      let leaves: Int
      let rows: [Row]
    }
    let table = try JSONDecoder().decode(
      Table.self, from: Data(Fixtures.bytes("mesh-transformer/gptj6b_slim_leaf_table.json")))
    let mesh = try #require(Architecture.gptj.mesh)
    let dimensions = MeshConfiguration.gptj6B.dimensions
    let leaves = mesh.leaves(layers: 28)
    #expect(leaves.count + 1 == table.leaves && table.rows.count == table.leaves)
    #expect(mesh.layers(leafCount: leaves.count) == 28)
    #expect(table.rows.last?.mtj == "step")
    let shapes = Dictionary(
      uniqueKeysWithValues: Architecture.gptj.tensors(dimensions).map { ($0.name, $0.shape) })
    #expect(Set(table.rows.compactMap(\.hf)) == Set(shapes.keys))
    for ((name, leaf, layer), row) in zip(leaves, table.rows) {
      #expect("params/causal_transformer_shard/~/\(name)" == row.mtj)
      #expect(
        leaf.shardShape(dimensions, shards: table.cores_per_replica)?.dimensions
          == row.shard_shape)
      let template =
        switch leaf.use {
        case .tensor(let name), .transposed(let name), .addedToRows(let name): name
        }
      let tensor = template.replacingOccurrences(of: "{i}", with: layer.map(String.init) ?? "")
      #expect(tensor == row.hf)
      #expect(shapes[tensor]?.dimensions == row.hf_shape)
      #expect(row.rule.hasSuffix(", transpose") == (leaf.use == .transposed(template)))
      #expect(row.rule.hasPrefix("sum") == (leaf.partition == .summed))
      #expect((row.rule == "shard0") == (leaf.partition == .firstShard))
    }
  }

  // MARK: Made-up checkpoints

  @Test(arguments: MeshSample.Order.allCases)
  func readsAnyOrderOfElementsAndBytes(_ order: MeshSample.Order) throws {
    let workspace = try Workspace()
    let sample = try MeshSample()
    let plain = try digests(Source(sample.write(workspace)).reader, as: nil)
    let other = try Source(sample.write(workspace, "other", order))
    #expect(plain.count == 15)
    #expect(try digests(other.reader, as: nil) == plain)
  }

  @Test func readsTarArchivesAndFoldersAboveTheStep() throws {
    let workspace = try Workspace()
    let sample = try MeshSample()
    var archive = TarBuilder()
    for (name, contents) in sample.files() { archive.add("ckpt/step_5/\(name)", contents) }
    archive.end()
    let file = try workspace.write("archive.tar", Data(archive.bytes))
    let packed = try Source(file)
    try sample.write(workspace, "a/b/step_5")
    let folder = try Source(workspace.path("a"))
    #expect(packed.checkpoint.tensors.map(\.name) == folder.checkpoint.tensors.map(\.name))
    #expect(packed.checkpoint.tensors.first?.file == "ckpt/step_5/shard_0/0.npz")
    #expect(try digests(packed.reader, as: .f16) == digests(folder.reader, as: .f16))
  }

  @Test func opensOneShard() throws {
    let workspace = try Workspace()
    let sample = try MeshSample(layers: 2, vocabulary: 5, shards: 1)
    let source = try Source(sample.write(workspace))
    #expect(source.checkpoint.layout == "1 shard, slim, step 5")
    let tensors = try source.reader.canonicalTensors()
    #expect(tensors.count == 5 + 2 * 10)
    #expect(try digests(source.reader, as: .f32).count == tensors.count)
  }

  @Test func asksWhichOfSeveralSteps() throws {
    let workspace = try Workspace()
    let sample = try MeshSample()
    try sample.write(workspace, "step_1")
    try sample.write(workspace, "step_2")
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.code == .usage && error?.found?.contains("step_1, step_2") == true)
    #expect(try Source(workspace.path("step_2")).checkpoint.format == "mesh-transformer")
  }

  @Test func findsShardsOfDifferentSteps() throws {
    let workspace = try Workspace()
    var sample = try MeshSample()
    sample.steps = [5, 6]
    let findings = try Source(sample.write(workspace)).checkpoint.findings
    #expect(findings.map(\.check) == ["step-differs"])
    #expect(findings.first?.message.contains("5, 6") == true)
  }

  @Test func findsLayerNormsThatWentTheirOwnWay() throws {
    let workspace = try Workspace()
    var sample = try MeshSample()
    func checks(_ folder: String) throws -> [String] {
      try Source(sample.write(workspace, folder)).reader.contentFindings()
        .filter { $0.severity == .warning }.map(\.check)
    }
    #expect(try checks("untouched") == [])
    try sample.change("layer_0/~/replicated_layer_norm/scale", shard: 1)
    #expect(try checks("desync") == ["layer-norm-desync"])
    let place = try #require(
      sample.names.firstIndex(of: "layer_0/~/replicated_layer_norm/scale"))
    sample.leaves[1][place] = sample.leaves[0][place]
    #expect(try checks("equal") == [])
  }

  @Test(arguments: [
    (
      "s4_perturbed_full",
      ["element-census", "layer-norm-desync", "optimizer-state", "partial-biases"]
    ),
    ("s4_perturbed_slim_f16", ["element-census", "layer-norm-desync", "partial-biases"]),
    ("s8_trained_slim", ["element-census"]),
  ])
  func findsInRealCheckpointsWhatWasDoneToThem(_ name: String, _ checks: [String]) throws {
    let findings = try open(name, configured: true).reader.contentFindings()
    #expect(Set(findings.map(\.check)) == Set(checks))
  }

  @Test func refusesAMissingShardOrPiece() throws {
    let workspace = try Workspace()
    let path = try MeshSample(model: 6, vocabulary: 6, shards: 3).write(workspace)
    try workspace.remove("step_5/shard_2/7.npz")
    let piece = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(piece?.code == .missing && piece?.file == "shard_2/7.npz")
    try workspace.remove("step_5/shard_1")
    let shard = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(shard?.code == .missing && shard?.file == "shard_1")
  }

  @Test func namesAPieceThatWasNeverFetched() throws {
    let workspace = try Workspace()
    let path = try MeshSample().write(workspace)
    try workspace.write(
      "step_5/shard_1/3.npz", Data("version https://git-lfs.github.com/spec/v1\noid".utf8))
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.message.contains("Git LFS") == true && error?.file == "shard_1/3.npz")
  }

  @Test func opensSeveralArchivesAtOnce() async throws {
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for name in Self.goldens + Self.goldens {
        group.addTask {
          try Source(Fixtures.path("mesh-transformer/\(name)/step.tar.zstd"))
            .checkpoint.tensors.count
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(counts == 2 * (4 * 351 + 4 * 117 + 8 * 127))
  }

  @Test func refusesShapesThatDoNotFitTheirPlace() throws {
    let workspace = try Workspace()
    var sample = try MeshSample()
    for shard in 0..<2 { sample.leaves[shard].swapAt(6, 7) }
    let path = try sample.write(workspace)
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.tensor == "layer_0/~/linear_4/b" && error?.expected?.contains("[8]") == true)
    var uneven = try MeshSample()
    uneven.leaves[1][3].shape = [2, 4]
    let other = try uneven.write(workspace, "uneven")
    let second = #expect(throws: CheckpointError.self) { try Source(other) }
    #expect(second?.file?.hasPrefix("shard_1/") == true && second?.found == "F32 [2, 4]")
  }

  @Test func refusesNumbersOfLeavesThatFitNoModel() throws {
    let workspace = try Workspace()
    var sample = try MeshSample()
    for shard in 0..<2 { sample.leaves[shard].removeLast() }
    let path = try sample.write(workspace)
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.code == .unsupported && error?.found == "16")
  }

  @Test func listsTheV2LayoutAndConvertsNothingOfIt() throws {
    let workspace = try Workspace()
    let meta = #"{"total_hosts": 2, "step": 3, "param_order": ["a/w", "b/w"], "opt_order": ["m"]}"#
    try workspace.write("step_3/meta.json", Data(meta.utf8))
    let arrays = (0..<2).map { npyFile("<f4", [2], [0, 0, 0, 0, UInt8($0), 0, 0, 0]) }
    for host in 0..<2 {
      try workspace.write("step_3/params/shard_\(host).npz", Data(npzFile(arrays)))
      try workspace.write("step_3/opt_state/shard_\(host).npz", Data(npzFile([arrays[1]])))
    }
    let source = try Source(workspace.path("step_3"))
    #expect(source.checkpoint.format == "mesh-transformer")
    #expect(source.checkpoint.layout == "v2 layout, 2 hosts")
    #expect(
      source.checkpoint.tensors.map(\.name)
        == [
          "host_0/params/arr_0a/w", "host_0/params/arr_1b/w", "host_1/params/arr_0a/w",
          "host_1/params/arr_1b/w", "host_0/opt_state/arr_0m", "host_1/opt_state/arr_0m",
        ])
    #expect(try source.reader.contents(1) == [0, 0, 0, 0, 1, 0, 0, 0])
    let error = #expect(throws: CheckpointError.self) { try source.reader.canonicalTensors() }
    #expect(error?.code == .unsupported)
    try workspace.remove("step_3/params/shard_1.npz")
    #expect(throws: CheckpointError.self) { try Source(workspace.path("step_3")) }
  }
}
