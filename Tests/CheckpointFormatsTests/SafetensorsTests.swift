import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test(arguments: Fixtures.cases("bad/safetensors"))
  func givesItsVerdict(_ file: Fixtures.Case) throws {
    let error = try failure(file.path)
    #expect((error != nil) == (file.verdict == "reject"), "\(error?.description ?? "opened")")
    if let error { #expect(error.file != nil && error.code != .inputOutput) }
  }

  @Test func knowsAllFixtures() { #expect(Fixtures.cases("bad/safetensors").count == 89) }

  @Test func warnsOfNamesThatSteerTerminals() throws {
    let path = Fixtures.path("bad/safetensors/ok_name_newline_ansi.safetensors")
    #expect(try Source(path).checkpoint.findings.map(\.check) == ["tensor-name"])
  }

  // MARK: Damage

  private static func small() throws -> [UInt8] {
    Array(
      try SafetensorsSample(
        [SampleTensor("b", [2], floats: [1, 2]), SampleTensor("a", "U8", [3], Data([1, 2, 3]))],
        metadata: ["format": "pt"]
      ).fileContents)
  }

  @Test func refusesEveryTruncation() throws {
    let bytes = try Self.small()
    #expect(try failure(workspace.write("whole.safetensors", Data(bytes))) == nil)
    for count in bytes.indices {
      let path = try workspace.write("cut.safetensors", Data(bytes.prefix(count)))
      #expect(throws: CheckpointError.self, "\(count) bytes") { try Source(path) }
    }
  }

  @Test func survivesAnyDamageToItsHeader() throws {
    var random = FixedRandom(seed: 1)
    let bytes = try Self.small()
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        damaged[Int.random(in: 0..<bytes.count - 11, using: &random)] =
          UInt8(truncatingIfNeeded: random.next())
      }
      // Whether it opens or not, it doesn't crash.
      _ = try failure(workspace.write("damaged.safetensors", Data(damaged)))
    }
  }

  @Test(arguments: [
    "[0,9223372036854775807]", "[9223372036854775807,0]", "[0,2305843009213693952]",
  ])
  func refusesEmptyTensorsWhoseRowsOverflow(_ shape: String) throws {
    let header = Array(
      "{\"t\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[0,0]}}".utf8)
    let file = UInt64(header.count).littleEndianBytes + header
    let error = try failure(workspace.write("empty.safetensors", Data(file)))
    #expect(error?.code == .malformed && error?.tensor == "t")
  }

  // MARK: Shards

  private static let first = SafetensorsSample([
    SampleTensor("a", [2], floats: [1, 2]), SampleTensor("b", [1], floats: [3]),
  ])
  private static let second = SafetensorsSample([SampleTensor("c", [2, 1], floats: [4, 5])])

  private static let names = [
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
  ]

  /// Writes two shards and an index, and opens the folder.
  private func open(
    _ map: [String: String]? = nil, totalByteCount: Int? = 20, without shard: Int? = nil,
    first: SafetensorsSample = SafetensorsTests.first
  ) throws -> Source {
    let samples = [first, Self.second]
    for index in 0..<2 where index != shard {
      try workspace.write(Self.names[index], samples[index].fileContents)
    }
    let map = map ?? ["a": Self.names[0], "b": Self.names[0], "c": Self.names[1]]
    var index: [String: Any] = ["weight_map": map]
    if let totalByteCount { index["metadata"] = ["total_size": totalByteCount] }
    try workspace.write(
      "model.safetensors.index.json", JSONSerialization.data(withJSONObject: index))
    return try Source(workspace.path)
  }

  private func refusal(
    _ map: [String: String]? = nil, without shard: Int? = nil,
    first: SafetensorsSample = SafetensorsTests.first, _ location: SourceLocation = #_sourceLocation
  ) -> CheckpointError? {
    #expect(throws: CheckpointError.self, sourceLocation: location) {
      try open(map, without: shard, first: first)
    }
  }

  @Test func readsShardsWithTheirIndex() throws {
    let source = try open()
    #expect(source.checkpoint.layout == "2 shards with an index")
    #expect(source.checkpoint.tensors.map(\.name) == ["a", "b", "c"])
    #expect(source.checkpoint.tensors.map(\.file) == [Self.names[0], Self.names[0], Self.names[1]])
    #expect(source.checkpoint.findings.isEmpty)
    #expect(source.inputs.map(\.name).sorted() == Self.names + ["model.safetensors.index.json"])
    #expect(try Data(source.reader.contents(2)) == Self.second.tensors[0].data)
    #expect(try open(totalByteCount: nil).checkpoint.findings.isEmpty)
  }

  @Test func findsAWrongTotalSize() throws {
    let findings = try open(totalByteCount: 21).checkpoint.findings
    #expect(findings.map(\.check) == ["index-total-size"])
    #expect(findings.first?.severity == .warning)
  }

  @Test func refusesAMissingShard() {
    let error = refusal(without: 1)
    #expect(error?.code == .missing && error?.file == Self.names[1] && error?.hint != nil)
  }

  @Test func refusesATensorThatTheIndexDoesNotName() {
    let error = refusal(["a": Self.names[0], "c": Self.names[1]])
    #expect(error?.tensor == "b" && error?.code == .malformed)
  }

  @Test func refusesATensorThatNoShardHas() {
    let error = refusal([
      "a": Self.names[0], "b": Self.names[0], "c": Self.names[1], "d": Self.names[1],
    ])
    #expect(error?.tensor == "d" && error?.code == .missing)
  }

  @Test func refusesATensorInAnotherShard() {
    let error = refusal(["a": Self.names[0], "b": Self.names[1], "c": Self.names[1]])
    #expect(error?.tensor == "b" && error?.file == Self.names[0])
    #expect(error?.check == "index-stale-tensor")
  }

  @Test func refusesTheSameTensorInTwoShards() {
    let double = SafetensorsSample(Self.first.tensors + Self.second.tensors)
    let error = refusal(first: double)
    #expect(error?.tensor == "c")
  }

  @Test(arguments: [
    "../model.safetensors", "..", ".", "", "sub/model.safetensors", "/etc/passwd", "a\0b",
    "../\u{301}x",
  ])
  func refusesIndexesThatNameFilesElsewhere(_ name: String) throws {
    let error = refusal(["a": name, "b": name, "c": name])
    #expect(error?.file == "model.safetensors.index.json" && error?.code == .malformed)
  }

  @Test(arguments: ["[]", "{}", "{\"weight_map\": {}}", "{\"weight_map\": {\"a\": 1}}", "{", ""])
  func refusesBrokenIndexes(_ text: String) throws {
    try workspace.write("model.safetensors.index.json", Data(text.utf8))
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.file == "model.safetensors.index.json")
  }

  @Test func needsAnIndexForSeveralFiles() throws {
    for name in ["x.safetensors", "y.safetensors"] {
      try workspace.write(name, Self.second.fileContents)
    }
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.code == .missing && error?.expected == "model.safetensors.index.json")
    try workspace.remove("y.safetensors")
    #expect(try Source(workspace.path).checkpoint.tensors.count == 1)
  }

  @Test func readsASnapshotOfSymbolicLinks() throws {
    let plain = try open()
    let (manager, snapshot) = (FileManager.default, try workspace.folder("snapshot"))
    for name in Self.names + ["model.safetensors.index.json"] {
      try manager.createSymbolicLink(
        atPath: "\(snapshot)/\(name)", withDestinationPath: "../\(name)")
    }
    let linked = try Source(snapshot)
    #expect(linked.checkpoint.tensors == plain.checkpoint.tensors)
    for position in 0..<3 {
      #expect(try linked.reader.contents(position) == plain.reader.contents(position))
    }
  }

  @Test func opensWhateverElseLiesInTheFolder() throws {
    let manager = FileManager.default
    try workspace.write("model.safetensors", Self.second.fileContents)
    try manager.createSymbolicLink(
      atPath: workspace.path("dangling"), withDestinationPath: "/nowhere/at/all")
    try manager.createSymbolicLink(atPath: workspace.path("loop"), withDestinationPath: ".")
    try manager.createSymbolicLink(atPath: workspace.path("self"), withDestinationPath: "self")
    try workspace.folder("tokenizer.json")
    try workspace.folder("config.json")
    try workspace.write("shard_0/0.npz", Data())
    let checkpoint = try Source(workspace.path).checkpoint
    #expect(checkpoint.format == "safetensors" && checkpoint.tensors.count == 1)
    #expect(checkpoint.assets.isEmpty && checkpoint.configuration == nil)
  }

  // MARK: Sidecars

  @Test func findsWeightsThatAreNoPartOfTheCheckpoint() throws {
    try workspace.write("model.safetensors", Self.second.fileContents)
    try workspace.write("model-00001-of-00002.safetensors", Data("x".utf8))
    try workspace.write("model.safetensors.index.json", Data("{}".utf8))
    let findings = try Source(workspace.path).checkpoint.findings
    #expect(
      findings.filter { $0.check == "unused-weights" }.map(\.file)
        == ["model-00001-of-00002.safetensors"])
    #expect(
      findings.filter { $0.check == "file-malformed" }.map(\.file)
        == ["model.safetensors.index.json"])
  }

  @Test func carriesTokenizersAndListsTheRest() throws {
    for name in [
      "config.json", "tokenizer.json", "merges.txt", "LICENSE", "spiece.model", "chat.jinja",
      "x.index.json", "README.md", "pytorch_model.bin", ".hidden", "weighbridge-certificate.json",
    ] { try workspace.write(name, Data("{}".utf8)) }
    try workspace.write("onnx/model.onnx", Data())
    try workspace.write("model.safetensors", Self.second.fileContents)
    let checkpoint = try Source(workspace.path).checkpoint
    #expect(
      checkpoint.assets.map(\.name).sorted()
        == ["LICENSE", "chat.jinja", "merges.txt", "spiece.model", "tokenizer.json"])
    #expect(
      checkpoint.leftOut.sorted() == [
        ".hidden", "README.md", "onnx/", "pytorch_model.bin", "x.index.json",
      ])
    #expect(checkpoint.configuration == Array("{}".utf8))
    #expect(try checkpoint.assets.first?.contents() == Array("{}".utf8))
  }

  // MARK: Layout

  @Test func readsBackWhatItLaysOut() throws {
    var random = FixedRandom(seed: 2)
    let odd = [
      "a\"b", "back\\slash", "line\nfeed", "tab\t", "caf\u{e9}", "cafe\u{301}", "漢字", "🙂",
      "\u{1}", "/../x", " ", "\u{7f}",
    ]
    let dtypes = DType.allCases.filter { !$0.isBlockQuantized }  // The format doesn't have these.
    var tensors: [(name: String, type: TensorType)] = dtypes.map {
      ($0.rawValue, TensorType($0, [3, 4]))
    }
    tensors += odd.map { ($0, TensorType(.u8, [2])) }
    tensors += [("scalar", TensorType(.f64, [])), ("empty", TensorType(.bf16, [0, 7]))]
    let metadata: [ExactName: String] = ["format": "pt", "k\"\n": "v\\\u{2028}", "": ""]
    let layout = SafetensorsLayout.layout(tensors, metadata: metadata)
    let header = layout.frame[0].bytes
    #expect(header.count % 8 == 0 && layout.places.count == tensors.count)
    var file = Data(header) + Data(count: layout.byteCount - header.count)
    var contents: [[UInt8]] = []
    for ((_, type), offset) in zip(tensors, layout.places.map(\.byteOffset)) {
      let bytes = random.bytes(type.geometry.rows * type.geometry.rowByteCount)
      file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      contents.append(bytes)
    }
    #expect(file.count == layout.byteCount)
    let source = try Source(workspace.write("out.safetensors", file))
    #expect(source.checkpoint.metadata == metadata)
    #expect(source.checkpoint.tensors.count == tensors.count)
    for ((name, type), bytes) in zip(tensors, contents) {
      let position = try #require(source.checkpoint.position(of: name))
      #expect(source.checkpoint.type(of: name) == type)
      #expect(try source.reader.contents(position) == bytes, "\(name)")
    }
    // Widest first, then by name: the order in which the reference implementation writes.
    let widths = source.checkpoint.tensors.map(\.dtype.bitsPerElement)
    #expect(widths.dropLast().enumerated().allSatisfy { $1 >= widths[$0 + 1] })
  }

  @Test func aHeaderThatIsMadeIsTheSameEachTime() throws {
    let tensors: [(name: String, type: TensorType)] = (0..<100).map {
      ("t\(99 - $0)", TensorType($0 % 2 == 0 ? .f32 : .bf16, [$0 + 1, 3]))
    }
    let frame = SafetensorsLayout.layout(tensors, metadata: ["format": "pt"]).frame
    let header = frame[0].bytes
    #expect(frame.count == 1 && frame[0].byteOffset == 0 && frame[0].bytes == header)
    #expect(frame.ranges == [0..<header.count])
    var kept = FileLayout.Frame(header: header)
    #expect(frame == kept && frame.hashValue == kept.hashValue)
    kept.append([1, 2], at: 10_000)
    var made = frame
    made.append([1, 3], at: 10_000)
    #expect(made.count == 2 && made[1].bytes == [1, 3])
    #expect(made.ranges == kept.ranges && made.ranges[1] == 10_000..<10_002)
    #expect(made != kept)
  }

  @Test func laysOutNothing() throws {
    let header = SafetensorsLayout.layout([], metadata: [:]).frame[0].bytes
    #expect(header == [8, 0, 0, 0, 0, 0, 0, 0] + Array("{}      ".utf8))
    let source = try Source(workspace.write("e.safetensors", Data(header)))
    #expect(source.checkpoint.tensors.isEmpty)
  }

  @Test func writesIndexesThatItReads() throws {
    let contents = SafetensorsFormat.indexFile(
      [("b", "2.safetensors"), ("a\"", "1.safetensors")], totalByteCount: 7,
      parameterCount: 3)
    #expect(
      String(decoding: contents, as: UTF8.self) == """
        {
          "metadata": {
            "total_parameters": 3,
            "total_size": 7
          },
          "weight_map": {
            "a\\"": "1.safetensors",
            "b": "2.safetensors"
          }
        }

        """)
  }
}
