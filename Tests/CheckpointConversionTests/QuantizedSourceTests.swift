import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Weights of other quantizers' files: one of each kind, as their programs wrote them, and what their libraries make of it; and what no program at
/// hand writes, computed apart from the code under test.
@Suite struct QuantizedSourceTests {
  struct Golden: Decodable, CustomTestStringConvertible, Sendable {
    struct Weight: Decodable, Sendable {
      let name: String
      let shape: [Int]
      let sha256: String
    }

    let name: String
    let method: String
    let weights: [Weight]
    var testDescription: String { name }
    /// Digests of the values by the weights' names.
    var digests: [String: String] {
      Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.sha256) })
    }
    var path: String { Fixtures.path("quantized/\(name)") }

    /// Whether the groups of GPTQ lie one after the other.
    var isInOrder: Bool { method == "gptq" && !name.contains("act_order") }

    /// Whether a part is codes with a scale of the whole, which go with any shape.
    func hasOneScale(_ part: String) -> Bool {
      guard part.hasSuffix(".weight"), let sample = try? sample() else { return false }
      return !sample.tensors.contains {
        $0.name.hasPrefix("\(part)_scale") && $0.shape.reduce(1, *) > 1
      } && method != "mlx" && method != "bitsandbytes"
    }

    /// The parts, to be changed.
    func sample() throws -> SafetensorsSample {
      try SafetensorsSample(
        parsing: Data(Fixtures.bytes("quantized/\(name)/model.safetensors")))
    }

    /// A copy with other parts.
    func copy(_ sample: SafetensorsSample, in room: borrowing Workspace) throws -> String {
      let folder = room.path("copy-\(UInt32.random(in: 0...UInt32.max))")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try sample.fileContents.write(to: URL(filePath: "\(folder)/model.safetensors"))
      try Data(Fixtures.bytes("quantized/\(name)/config.json"))
        .write(to: URL(filePath: "\(folder)/config.json"))
      return folder
    }
  }

  static let all =
    (try? JSONDecoder().decode(
      [Golden].self, from: Data(Fixtures.bytes("quantized/manifest.json")))) ?? []

  private static func floats(_ data: Data) -> [Float] { data.numbers() }

  @Test func thereIsOneOfEachKind() {
    #expect(Self.all.count == 85)
    #expect(Set(Self.all.map(\.method)) == Set(QuantizedWeights.kinds.map(\.method)))
  }

  /// The documentation's table has what the registries have: copy rows from this test's report.
  @Test func theDocumentationHasARowForEach() throws {
    let page = try String(
      contentsOf: Fixtures.packageRoot.appending(path: "docs/reference/quantized-formats.md"),
      encoding: .utf8)
    let head = "| stored as | `method` | read | written | repacked |\n|---|---|---|---|---|\n"
    let gguf = (
      "gguf", "GGUF: blocks of llama.cpp",
      "MXFP4 as gpt-oss's, MLX's and compressed-tensors', Q8_0, Q5_0, Q5_1, Q4_0 and Q4_1 as MLX's, "
        + "Q4_0 as compressed-tensors', and back, bit for bit"
    )
    let rows = (QuantizedWeights.kinds + [gguf]).map { method, summary, repacked in
      "| \(summary) | `\(method)` | ✓ | \(Self.written(method)) | \(repacked) |"
    }
    let table = try #require(page.split(separator: head).dropFirst().first)
    let found = table.split(separator: "\n", omittingEmptySubsequences: false)
      .prefix { $0.hasPrefix("|") }.map { String($0) }
    // Empty cells are one blank wide.
    let expected = rows.map { $0.replacing("|  |", with: "| |").replacing("|  |", with: "| |") }
    #expect(found.sorted() == expected.sorted())
  }

  /// Names of the schemes that are written in a container of the method's name.
  private static func written(_ method: String) -> String {
    QuantizationScheme.families.filter { $0.schemes.first?.container.title == method }
      .flatMap { $0.names.split(separator: " ") }.map { "`\($0)`" }.joined(separator: ", ")
  }

  @Test(arguments: all) func valuesAreTheLibrarys(_ golden: Golden) throws {
    let model = try Source(golden.path).model()
    #expect(model.quantized?.method == golden.method)
    #expect(model.problems.isEmpty)
    #expect(model.tensors.count == golden.weights.count)
    for weight in golden.weights {
      let tensor = try #require(model.tensors.first { $0.name == weight.name })
      #expect(tensor.shape.dimensions == weight.shape)
    }
    let room = try Workspace()
    let outcome = try convert(golden.path, room.path("f32"), dtype: .f32)
    #expect(outcome.digests == golden.digests)
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    // Another dtype is the value rounded once.
    try convert(golden.path, room.path("bf16"), dtype: .bf16)
    let whole = try SafetensorsSample(
      parsing: Data(contentsOf: URL(filePath: room.path("f32/model.safetensors"))))
    let half = try SafetensorsSample(
      parsing: Data(contentsOf: URL(filePath: room.path("bf16/model.safetensors"))))
    for tensor in whole.tensors {
      let bits: [UInt16] = try #require(half.tensors.first { $0.name == tensor.name }).data
        .numbers()
      #expect(bits == Self.floats(tensor.data).map { BFloat.rounded($0) })
    }
  }

  @Test(arguments: all) func nothingOfTheQuantizationIsLeft(_ golden: Golden) throws {
    let room = try Workspace()
    let copy = try golden.copy(golden.sample(), in: room)
    try Data("{}".utf8).write(to: URL(filePath: "\(copy)/quantize_config.json"))
    let outcome = try convert(copy, room.path("out"), dtype: .f16)
    let configuration = try String(contentsOfFile: room.path("out/config.json"), encoding: .utf8)
    #expect(!configuration.contains("quant"))
    #expect(!FileManager.default.fileExists(atPath: room.path("out/quantize_config.json")))
    #expect(Set(outcome.certificate.tensors.map(\.name)) == Set(golden.weights.map(\.name)))
    // The expression makes the same again.
    for record in outcome.certificate.tensors {
      let expression = try TensorExpression(parsing: record.expression, sources: record.sources)
      #expect(expression.description == record.expression)
    }
  }

  @Test(arguments: all) func aCopyKeepsPartsAsTheyAre(_ golden: Golden) throws {
    let room = try Workspace()
    for format in ["safetensors", "store"] {
      let outcome = try convert(golden.path, room.path(format)) { $0.format = format }
      let sample = try golden.sample()
      #expect(Set(outcome.certificate.tensors.map(\.name)) == Set(sample.tensors.map(\.name)))
      #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
      // Which is as good a source.
      let again = try convert(room.path(format), room.path("\(format)-f32"), dtype: .f32)
      #expect(again.digests == golden.digests)
    }
    let error = failure(of: request(golden.path, room.path("out")) { $0.format = "npz" })
    #expect(error?.code == .usage)
    #expect(error?.hint?.contains("--dtype") == true)
  }

  @Test(arguments: all) func regionsArePartsOfTheWhole(_ golden: Golden) throws {
    let source = try Source(golden.path)
    let tensor = try #require(try source.model().tensors.first)
    let expression = try CompiledExpression(
      .reshape(
        tensor.expression,
        [tensor.shape.dimensions[0], tensor.shape.elementCount / tensor.shape.dimensions[0]]),
      in: source.reader.checkpoint)
    let evaluator = TensorEvaluator(source.reader)
    let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
    let (rows, columns) = (expression.geometry.rows, expression.geometry.columns)
    func values(_ region: MatrixRegion) throws -> [Float] {
      var values = [Float](repeating: 0, count: region.cellCount)
      try values.withUnsafeMutableBytes { buffer in
        guard let base = buffer.baseAddress, !buffer.isEmpty else { return }
        _ = try evaluator.evaluate(
          expression, region,
          into: MatrixBuffer(base: base, rowStride: region.columns.count * 4), scratch: scratch)
      }
      return values
    }
    let whole = try values(MatrixRegion(rows: 0..<rows, columns: 0..<columns))
    for (rowRange, columnRange) in [
      (0..<1, 0..<columns), (rows - 1..<rows, 0..<1), (1..<3, 31..<33),
      (2..<rows, 5..<columns - 1), (0..<rows, 62..<63), (3..<4, 0..<columns), (1..<2, 7..<7),
    ] {
      let region = MatrixRegion(rows: rowRange, columns: columnRange)
      let expected = rowRange.flatMap { row in columnRange.map { whole[row * columns + $0] } }
      #expect(
        try values(region).map(\.bitPattern) == expected.map(\.bitPattern), "\(region)")
    }
  }

  // MARK: Hostile files

  /// What other programs can do without as well.
  private static let optional = [
    ".weight_format", ".input_scale", ".input_global_scale", ".activation_scale",
  ]

  @Test(arguments: all) func missingPartsAreNamed(_ golden: Golden) throws {
    let room = try Workspace()
    for part in try golden.sample().tensors.map(\.name)
    where !Self.optional.contains(where: part.hasSuffix)
      && !(golden.isInOrder && part.hasSuffix(".g_idx"))
    {
      var sample = try golden.sample()
      sample.tensors.removeAll { $0.name == part }
      let copy = try golden.copy(sample, in: room)
      let error = failure(of: request(copy, room.path("out"), dtype: .f32))
      #expect(error != nil, "\(part)")
      #expect(error?.tensor != nil && error?.hint != nil, "\(part): \(error?.message ?? "")")
      #expect(!FileManager.default.fileExists(atPath: room.path("out")))
    }
  }

  @Test(arguments: all) func partsOfOtherShapesAreRefused(_ golden: Golden) throws {
    let room = try Workspace()
    for (place, part) in try golden.sample().tensors.enumerated()
    where part.shape.reduce(1, *) > 1 && !part.name.contains("quant_state")
      && !(golden.name.contains("_block") && part.name.hasSuffix(".weight"))
      && !golden.hasOneScale(part.name)
      // The last group may be cut.
      && !(golden.name == "gptq_v1_no_index" && part.name.hasSuffix(".qweight"))
    {
      var sample = try golden.sample()
      // One less along the first axis that has more than one.
      let axis = try #require(part.shape.firstIndex { $0 > 1 })
      let inner = part.shape[axis...].dropFirst().reduce(1, *)
      let width = part.data.count / part.shape.reduce(1, *)
      sample.tensors[place].shape[axis] -= 1
      sample.tensors[place].data = part.data.prefix(
        (part.shape[axis] - 1) * inner * width * part.shape[..<axis].reduce(1, *))
      let copy = try golden.copy(sample, in: room)
      let error = failure(of: request(copy, room.path("out"), dtype: .f32))
      #expect(error != nil, "\(part.name)")
      #expect(!FileManager.default.fileExists(atPath: room.path("out")))
    }
  }

  @Test(
    arguments: all.filter {
      ($0.method == "gptq" && $0.name != "gptq_v1_no_index") || $0.name.hasPrefix("ct_g_idx")
    })
  func groupsThatAreNotThereAreRefused(_ golden: Golden) throws {
    let room = try Workspace()
    for bytes: [UInt8] in [[0, 0, 0, 0x40], [0xff, 0xff, 0xff, 0xff]] {
      var sample = try golden.sample()
      let place = try #require(sample.tensors.firstIndex { $0.name.hasSuffix("g_idx") })
      sample.tensors[place].data.replaceSubrange(
        sample.tensors[place].data.suffix(4).indices, with: bytes)
      let copy = try golden.copy(sample, in: room)
      let error = failure(of: request(copy, room.path("out"), dtype: .f32))
      #expect(error?.code == .malformed)
      #expect(error?.expected?.hasPrefix("0 to ") == true)
    }
  }

  @Test(arguments: all.filter { $0.method == "bitsandbytes" && !$0.name.contains("int8") })
  func statesThatSaySomethingElseAreRefused(_ golden: Golden) throws {
    let room = try Workspace()
    for text in [
      "[", "{}", #"{"shape": [1, 2], "blocksize": 64}"#, #"{"shape": [64], "blocksize": 64}"#,
      #"{"shape": [4611686018427387904, 4], "blocksize": 64}"#,
      #"{"shape": [64, 128], "blocksize": 0}"#, #"{"shape": [-64, -128], "blocksize": 64}"#,
    ] {
      var sample = try golden.sample()
      let place = try #require(sample.tensors.firstIndex { $0.name.contains("quant_state") })
      sample.tensors[place].data = Data(text.utf8)
      sample.tensors[place].shape = [text.utf8.count]
      let copy = try golden.copy(sample, in: room)
      #expect(failure(of: request(copy, room.path("out"), dtype: .f32)) != nil, "\(text)")
    }
  }

  /// Weights that were turned beforehand are themselves again where nothing else turns.
  @Test func transformsWhileAModelRunsAreRefused() throws {
    let room = try Workspace()
    let golden = try #require(Self.all.first { $0.name == "ct_w6_g32" })
    let copy = try golden.copy(golden.sample(), in: room)
    let text = try String(contentsOfFile: "\(copy)/config.json", encoding: .utf8)
    for (location, isFine) in [("weight_input", true), ("input", false), ("k_cache", false)] {
      let transforms = #"{"config_groups": {"R": {"apply": [{"location": "\#(location)"}]}}}"#
      let edited = text.replacing(
        "\"ignore\":", with: "\"transform_config\": \(transforms),\n  \"ignore\":")
      try Data(edited.utf8).write(to: URL(filePath: "\(copy)/config.json"))
      let error = failure(of: request(copy, room.path("out-\(location)"), dtype: .f32))
      #expect((error == nil) == isFine)
      #expect(isFine || error?.found == location)
    }
  }

  @Test func aFileOfTheOtherVersionIsSaid() throws {
    for golden in Self.all where golden.method == "gptq" {
      let findings = try Source(golden.path).model().findings
      let isSaid = findings.contains { $0.check == "zero-points-of-other-version" }
      #expect(isSaid == golden.name.contains("mislabelled"), "\(golden.name)")
    }
  }
}

extension Converter.Outcome {
  /// Digests of what was written, by name.
  fileprivate var digests: [String: String] {
    Dictionary(
      uniqueKeysWithValues: certificate.tensors.map { ($0.name, $0.digest.hexadecimal) })
  }
}

/// bfloat16 without the code under test.
private enum BFloat {
  static func rounded(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
  }
}
