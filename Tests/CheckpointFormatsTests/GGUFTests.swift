import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// GGUF files as checkpoints, whole and split.
@Suite struct GGUFTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func open(_ file: GGUFBuilder, _ name: String = "x.gguf") throws -> Source {
    try Source(workspace.write(name, Data(file.contents)))
  }

  // MARK: Files

  @Test(arguments: Fixtures.cases("bad/gguf")) func filesGetTheirVerdicts(_ file: Fixtures.Case)
    throws
  {
    let error = try failure(file.path)
    #expect((error != nil) == (file.verdict == "reject"), "\(error?.description ?? "")")
    guard file.verdict != "reject" else { return }
    let findings = try Source(file.path).checkpoint.findings
    #expect(findings.contains { $0.severity == .warning } == (file.verdict == "warn"))
  }

  @Test func theNameSaysWhatItHasToBe() throws {
    let safetensors = try Fixtures.bytes("huggingface/qwen2_tied/model.safetensors")
    let path = try workspace.write("x.gguf", Data(safetensors))
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.code == .malformed && error?.message.contains("not a GGUF file") == true)
    // And another name hides nothing.
    let gguf = Data(try Fixtures.bytes("gguf/llama_biases.F32.gguf"))
    for name in ["model", "model.bin", "model.npz"] {
      #expect(try Source(workspace.write(name, gguf)).checkpoint.format == "gguf", "\(name)")
    }
  }

  @Test func swapsTheBytesOfBigEndianFiles() throws {
    var file = GGUFBuilder()
    file.isBigEndian = true
    file.add(tensor: "f32", extents: [2], [0x3f, 0x80, 0, 0, 0x40, 0, 0, 0])
    file.add(tensor: "f16", type: 1, extents: [1, 2], [0x3c, 0, 0x40, 0])
    file.add(tensor: "i8", type: 24, extents: [2], [1, 2])
    file.add(tensor: "f64", type: 28, extents: [1], [0x3f, 0xf0, 0, 0, 0, 0, 0, 0])
    let reader = try open(file).reader
    #expect(try reader.contents(0) == [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
    #expect(try reader.contents(1) == [0, 0x3c, 0, 0x40])
    #expect(try reader.contents(2) == [1, 2])
    #expect(try reader.contents(3) == [0, 0, 0, 0, 0, 0, 0xf0, 0x3f])
    #expect(reader.checkpoint.layout.contains("big-endian"))
    file.add(tensor: "blocks", type: 8, extents: [32], [UInt8](0..<34))
    let error = #expect(throws: CheckpointError.self) { try open(file) }
    #expect(error?.code == .unsupported && error?.tensor == "blocks")
  }

  @Test func readsBackWhatItLaysOut() throws {
    var random = FixedRandom(seed: 3)
    let dtypes = DType.allCases.filter { $0.ggmlType != nil }
    #expect(dtypes.count == 22)
    let tensors =
      dtypes.map { ($0.rawValue, TensorType($0, [3, 2, $0.blockElementCount])) }
      + [("scalar", TensorType(.f32, [])), ("odd", TensorType(.i8, [7]))]
    let metadata: [(key: String, value: GGUFValue)] = [
      ("a", .unsigned(7, .uint16)), ("b", .signed(-7, .int64)), ("c", .float(0.1, .float32)),
      ("d", .float(0.1, .float64)), ("e", .bool(false)), ("f", .string([0xff])),
      ("g", .array(GGUFArray(["x", ""]))), ("h", .array(GGUFArray([1, 2] as [Int32]))),
      ("i", .array(GGUFArray([] as [Float]))),
    ]
    let layout = try GGUFLayout.layout(tensors, metadata: metadata)
    var file = Data(count: layout.byteCount)
    for run in layout.frame {
      file.replaceSubrange(run.byteOffset..<run.byteOffset + run.bytes.count, with: run.bytes)
    }
    var contents: [[UInt8]] = []
    for ((_, type), place) in zip(tensors, layout.places) {
      let bytes = random.bytes(type.geometry.rows * type.geometry.rowByteCount)
      file.replaceSubrange(place.byteOffset..<place.byteOffset + bytes.count, with: bytes)
      contents.append(bytes)
    }
    let source = try Source(workspace.write("out.gguf", file))
    #expect(source.checkpoint.findings.map(\.check) == ["gguf-shape"])  // The scalar.
    for (index, (name, type)) in tensors.enumerated() {
      #expect(source.checkpoint.tensors[index].name == name)
      #expect(source.checkpoint.type(of: name) == type)
      #expect(try source.reader.contents(index) == contents[index], "\(name)")
    }
    let header = try GGUFHeader(InputFile(path: workspace.path("out.gguf")).region)
    #expect(header.metadata.map(\.key) == metadata.map(\.key))
    for (key, value) in metadata where key != "c" { #expect(header[key] == value) }
    #expect(header["c"]?.number == Double(Float(0.1)) && header.trailingByteCount == 0)
  }

  @Test(arguments: [
    ("x", TensorType(.u8, [1])), ("x", TensorType(.f32, [1, 1, 1, 1, 1])),
    ("", TensorType(.f32, [1])), (String(repeating: "x", count: 64), TensorType(.f32, [1])),
  ])
  func laysNothingOutThatItDoesNotHave(_ name: String, _ type: TensorType) {
    let error = #expect(throws: CheckpointError.self) {
      try GGUFLayout.layout([(name, type)], metadata: [])
    }
    #expect(error?.code == .unsupported)
  }

  // MARK: Split sets

  private static let parts = (1...3).map { "qwen2-0000\($0)-of-00003.gguf" }

  /// The set, and what is done to it.
  private func set(_ edit: (Workspace) throws -> Void) throws -> CheckpointError? {
    try workspace.copy(Fixtures.path("gguf/qwen2_split"), to: "set")
    try edit(workspace)
    return try failure(workspace.path("set"))
  }

  @Test func setsAreReadWhole() throws {
    let source = try Source(Fixtures.path("gguf/qwen2_split"))
    #expect(source.checkpoint.files.map(\.name) == Self.parts)
    #expect(source.inputs.map(\.name) == Self.parts)
    #expect(source.checkpoint.layout == "3 parts of a set")
    for part in Self.parts {
      let named = try Source(Fixtures.path("gguf/qwen2_split/\(part)"))
      #expect(named.inputs.map(\.name) == Self.parts)
      #expect(named.checkpoint.tensors == source.checkpoint.tensors)
    }
    #expect(try set { _ in } == nil)
  }

  @Test(arguments: 0..<3) func aPartMayNotBeMissing(_ part: Int) throws {
    let error = try set { try $0.remove("set/\(Self.parts[part])") }
    #expect(error?.code == .missing && error?.expected == "3 parts" && error?.found == "2")
    #expect(error?.hint != nil)
    let other = try failure(workspace.path("set/\(Self.parts[(part + 1) % 3])"))
    #expect(other?.code == .missing && other?.found == "2")
  }

  @Test func partsMayNotBeExchangedRenamedOrFromElsewhere() throws {
    let exchanged = try set {
      try $0.move("set/\(Self.parts[0])", to: "set/x")
      try $0.move("set/\(Self.parts[1])", to: "set/\(Self.parts[0])")
      try $0.move("set/x", to: "set/\(Self.parts[1])")
    }
    #expect(exchanged?.code == .malformed && exchanged?.file == Self.parts[0])
    try workspace.remove("set")
    let twice = try set {
      try $0.remove("set/\(Self.parts[2])")
      try $0.copy($0.path("set/\(Self.parts[1])"), to: "set/\(Self.parts[2])")
    }
    #expect(twice?.code == .malformed)
    try workspace.remove("set")
    let foreign = try set {
      try $0.copy(Fixtures.path("gguf/llama_biases.F32.gguf"), to: "set/other.gguf")
    }
    #expect(foreign?.code == .unsupported && foreign?.found?.contains("other.gguf") == true)
    try workspace.remove("set")
    let renamed = try set {
      try $0.move("set/\(Self.parts[2])", to: "set/other-00003-of-00003.gguf")
    }
    #expect(renamed?.code == .unsupported)
  }

  @Test func aSetHasAsManyTensorsAsItSays() throws {
    let counts: [(Int32, CheckpointError.Code?)] = [(2, nil), (3, .malformed)]
    for (tensors, code) in counts {
      for part in 0..<2 {
        var file = GGUFBuilder()
        file.add("split.no", type: 2, file.bytes(UInt16(part)))
        file.add("split.count", type: 2, file.bytes(UInt16(2)))
        file.add("split.tensors.count", type: 5, file.bytes(tensors))
        file.add(tensor: "t\(part)", extents: [1], [0, 0, 0, 0])
        try workspace.write("s/x-0000\(part + 1)-of-00002.gguf", Data(file.contents))
      }
      #expect(try failure(workspace.path("s"))?.code == code)
    }
  }

  @Test func sameNamesInTwoPartsAreRefused() throws {
    for part in 0..<2 {
      var file = GGUFBuilder()
      file.add("split.no", type: 2, file.bytes(UInt16(part)))
      file.add("split.count", type: 2, file.bytes(UInt16(2)))
      file.add(tensor: "t", extents: [1], [0, 0, 0, 0])
      try workspace.write("s/x-0000\(part + 1)-of-00002.gguf", Data(file.contents))
    }
    #expect(try failure(workspace.path("s"))?.code == .malformed)
  }

}
