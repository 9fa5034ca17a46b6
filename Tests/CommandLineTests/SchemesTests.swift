import Foundation
import TestSupport
import Testing

/// `quantize --dry-run --measure`: schemes side by side.
@Suite struct SchemesTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  private func measure(_ arguments: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["quantize", Self.gptj] + arguments + ["--dry-run", "--measure"])
  }

  @Test func figuresAreThoseOfRuns() throws {
    let schemes = ["q8_0", "q4_0", "mlx-q4-g64", "w4a16-g32"]
    let outcome = try measure("--scheme", schemes.joined(separator: ","), "--json")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let document = try outcome.object
    #expect(document["schema"] as? String == "schemes/v1")
    let entries = try #require(document["schemes"] as? [[String: Any]])
    #expect(entries.map { $0["scheme"] as? String } == schemes)
    for (scheme, entry) in zip(schemes, entries) {
      let name = scheme.hasPrefix("q") ? "\(scheme).gguf" : scheme
      let run = try Weighbridge.run(
        "quantize", Self.gptj, workspace.path(name), "--scheme", scheme, "--json"
      ).object
      for key in ["byte_count", "bits_per_weight"] {
        #expect(entry[key] as? Double == run[key] as? Double, "\(scheme) \(key)")
      }
      #expect(entry["worst_tensor"] as? String == (run["worst_tensors"] as? [String])?.first)
      let tensors = try #require(run["tensors"] as? [[String: Any]])
      let worst = tensors.compactMap { $0["relative_rmse"] as? Double }.max()
      #expect(entry["largest_relative_rmse"] as? Double == worst)
      let all = try #require(entry["relative_rmse"] as? Double)
      #expect(all > 0 && all <= worst ?? 0)
    }
  }

  @Test func setsLeaveOutWhatDoesNotFit() throws {
    let outcome = try measure("--scheme", "gguf", "--json")
    let document = try outcome.object
    let names = (document["schemes"] as? [[String: Any]])?.compactMap { $0["scheme"] as? String }
    #expect(names?.contains("q8_0") == true && names?.contains("q2_k_s") == false)
    let refused = document["refused"] as? [[String: Any]]
    #expect(refused?.map { $0["scheme"] as? String } == ["q2_k_s"])
    #expect(try measure("--scheme", "q8_0,q2_k_s").code == 2)
  }

  @Test func nothingIsWrittenButThePage() throws {
    let folder = workspace.path("spool")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome = try measure(
      "--scheme", "q8_0,mlx-q4-g64", "--validate", "--spool", folder, "--report",
      workspace.path("s.html"))
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("KL divergence"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    #expect(Set(workspace.names()) == ["spool", "s.html"])
    let page = String(decoding: try workspace.contents("s.html"), as: UTF8.self)
    #expect(page.components(separatedBy: "<polyline").count == 5)
    #expect(page.contains("KL divergence against size"))
  }

  /// Of models with a head of their own, with a tied one, and of experts; memory for everything, and for hardly anything.
  @Test(
    arguments: [
      ("huggingface/gptj", ["q8_0", "q4_0", "mlx-q4-g64", "w4a16-g32", "bf16"]),
      ("huggingface/qwen2_tied", ["q8_0", "mlx-q4-g32"]),
      ("huggingface/mixtral", ["q8_0", "q4_0"]),
    ], ["1GB", "5MB"])
  func whatSchemesCostIsWhatRunsSay(_ model: (String, [String]), _ memory: String) throws {
    let source = fixture(model.0)
    let assets = ["--assets", fixture("gguf/tokenizer"), "--memory", memory]
    let document = try Weighbridge.run(
      ["quantize", source, "--scheme", model.1.joined(separator: ","), "--dry-run", "--measure"]
        + assets + ["--validate", "--json"]
    ).object
    let entries = try #require(document["schemes"] as? [[String: Any]])
    #expect(entries.count == model.1.count)
    for (scheme, entry) in zip(model.1, entries) {
      let name = scheme.hasPrefix("q") || scheme == "bf16" ? "\(scheme).gguf" : scheme
      let run = try Weighbridge.run(
        ["quantize", source, workspace.path(name), "--scheme", scheme, "--validate", "--json"]
          + assets
      ).object
      let divergence = try #require(run["kl_divergence"] as? [String: Any])
      #expect(entry["kl_divergence"] as? Double == divergence["mean"] as? Double, "\(scheme)")
      for key in ["same_top_fraction", "negative_log_likelihood_increase", "token_count"] {
        let expected = try #require(run[key] as? Double ?? divergence[key] as? Double, "\(key)")
        #expect(entry[key] as? Double == expected, "\(scheme) \(key)")
      }
    }
  }

  #if os(Linux)
    @Test(arguments: [true, false])
    func theSourceIsReadOnce(_ isTied: Bool) throws {
      let source = try largerModel(isTied: isTied).write(workspace, "model")
      let size = try workspace.contents("model/model.safetensors").count
      var arguments = ["quantize", source, "--scheme", "q8_0,q4_0,mlx-q4-g64,w4a16-g128"]
      arguments += ["--assets", fixture("tokenizer/llama3"), "--dry-run", "--measure", "--quiet"]
      for options in [[], ["--validate", "--spool", workspace.path("")]] {
        let read = try byteCountRead(by: arguments + options)
        #expect(read >= size && read < size + size / 10, "\(Double(read) / Double(size))")
      }
    }

    /// A Llama of some megabytes.
    private func largerModel(isTied: Bool) throws -> ModelSample {
      var sample = try ModelSample("llama")
      let (width, inner, vocabulary, layers) = (256, 768, 1024, 2)
      for (key, value) in [
        "hidden_size": width, "intermediate_size": inner, "vocab_size": vocabulary,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 4,
        "head_dim": 64,
      ] { sample.configuration[key] = value }
      sample.configuration["tie_word_embeddings"] = isTied
      var random = SampleRandom(seed: 3)
      func tensor(_ name: String, _ shape: [Int]) -> SampleTensor {
        SampleTensor("model.\(name).weight", "F32", shape, random.floats(shape.reduce(1, *)))
      }
      sample.tensors = SafetensorsSample([tensor("embed_tokens", [vocabulary, width])])
      for layer in 0..<layers {
        sample.tensors.tensors += ["q", "k", "v", "o"].map {
          tensor("layers.\(layer).self_attn.\($0)_proj", [width, width])
        }
        sample.tensors.tensors += [
          tensor("layers.\(layer).mlp.gate_proj", [inner, width]),
          tensor("layers.\(layer).mlp.up_proj", [inner, width]),
          tensor("layers.\(layer).mlp.down_proj", [width, inner]),
          tensor("layers.\(layer).input_layernorm", [width]),
          tensor("layers.\(layer).post_attention_layernorm", [width]),
        ]
      }
      sample.tensors.tensors.append(tensor("norm", [width]))
      if !isTied {
        var head = tensor("head", [vocabulary, width])
        head.name = "lm_head.weight"
        sample.tensors.tensors.append(head)
      }
      return sample
    }

    /// What the system counts as read by a run of the command.
    private func byteCountRead(by arguments: [String]) throws -> Int {
      let process = Process()
      process.executableURL = URL(filePath: "/bin/sh")
      process.arguments =
        ["-c", "\"$@\" >&2 && cat /proc/$$/io", "sh", BuiltCommand.executable.path] + arguments
      let output = Pipe()
      process.standardOutput = output
      process.standardError = FileHandle.nullDevice
      try process.run()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
      return try #require(Int(line.dropFirst("rchar: ".count)))
    }
  #endif

  /// What is no use for one reason is said once, and what isn't what its name says is counted.
  @Test func refusalsAndSubstitutionsAreSeen() throws {
    let outcome = try Weighbridge.run(
      "quantize", fixture("huggingface/llama"), "--scheme", "all", "--dry-run", "--measure")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let lines = outcome.text.split(separator: "\n")
    #expect(lines.count { $0.contains("can't be used") } == 1)
    #expect(lines.contains { $0.hasPrefix("q8_0, q6_k, ") && $0.contains("needs a tokenizer") })
    #expect(lines[0].hasSuffix("in other types"))
    #expect(lines.contains { $0.contains(/^mlx-q4-g128 .* 23 tensors$/) })
  }

  @Test(
    arguments: [
      ["--scheme", "q8_0,q4_0"], ["--scheme", "q8_0,q4_0", "--dry-run"], ["--scheme", "q8_0"],
      ["--target-bits", "6", "--to", "gguf", "--dry-run", "--measure"], ["--scheme", "q8_0,"],
      ["--scheme", "q8_0,q4_0", "--dry-run", "--measure", "--max-rmse", "1"],
      ["--scheme", "q8_0", "out.gguf", "--tensors"],
    ])
  func whatCannotBeIsAUsageError(_ arguments: [String]) throws {
    #expect(try Weighbridge.run(["quantize", Self.gptj] + arguments).code == 2)
  }
}
