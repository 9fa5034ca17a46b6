import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// TensorFlow V2 checkpoints: as TensorFlow writes them, and damaged.
@Suite struct TensorFlowTests {
  private struct Expected: Decodable {
    let dtype: DType
    let shape: [Int]
    let digest: String
  }

  private static let models = ["gpt2", "gpt_neo"]

  @Test(arguments: models) func becomeExactlyTheTensorsThatWereSaved(_ name: String) throws {
    let expected = try JSONDecoder().decode(
      [String: Expected].self, from: Data(Fixtures.bytes("tensorflow/\(name).tensors.json")))
    let source = try Source(Fixtures.path("tensorflow/\(name)"))
    let canonical = try source.reader.canonicalTensors()
    let found = try digests(source.reader, as: nil)
    #expect(Set(canonical.map(\.name)) == Set(expected.keys))
    for tensor in canonical {
      let wanted = try #require(expected[tensor.name])
      #expect(tensor.dtype == wanted.dtype && tensor.shape.dimensions == wanted.shape)
      #expect(found[tensor.name]?.description == wanted.digest, "\(tensor.name)")
    }
    #expect(source.architectureName == name)
  }

  @Test func tellWhatIsLeftOutOfThem() throws {
    let neo = try Source(Fixtures.path("tensorflow/gpt_neo")).checkpoint
    #expect(neo.findings.map(\.check).sorted() == ["optimizer-state", "padding-trimmed"])
    #expect(neo.tensors.count { $0.role == .optimizer } == 86)
    #expect(neo.tensors.count { $0.role == .step } == 1)
    let gpt2 = try Source(Fixtures.path("tensorflow/gpt2")).checkpoint
    #expect(gpt2.findings.isEmpty && gpt2.leftOut == ["logits.npy", "tokens.npy"])
    #expect(Set(gpt2.assets.map(\.name)) == ["vocab.json", "merges.txt"])
    for (name, original) in [("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")] {
      let asset = try #require(gpt2.assets.first { $0.name == name })
      #expect(try asset.contents() == Fixtures.bytes("tensorflow/gpt2/\(original)"))
    }
  }

  @Test func areNamedByTheirIndexAndTheirPrefixToo() throws {
    let folder = Fixtures.path("tensorflow/gpt2")
    let names = try Source(folder).checkpoint.tensors.map(\.name)
    let data = "model.ckpt.data-00001-of-00002"
    for path in ["model.ckpt.index", "model.ckpt", data].map({ "\(folder)/\($0)" }) {
      let source = try Source(path)
      #expect(source.checkpoint.tensors.map(\.name) == names)
      #expect(source.checkpoint.findings.map(\.check) == ["opened-as"])
    }
  }

  // MARK: Damage

  @Test(arguments: Fixtures.cases("bad/tfbundle"))
  func getTheirVerdict(_ file: Fixtures.Case) throws {
    let error = try failure(file.path)
    #expect((error == nil) == (file.verdict == "accept"), "\(error?.description ?? "no error")")
    if file.verdict == "reject" { #expect(error?.file != nil, "\(error?.description ?? "")") }
  }

  @Test func anyBitOfAnIndexCounts() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("bad/tfbundle/ok_slices"), to: "in")
    let original = try workspace.contents("in/model.ckpt.index")
    for place in original.indices {
      var changed = original
      changed[place] ^= 1 << UInt8(place % 8)
      try workspace.write("in/model.ckpt.index", changed)
      let error = try failure(workspace.path("in"))
      #expect(error?.file == "model.ckpt.index", "byte \(place): \(error?.description ?? "none")")
    }
  }

  @Test func anyByteOfAWeightCounts() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("bad/tfbundle/ok_two_shards"), to: "in")
    for name in ["model.ckpt.data-00000-of-00002", "model.ckpt.data-00001-of-00002"] {
      let original = try workspace.contents("in/\(name)")
      for place in stride(from: 0, to: original.count, by: 37) {
        var changed = original
        changed[place] ^= 0x10
        try workspace.write("in/\(name)", changed)
        let error = try failure(workspace.path("in"))
        #expect(error?.code == .corrupt && error?.file == name, "byte \(place)")
        #expect(error?.tensor?.hasPrefix("model/") == true)
      }
      try workspace.write("in/\(name)", original)
    }
    #expect(try failure(workspace.path("in")) == nil)
  }

  @Test func dataThatIsReadInAnyOrderIsChecked() throws {
    let workspace = try Workspace()
    var bundle = BundleBuilder([.init("a", [64, 300], (0..<76_800).map { UInt8($0 % 251) })])
    try bundle.write(to: workspace)
    let column = MatrixRegion(rows: 0..<64, columns: 1..<2)
    let halves = [32..<64, 0..<32].map { MatrixRegion(rows: $0, columns: 0..<300) }
    let reader = try Source(workspace.path).reader
    #expect(try reader.contents(0, column).prefix(4) == [4, 5, 6, 7])
    for half in halves { #expect(try reader.contents(0, half).count == 38_400) }
    try reader.confirm(0)

    bundle.entries[0].bytes?[70_000] ^= 1
    try workspace.write("model.ckpt.data-00000-of-00001", Data(bundle.data))
    let damaged = try Source(workspace.path).reader
    #expect(try damaged.contents(0, halves[0]).count == 38_400)
    // Whoever reads the last bytes knows.
    #expect(throws: CheckpointError.self) { try damaged.contents(0, halves[1]) }
    #expect(throws: CheckpointError.self) { try damaged.contents(0, column) }
    let other = try Source(workspace.path).reader
    #expect(try other.contents(0, column).count == 256)
    #expect(throws: CheckpointError.self) { try other.confirm(0) }
  }

  // MARK: Slices

  @Test func slicesMayBeCutAlongSeveralDimensions() throws {
    // [3, 4, 2] cut into rows 0..<2, 2..<3 and columns 0..<1, 1..<4.
    let values = [UInt8](0..<24)
    func wide(_ values: some Sequence<UInt8>) -> [UInt8] { values.flatMap { [$0, 0, 0, 0] } }
    func slice(_ rows: Range<Int>, _ columns: Range<Int>) -> BundleBuilder.Entry {
      var bytes: [UInt8] = []
      for row in rows {
        for column in columns {
          bytes += wide(values[row * 8 + column * 2..<row * 8 + column * 2 + 2])
        }
      }
      func signed(_ number: Int) -> UInt8 { 0x80 ^ UInt8(truncatingIfNeeded: number) }
      let key: [UInt8] =
        [0] + Array("p".utf8) + [0, 1, 1, 3, signed(rows.lowerBound), signed(rows.count)]
        + [signed(columns.lowerBound), signed(columns.count), signed(0), 0x7f]
      return .init(key: key, [rows.count, columns.count, 2], bytes)
    }
    let cuts = [(0..<2, 0..<1), (0..<2, 1..<4), (2..<3, 0..<1), (2..<3, 1..<4)]
    let whole = BundleBuilder.Entry(
      "p", [3, 4, 2], nil,
      slices: cuts.map { rows, columns in
        [(rows.lowerBound, rows.count), (columns.lowerBound, columns.count), (0, nil)]
      })
    var bundle = BundleBuilder(cuts.map { slice($0.0, $0.1) } + [whole])
    let workspace = try Workspace()
    try bundle.write(to: workspace)
    let reader = try Source(workspace.path).reader
    #expect(try reader.contents(0) == wide(values))
    let region = MatrixRegion(rows: 1..<3, columns: 3..<6)
    #expect(try reader.contents(0, region) == wide([11, 12, 13, 19, 20, 21]))
    // Without one of them something is left out.
    bundle.entries.remove(at: 3)
    bundle.entries[3].slices.removeLast()
    try bundle.write(to: workspace)
    let error = try failure(workspace.path)
    #expect(error?.message.contains("overlap or leave something out") == true)
    #expect(error?.tensor == "p")
  }

  // MARK: Which checkpoint

  @Test(
    arguments: [
      ("model_checkpoint_path: \"b\"\nall_model_checkpoint_paths: \"a\"\n", "b"),
      ("# text\nmodel_checkpoint_path: '/old/machine/a'", "a"),
      ("model_checkpoint_path: \"C:\\\\models\\\\b\" last_preserved_timestamp: 1.5e9", "b"),
      ("model_checkpoint_path: \"../x/a\"", nil), ("model_checkpoint_path: \"c\"", nil),
      ("model_checkpoint_path: \"\"", nil), ("model_checkpoint_path: \"a", nil),
      ("model_checkpoint_path \"a\"", nil), ("all_model_checkpoint_paths: \"a\"", nil),
      ("model_checkpoint_path: \"a\"\nmodel_checkpoint_path: \"b\"", nil),
    ] as [(String, String?)])
  func theFileBesideThemNamesOne(_ text: String, _ expected: String?) throws {
    let workspace = try Workspace()
    for name in ["a", "b"] {
      try BundleBuilder([.init("of_\(name)", [1], [0, 0, 0, 0])]).write(to: workspace, name)
    }
    let several = try failure(workspace.path)
    #expect(several?.hint?.contains("a.index") == true)
    try workspace.write("checkpoint", Data(text.utf8))
    if let expected {
      let checkpoint = try Source(workspace.path).checkpoint
      #expect(checkpoint.tensors.map(\.name) == ["of_\(expected)"])
      #expect(checkpoint.leftOut.count == 2)
    } else {
      #expect(try failure(workspace.path)?.hint != nil)
    }
  }

  // MARK: Unknown models

  @Test func keepTheNamesOfModelsThatNobodyKnows() throws {
    let workspace = try Workspace()
    var text = BundleBuilder.Entry("_CHECKPOINTABLE_OBJECT_GRAPH", [], [1, 2, 3])
    text.dtype = 7
    let one: [UInt8] = [0, 0, 0x80, 0x3f]
    try BundleBuilder([
      .init("dense/kernel", [1], one), .init("dense/kernel/Adam", [1], one),
      .init("dense/kernel/Adam_1", [1], one), .init("beta1_power", [], one),
      .init("Adam", [1], one), text,
    ]).write(to: workspace)
    let source = try Source(workspace.path)
    #expect(try source.reader.canonicalTensors().map(\.name) == ["Adam", "dense/kernel"])
    #expect(source.checkpoint.findings.map(\.check) == ["object-graph", "optimizer-state"])
    #expect(source.architectureName == nil)
  }
}
