import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import Foundation
import TensorModel
import TestSupport
import Testing

/// Quantized weights that are broken, or made to do harm: each has its error, by the name of a part or of the configuration.
@Suite struct QuantizedHostileTests {
  private static let cases = Fixtures.cases("bad/quantized")

  private static func folder(_ name: String, in room: borrowing Workspace) throws -> String {
    let path = room.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  @Test func thereAreFilesToTry() {
    #expect(Self.cases.count == 246)
    #expect(Set(Self.cases.map(\.verdict)) == ["accept", "warn", "reject"])
  }

  @Test(.timeLimit(.minutes(1)), arguments: cases)
  func haveTheirVerdict(_ file: Fixtures.Case) throws {
    let room = try Workspace()
    let error = failure(of: request(file.path, room.path("out"), dtype: .f32))
    let report = try Verifier(file.path, OpenOptions(), smallResources).run(against: nil)
    let isSaid = report.findings.contains {
      ["nan", "infinity"].contains($0.check)
    }
    #expect(isSaid == (file.verdict == "warn"))
    #expect((error == nil) == (file.verdict != "reject"), "\(error?.description ?? "no error")")
    guard let error else { return }
    #expect(error.tensor != nil)
    #expect([.malformed, .missing, .unsupported].contains(error.code), "\(error.code)")
    #expect(error.expected != nil || error.found != nil || error.code == .missing, "\(error)")
    #expect(!FileManager.default.fileExists(atPath: room.path("out")))
  }

  /// Parts without elements, whose other extent may be any number.
  @Test(
    .timeLimit(.minutes(1)),
    arguments: cases.filter { $0.verdict == "accept" && !$0.path.hasSuffix(".safetensors") })
  func partsWithoutElementsAreRefused(_ file: Fixtures.Case) throws {
    let weights = "\(file.path)/model.safetensors"
    guard FileManager.default.fileExists(atPath: weights) else { return }
    let room = try Workspace()
    let sample = try SafetensorsSample(parsing: Data(contentsOf: URL(filePath: weights)))
    for place in sample.tensors.indices where sample.tensors[place].shape.count == 2 {
      for shape in [[0, 1 << 60], [1 << 61, 0], [0, 0]] {
        var changed = sample
        changed.tensors[place].shape = shape
        changed.tensors[place].data = Data()
        let folder = try Self.folder("\(place)-\(shape[0].trailingZeroBitCount)", in: room)
        for name in ["config.json", "quantize_config.json"] {
          try? FileManager.default.copyItem(
            atPath: "\(file.path)/\(name)", toPath: "\(folder)/\(name)")
        }
        try changed.fileContents.write(to: URL(filePath: "\(folder)/model.safetensors"))
        let error = failure(of: request(folder, room.path("out"), dtype: .f32))
        #expect(error != nil, "\(sample.tensors[place].name) \(shape)")
      }
    }
  }

  /// A configuration that is as large as they get: what is in it is looked for by name.
  @Test(.timeLimit(.minutes(1))) func longListsDontTakeLong() throws {
    let room = try Workspace()
    let golden = Fixtures.path("bad/quantized/ok_ct")
    let names = (0..<100_000).map { "\"model.layers.\($0).mlp\"" }.joined(separator: ", ")
    for key in ["\"ignore\":", "\"targets\":"] {
      let folder = try Self.folder("\(key.count)", in: room)
      try FileManager.default.copyItem(
        atPath: "\(golden)/model.safetensors", toPath: "\(folder)/model.safetensors")
      var text = try String(contentsOfFile: "\(golden)/config.json", encoding: .utf8)
      if key.contains("targets") {
        text = text.replacing("\"targets\": [", with: "\"targets\": [\(names), ")
      } else {
        text = text.replacing("\"quant_method\"", with: "\"ignore\": [\(names)], \"quant_method\"")
      }
      try Data(text.utf8).write(to: URL(filePath: "\(folder)/config.json"))
      try convert(folder, room.path("out-\(key.count)"), dtype: .f32)
    }
  }

  /// As many modules as targets.
  @Test(.timeLimit(.minutes(1))) func manyModulesDontTakeLong() throws {
    let room = try Workspace()
    let folder = try Self.folder("many", in: room)
    let one = try SafetensorsSample(
      parsing: Data(Fixtures.bytes("bad/quantized/ok_ct/model.safetensors")))
    var sample = one
    sample.tensors = (0..<3000).flatMap { number in
      one.tensors.map { tensor in
        var copy = tensor
        copy.name = "layers.\(number)" + tensor.name
        return copy
      }
    }
    try sample.fileContents.write(to: URL(filePath: "\(folder)/model.safetensors"))
    let names = (0..<3000).map { "\"layers.\($0)m\"" }.joined(separator: ", ")
    let text = try String(
      contentsOfFile: Fixtures.path("bad/quantized/ok_ct/config.json"), encoding: .utf8
    ).replacing("\"targets\": [\"Linear\"]", with: "\"targets\": [\(names), \"re:(.*.*.*)*x\"]")
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/config.json"))
    let model = try Source(folder).model()
    #expect(model.problems.isEmpty)
    #expect(model.tensors.count == 3000)
  }
}
