import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// One soundness check: what `verify` says of a model, and what the commands that write one do about it.
@Suite struct ModelSoundnessTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// What is done to a model.
  enum Change: String, CaseIterable, CustomStringConvertible {
    case missing, transposed, shape, unknown, sizes, lfs, shards
    var description: String { rawValue }

    /// The id of the finding.
    var finding: String {
      switch self {
      case .missing: "tensor-missing"
      case .transposed: "tensor-transposed"
      case .shape: "tensor-shape"
      case .unknown: "tensor-unknown"
      case .sizes, .lfs: "configuration-unusable"
      case .shards: "shards-missing"
      }
    }

    /// Whether `verify` fails it.
    var isError: Bool { self != .unknown }
  }

  private static let weight = "model.layers.0.mlp.down_proj.weight"

  private func write(_ change: Change) throws -> String {
    var sample = try ModelSample("llama")
    let place = try #require(sample.tensors.tensors.firstIndex { $0.name == Self.weight })
    switch change {
    case .missing: sample.tensors.tensors.remove(at: place)
    case .transposed: sample.tensors.tensors[place].shape.reverse()
    case .shape:
      let last = sample.tensors.tensors.firstIndex { $0.name == "model.norm.weight" }
      let norm = try #require(last)
      sample.tensors.tensors[norm].shape = [sample.tensors.tensors[norm].shape[0], 1]
    case .unknown: sample.tensors.tensors[place].name += ".other"
    case .sizes: sample.configuration["hidden_size"] = "wide"
    case .lfs, .shards: break
    }
    if change == .unknown {
      var copy = try ModelSample("llama").tensors.tensors[place]
      copy.name = Self.weight
      sample.tensors.tensors.append(copy)
    }
    let path = try sample.write(workspace, "model")
    if change == .lfs {
      try workspace.write(
        "model/config.json",
        Data("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".utf8))
    }
    if change == .shards {
      let file = URL(filePath: "\(path)/model.safetensors")
      try FileManager.default.moveItem(
        at: file, to: URL(filePath: "\(path)/model-00001-of-00003.safetensors"))
    }
    return path
  }

  @Test(arguments: Change.allCases)
  func isTheSameInEveryCommand(_ change: Change) throws {
    let path = try write(change)
    let report = try Weighbridge.run("verify", path)
    #expect(report.code == (change.isError ? 1 : 0))
    #expect(report.text.contains("[\(change.finding)]"), "\(report.text)")
    #expect(report.text.contains("configuration passed") != change.isError)

    for format in ["safetensors", "store", "npz"] {
      let copy = try Weighbridge.run(
        "convert", path, workspace.path("copy-\(format)"), "--to", format, "--dtype", "f32")
      let refuses = change == .missing || change == .transposed
      #expect(copy.code == (refuses ? 2 : 0), "\(format): \(copy.errors)")
      #expect(copy.errors.contains("[\(change.finding)]") != refuses, "\(format)")
      #expect(workspace.has("copy-\(format)") != refuses)
    }
    let assets = fixture("gguf/tokenizer")
    let conversion = try Weighbridge.run(
      "convert", path, workspace.path("x.gguf"), "--assets", assets)
    #expect(conversion.code == (change.isError ? 2 : 0), "\(conversion.errors)")
    let quantization = try Weighbridge.run(
      "quantize", path, workspace.path("q.gguf"), "--scheme", "q8_0", "--assets", assets)
    #expect(quantization.code == (change.isError ? 2 : 0), "\(quantization.errors)")
    #expect(!quantization.errors.contains("forward pass"))
  }

  /// Another configuration than the folder's is said, and counts.
  @Test func aConfigurationThatIsGivenReplacesTheFoldersOwn() throws {
    let path = try write(.sizes)
    let own = try ModelSample("llama").write(workspace, "own")
    let report = try Weighbridge.run("verify", path, "--config", "\(own)/config.json")
    #expect(report.code == 0 && report.text.contains("[configuration-replaced]"))
    let conversion = try Weighbridge.run(
      "convert", path, workspace.path("out"), "--to", "safetensors", "--config",
      "\(own)/config.json")
    #expect(conversion.code == 0 && conversion.errors.contains("[configuration-replaced]"))
    let written = try Data(contentsOf: URL(filePath: workspace.path("out/config.json")))
    #expect(try written == Data(contentsOf: URL(filePath: "\(own)/config.json")))
  }

  @Test(arguments: [
    ("\u{FEFF}{}", "byte-order mark"), ("", "the file is empty"),
    ("<!DOCTYPE html><html></html>", "a web page"), ("{\"a\": 1,\n \"b\" 2}", "line 2, column 6"),
  ])
  func whatIsNoConfigurationIsNamed(_ text: String, _ message: String) throws {
    let path = try ModelSample("llama").write(workspace, "model")
    for encoding in [String.Encoding.utf8, .utf16LittleEndian, .utf16BigEndian] {
      let data = try #require(text.data(using: encoding))
      try workspace.write("model/config.json", data)
      let expected = encoding == .utf8 || text.isEmpty ? message : "UTF-16"
      let report = try Weighbridge.run("verify", path)
      #expect(report.code == 1 && report.text.contains(expected), "\(report.text)")
      #expect(try Weighbridge.run("forward", path, "--tokens", "1").code == 2)
    }
  }

  @Test func codeOfTheModelsOwnIsAWarning() throws {
    var sample = try ModelSample("llama")
    sample.configuration["auto_map"] = ["AutoModel": "modeling_x.Model"]
    let path = try sample.write(workspace, "model")
    for command in [["verify", path], ["inspect", path], ["forward", path, "--tokens", "1,2"]] {
      let outcome = try Weighbridge.run(command)
      #expect(outcome.code == 0)
      #expect((outcome.text + outcome.errors).contains("modeling_x.Model"), "\(command)")
    }
  }

  /// Files beside the weights that are called nearly like the configuration.
  @Test(arguments: ["safetensors", "store"])
  func validationReadsTheDestinationsConfiguration(_ format: String) throws {
    let path = try ModelSample("llama").write(workspace, "model")
    for name in ["generation_config.json", "tokenizer_config.json", "adapter_config.json"] {
      try workspace.write("model/\(name)", Data("{\"eos_token_id\": 2}".utf8))
    }
    let outcome = try Weighbridge.run(
      "convert", path, workspace.path("out"), "--to", format, "--validate")
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("logits differ by at most 0,"), "\(outcome.text)")
  }

  /// An embedding model's GGUF file has no head either, and is whole.
  @Test func modelsWithoutAHeadComeBackFromGGUF() throws {
    var sample = try ModelSample("llama")
    sample.configuration["architectures"] = ["LlamaModel"]
    sample.tensors.tensors.removeAll { $0.name.hasPrefix("lm_head") }
    let path = try sample.write(workspace, "model")
    let file = workspace.path("x.gguf")
    let conversion = try Weighbridge.run(
      "convert", path, file, "--assets", fixture("gguf/tokenizer"))
    #expect(conversion.code == 0 && conversion.errors.contains("[gguf-headless]"))
    let report = try Weighbridge.run("verify", file)
    #expect(report.code == 0, "\(report.text)")
    let back = try Weighbridge.run("convert", file, workspace.path("back"), "--to", "hf")
    #expect(back.code == 0, "\(back.errors)")
    let comparison = try Weighbridge.run("compare", path, workspace.path("back"))
    #expect(comparison.code == 0, "\(comparison.text)")
  }

  /// Keys of GGUF are what llama.cpp computes with, and no tensor's shape contradicts some of them.
  @Test(arguments: [("rotary_dim", 4), ("layer_norm_epsilon", 1e-4), ("layer_norm_epsilon", nil)])
  func keysAreComparedWithTheOthersConfiguration(_ key: String, _ value: Double?) throws {
    var sample = try ModelSample("gptj")
    let path = try sample.write(workspace, "m")
    let file = workspace.path("m.gguf")
    let written = try Weighbridge.run(
      "convert", path, file, "--assets", fixture("huggingface/gptj"))
    #expect(written.code == 0, "\(written.errors)")
    if let value {
      sample.configuration[key] = value == value.rounded() ? Int(value) : value
      _ = try sample.write(workspace, "m")
    }
    let found = try Weighbridge.run("verify", file, "--against", path)
    #expect(found.code == (value == nil ? 0 : 1), "\(found.text)")
    #expect(found.text.contains("the configurations differ in '\(key)'") == (value != nil))
  }
}
