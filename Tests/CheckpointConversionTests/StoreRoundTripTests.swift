import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// What goes into a store comes out bit for bit.
@Suite struct StoreRoundTripTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Brings a file into a store and back, and compares everything.
  private func check(
    _ sample: SafetensorsSample, _ compression: ConversionPlan.Compression?,
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for name in ["in.store", "out.safetensors", "out.certificate.json"] where workspace.has(name) {
      try workspace.remove(name)
    }
    let source = try workspace.write("in.safetensors", sample.fileContents)
    let outcome = try convertToStore(source, workspace.path("in.store"), compression)
    #expect(
      try contents(of: workspace.path("in.store")) == sample.byName, sourceLocation: sourceLocation)
    try convert(workspace.path("in.store"), workspace.path("out.safetensors"))
    let back = try SafetensorsSample(parsing: workspace.contents("out.safetensors"))
    #expect(back.byName == sample.byName, sourceLocation: sourceLocation)
    let metadata = sample.metadata.merging(["format": "pt"]) { own, _ in own }
    #expect(back.metadata == metadata, sourceLocation: sourceLocation)
    let report = try verification(of: workspace.path("in.store"))
    // Names that steer terminals are warned of.
    #expect(!report.hasFindings(.error), sourceLocation: sourceLocation)
    #expect(report.root == outcome.certificate.root, sourceLocation: sourceLocation)
  }

  /// Small enough to lie in one piece, and large enough for chunks.
  @Test(arguments: ConversionPlan.Compression.samples)
  func keepsEveryBitOfEveryDType(compression: ConversionPlan.Compression) throws {
    try check(.ofAllDTypes(64, seed: 1), compression)
    try check(.ofAllDTypes(16_384, seed: 2), compression)
  }

  /// Bits that arithmetic wouldn't keep.
  @Test(arguments: ConversionPlan.Compression.samples)
  func keepsSpecialNumbers(compression: ConversionPlan.Compression) throws {
    let words: [UInt32] = [
      0x7f80_0000, 0xff80_0000, 0x8000_0000, 0, 1, 0x807f_ffff, 0x7f80_0001, 0x7fc0_0000,
      0xffff_ffff, 0x7fa5_5a5a,
    ]
    let some = words.withUnsafeBytes { Data($0) }
    let many = (0..<500).reduce(into: Data()) { data, _ in data += some }
    try check(
      SafetensorsSample([
        SampleTensor("few", "F32", [10], some), SampleTensor("many", "F32", [500, 10], many),
        SampleTensor("halves", "BF16", [20], some),
        SampleTensor("bytes", "F8_E4M3", [500, 40], many),
        SampleTensor("halves of many", "F16", [10_000], many),
      ]), compression)
  }

  @Test func keepsWhatHasNoElementsOrNoExtents() throws {
    try check(
      SafetensorsSample([
        SampleTensor("empty", "F32", [0], Data()),
        SampleTensor("empty rows", "BF16", [3, 0], Data()),
        SampleTensor("no rows", "F4", [0, 4], Data()),
        SampleTensor("scalar", "F64", [], Data(1...8)),
        SampleTensor("ones", "U8", [1, 1, 1], Data([7])),
      ]), nil)
    try check(SafetensorsSample([SampleTensor("empty", "F32", [0], Data())]), .uncompressed)
    try check(SafetensorsSample([SampleTensor("scalar", "I64", [], Data(1...8))]), nil)
  }

  private static let oddNames = [
    ".", "..", "/", "//", "a/b/c", "./a", "%", "%%", "%2F", "a%2Fb", "%00", "line\nfeed", "\r\n",
    "tab\t", "\"quoted\" \\", "äöü 重み 🏋🏽", "é",
    "/\u{301}accent", "\u{1b}[31m", "\u{202e}", " ", "con", "~", String(repeating: "n", count: 300),
    String(repeating: "/", count: 300), String(repeating: "重", count: 100), "\u{feff}bom",
    "\u{fffd}",
  ]

  @Test func keepsAnyName() throws {
    var random = SampleRandom(seed: 3)
    for compression: ConversionPlan.Compression in [.zstd(level: nil), .uncompressed] {
      try check(
        SafetensorsSample(
          Self.oddNames.map { SampleTensor($0, "F32", [5], random.floats(5)) }
            + [SampleTensor("large/%", "F32", [2000], Data(count: 8000))]), compression)
    }
  }

  /// Names that a store can have, and safetensors can't.
  @Test(arguments: ["", "__metadata__", "\u{0}", "nul\u{0}", "nuls\u{0}\u{0}", "a\u{0}b"])
  func keepsNamesOfOtherFormats(name: String) throws {
    try HandMadeStore([.init(name, TensorType(.u8, [3]), .contiguous, [1, 2, 3])]).write(workspace)
    try convertToStore(workspace.path("made.store"), workspace.path("out.store"))
    let found = try contents(of: workspace.path("out.store"))
    #expect(found == [ExactName(name): SampleTensor(name, "U8", [3], Data([1, 2, 3]))])
    #expect(try !verification(of: workspace.path("out.store")).hasFindings(.error))
    let error = failure(of: request(workspace.path("out.store"), workspace.path("out")))
    #expect(error?.code == .unsupported && !workspace.has("out"))
  }

  /// Equal as Swift's strings, and two names in files.
  @Test func keepsNamesApartThatLookAlike() throws {
    let type = TensorType(.u8, [1])
    try HandMadeStore([
      .init("é", type, .contiguous, [1]), .init("e\u{301}", type, .contiguous, [2]),
    ]).write(workspace)
    try convertToStore(workspace.path("made.store"), workspace.path("out.store"))
    #expect(try verification(of: workspace.path("out.store")).findings.isEmpty)
    try convert(workspace.path("out.store"), workspace.path("out.safetensors"))
    for name in ["out.store", "out.safetensors"] {
      let found = try contents(of: workspace.path(name))
      #expect(found["é"]?.data == Data([1]) && found["e\u{301}"]?.data == Data([2]))
    }
  }

  @Test func refusesNamesThatNoLinkCanHave() throws {
    for name in [String(repeating: "n", count: 40_000), String(repeating: "/", count: 25_000)] {
      let sample = SafetensorsSample([SampleTensor(name, [1], floats: [1])])
      let source = try workspace.write("in.safetensors", sample.fileContents)
      let error = failure(of: request(source, workspace.path("out")) { $0.format = "store" })
      #expect(error?.code == .unsupported)
      #expect(!workspace.has("out") && !workspace.has(".out.partial"))
    }
  }

  @Test func keepsMetadata() throws {
    let tensor = SampleTensor("x", [1], floats: [1])
    for metadata in [
      ["format": "np"], ["format": "mlx"], ["": "", "ä": "line\nfeed \"x\" \\", "format": "pt"],
      ["only": "\u{0}"],
      [:],
    ] { try check(SafetensorsSample([tensor], metadata: metadata), nil) }
  }

  // MARK: Checkpoints

  @Test(
    arguments: Fixtures.names(in: "huggingface").filter { !$0.contains(".") },
    ConversionPlan.Compression.samples)
  func keepsHuggingFaceCheckpoints(name: String, compression: ConversionPlan.Compression) throws {
    let folder = Fixtures.path("huggingface/\(name)")
    let first = try convertToStore(folder, workspace.path("a.store"), compression) {
      $0.settings.sharding = .count(2)
    }
    // Other parts than the language model are said to be there.
    #expect(
      try verification(of: workspace.path("a.store")).findings.allSatisfy {
        $0.check == "part-set-aside"
      })
    let second = try convert(workspace.path("a.store"), workspace.path("b"))
    #expect(second.certificate.identities == first.certificate.identities)
    #expect(
      try SafetensorsSample(folder: workspace.path("b")).byName
        == SafetensorsSample(folder: folder).byName)
    for asset in first.certificate.assets {
      let name = asset.name.replacingOccurrences(of: "assets/", with: "")
      let original = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
      #expect(try workspace.contents("a.store/\(asset.name)") == original)
      #expect(try workspace.contents("b/\(name)") == original)
    }
    #expect(first.certificate.assets.map(\.name).contains("assets/config.json"))
  }

  @Test(arguments: MeshFixture.all)
  func keepsMeshTransformerCheckpoints(fixture: MeshFixture) throws {
    let first = try fixture.convert(to: workspace.path("a.store")) { $0.format = "store" }
    #expect(first.certificate.tensors.allSatisfy { $0.exactness == .exact })
    #expect(try verification(of: workspace.path("a.store")).findings.isEmpty)
    try convert(workspace.path("a.store"), workspace.path("b"), dtype: .f32)
    let tensors = try SafetensorsSample(folder: workspace.path("b")).byName
    for (name, expected) in try fixture.expected {
      #expect(tensors[ExactName(name)]?.data.digest == expected.sha256_f32le, "\(name)")
    }
    #expect(try tensors.count == fixture.expected.count)
  }

  /// config.json may nest as deeply as JSON may here, and the manifest that carries it not more deeply.
  @Test func keepsConfigurationsOfAnyForm() throws {
    let deep = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
    for text in [
      #"{"deep": \#(deep)}"#, "no JSON", "{\"a\": 1, \"a\": 2}", "[]", "",
      "{\"a\": 1e999, \"b\": -0.0}",
    ] {
      let sample = SafetensorsSample([SampleTensor("x", [1], floats: [1])])
      try workspace.write("in/model.safetensors", sample.fileContents)
      try workspace.write("in/config.json", Data(text.utf8))
      try convertToStore(workspace.path("in"), workspace.path("out.store")) { $0.force = true }
      #expect(try workspace.contents("out.store/assets/config.json") == Data(text.utf8))
      let source = try Source(workspace.path("out.store"))
      #expect(source.checkpoint.configuration == Array(text.utf8), "\(text)")
    }
  }
}
