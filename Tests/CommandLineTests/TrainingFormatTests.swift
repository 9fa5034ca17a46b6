import FileContainers
import Foundation
import TestSupport
import Testing

/// Every command over what training frameworks leave behind.
@Suite struct TrainingFormatTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let models = [
    "flax/gptj_chunked_bf16", "flax/gpt_neo_sharded", "flax/gpt2", "keras/gpt2_sharded",
    "keras/gpt2_gzip_shuffle", "keras/gptj", "tensorflow/gpt2", "tensorflow/gpt_neo",
    "gpt-neox/parallel_tp2", "gpt-neox/serial_tp2", "gpt-neox/sequential_tp2_tied",
  ]

  /// The checkpoint of a model; that of a training has a folder of its own.
  private func checkpoint(_ model: String) -> String {
    let folder = fixture("\(model)/checkpoint")
    return FileKind(of: folder) == .directory ? folder : fixture(model)
  }

  private func succeed(_ arguments: [String], shell: String? = nil) throws -> Weighbridge.Outcome {
    let outcome = try Weighbridge.run(arguments, shell: shell)
    try #require(outcome.code == 0, "\(arguments): \(outcome.errors)")
    return outcome
  }

  private func root(_ path: String) throws -> String {
    let object = try succeed(["inspect", path, "--digests", "--json"]).object
    return try #require(object["root"] as? String)
  }

  @Test(arguments: models) func areConvertedComparedAndVerified(model: String) throws {
    let (source, out) = (checkpoint(model), workspace.path("out"))
    _ = try succeed(["convert", source, out, "--to", "safetensors", "--quiet"])
    let same = try succeed(["compare", source, out, "--forward", "--json"]).object
    #expect(same["identical"] as? Bool == true)
    _ = try succeed(["verify", out, "--against", source])
    _ = try succeed(["verify", source])
    // The head of tied models may be written; what counts is that the values are the same.
    try workspace.edit("out/model.safetensors") { $0[$0.count - 3] ^= 4 }
    #expect(try Weighbridge.run("verify", out, "--against", source).code == 1)
  }

  @Test(arguments: models) func computeTheLogitsOfTheirFramework(model: String) throws {
    let reference = try ArrayFile(fixture("\(model)/logits.npy")).floats
    _ = try succeed([
      "forward", checkpoint(model), "--tokens-file", fixture("\(model)/tokens.npy"), "--logits",
      workspace.path("logits.npy"), "--quiet",
    ])
    let logits = try ArrayFile(workspace.path("logits.npy")).floats
    #expect(logits.count == reference.count)
    let worst = zip(logits, reference).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 2e-5, "\(worst)")
  }

  @Test(arguments: models) func goThroughStoresAndArchives(model: String) throws {
    let source = checkpoint(model)
    let out = workspace.path("out")
    _ = try succeed(["convert", source, out, "--to", "safetensors", "--quiet"])
    let expected = try root(out)
    _ = try succeed(["convert", source, workspace.path("a.store"), "--quiet"])
    _ = try succeed([
      "convert", workspace.path("a.store"), workspace.path("back"), "--to", "safetensors",
      "--quiet",
    ])
    #expect(try root(workspace.path("back")) == expected)
    for archive in ["a.tar", "a.tar.zst"] {
      let path = workspace.path(archive)
      let folder = source.split(separator: "/").last ?? ""
      let option = archive == "a.tar" ? "" : "--zstd"
      _ = try succeed(
        ["--version"], shell: "tar -C '\(source)/..' \(option) -cf '\(path)' '\(folder)'")
      _ = try succeed([
        "convert", path, workspace.path(archive + ".out"), "--to", "safetensors", "--quiet",
      ])
      #expect(try root(workspace.path(archive + ".out")) == expected)
      let piped = try Weighbridge.run(
        ["convert", "-", workspace.path(archive + ".in"), "--to", "safetensors", "--quiet"],
        input: path)
      #expect(piped.code == 0, "\(piped.errors)")
      #expect(try root(workspace.path(archive + ".in")) == expected)
      _ = try succeed(["verify", out, "--against", path])
    }
  }

  /// GPT-Neo has no quantized form that is written, and 48 values are no whole groups.
  @Test(
    arguments: models.filter { model in
      !["gpt_neo", "serial_tp2", "sequential_tp2_tied"].contains(where: model.contains)
    })
  func areQuantized(model: String) throws {
    let (source, out) = (checkpoint(model), workspace.path("out"))
    _ = try succeed(["quantize", source, out, "--scheme", "mlx-q4-g32", "--quiet"])
    _ = try succeed(["verify", out, "--against", source])
    let difference = try Weighbridge.run("compare", source, out, "--forward", "--json")
    #expect(difference.code == 1, "\(difference.errors)")
  }

  /// What an interrupted run has written counts when it is taken up, and is the same.
  @Test(arguments: models) func areResumed(model: String) throws {
    let (source, out) = (checkpoint(model), workspace.path("out"))
    let arguments = ["convert", source, out, "--to", "safetensors", "--quiet"]
    // No file may be longer than so many blocks: the conversion fails on the way.
    let stopped = try Weighbridge.run(arguments, shell: "ulimit -f 40")
    #expect(stopped.code != 0)
    #expect(!workspace.has("out"))
    _ = try succeed(arguments + ["--resume"])
    let whole = workspace.path("whole")
    _ = try succeed(["convert", source, whole, "--to", "safetensors", "--quiet"])
    #expect(
      try workspace.contents("out/model.safetensors")
        == workspace.contents("whole/model.safetensors"))
  }

  /// YAML as it was written for the training, comments and all; what is wrong with it is said at once.
  @Test func configurationsAreGivenAsYAML() throws {
    try workspace.copy(checkpoint("gpt-neox/parallel_tp2"), to: "in")
    try workspace.copy(workspace.path("in/global_step20/configs/model.yml"), to: "model.yml")
    try workspace.remove("in/global_step20/configs")
    let arguments = [
      "convert", workspace.path("in"), workspace.path("out"), "--to", "safetensors", "--config",
      workspace.path("model.yml"),
    ]
    _ = try succeed(arguments)
    _ = try succeed([
      "verify", workspace.path("out"), "--against", checkpoint("gpt-neox/parallel_tp2"),
    ])
    try workspace.write("model.yml", Data("num-layers: [2\n".utf8))
    let broken = try Weighbridge.run(arguments + ["--force"])
    #expect(broken.code == 2 && broken.errors.contains("model.yml"), "\(broken.errors)")
  }

  /// The files of a step and of a bundle are counted as inputs: `--resume` refuses others.
  @Test(arguments: ["tensorflow/gpt2", "gpt-neox/parallel_tp2", "gpt-neox/sequential_tp2_tied"])
  func areNotResumedFromOtherFiles(model: String) throws {
    try workspace.copy(checkpoint(model), to: "in")
    let arguments = [
      "convert", workspace.path("in"), workspace.path("out"), "--to", "safetensors", "--quiet",
    ]
    #expect(try Weighbridge.run(arguments, shell: "ulimit -f 40").code != 0)
    let name = try #require(
      workspace.snapshot(of: "in").keys.filter {
        $0.contains("data-00000") || $0.hasSuffix("_00_model_states.pt")
          || $0.hasSuffix("model_00-model_states.pt")
      }.min())
    try workspace.edit("in/\(name)") { $0[$0.count / 2] ^= 1 }
    let resumed = try Weighbridge.run(arguments + ["--resume"])
    #expect(resumed.code == 2 && !workspace.has("out"), "\(resumed.errors)")
  }

  @Test func weightsBesideOthersAreNoted() throws {
    try workspace.copy(fixture("huggingface/gptj"), to: "in")
    try workspace.copy(fixture("keras/gptj/tf_model.h5"), to: "in/tf_model.h5")
    try workspace.copy(fixture("flax/gpt2/flax_model.msgpack"), to: "in/flax_model.msgpack")
    let text = try succeed(["inspect", workspace.path("in")]).errors
    #expect(text.contains("tf_model.h5") && text.contains("flax_model.msgpack"))
    #expect(text.contains("[unused-weights]"))
  }
}
