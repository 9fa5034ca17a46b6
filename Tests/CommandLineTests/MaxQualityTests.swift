import Foundation
import TestSupport
import Testing

/// `importance --hessian` and `quantize --quality max`.
@Suite struct MaxQualityTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let llama = fixture("huggingface/llama")
  private static let columns = 64

  /// Writes rows of tokens below 64.
  private func tokens() throws -> String {
    let values = (0..<6).map { row in (0..<24).map { (row * 31 + $0 * 7 + $0 * $0) % 64 } }
    let path = workspace.path("tokens.json")
    try JSONEncoder().encode(values).write(to: URL(filePath: path))
    return path
  }

  private func moments(_ model: String = gptj, _ more: String...) throws -> String {
    let path = workspace.path("moments.safetensors")
    let outcome = try Weighbridge.run(
      ["importance", model, "--tokens-file", tokens(), "--hessian", path, "--force"] + more)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return path
  }

  private func quantize(
    _ destination: String, _ scheme: String, _ hessian: String, _ more: String...
  ) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      [
        "quantize", Self.gptj, workspace.path(destination), "--scheme", scheme, "--quality", "max",
        "--hessian", hessian, "--json", "--quiet",
      ] + more)
  }

  /// Factors are memory, too: here of 18 and 270 KB.
  @Test func theOpeningCountsFactors() throws {
    let hessian = try moments()
    func memory(_ more: String...) throws -> Substring {
      let outcome = try Weighbridge.run(
        ["quantize", Self.gptj, workspace.path("m.gguf"), "--scheme", "q4_0", "--force"] + more
          + ["--threads", "1"])
      let match = try #require(outcome.errors.firstMatch(of: /up to ([0-9.]+) MB of memory/))
      return match.1
    }
    let (plain, max) = (
      try memory(), try memory("--quality", "max", "--hessian", hessian)
    )
    #expect(try #require(Double(max)) > #require(Double(plain)))
  }

  private func sample(_ path: String) throws -> SafetensorsSample {
    try SafetensorsSample(parsing: Data(contentsOf: URL(filePath: path)))
  }

  @Test func layersOfOneInputShareAMatrix() throws {
    let both = workspace.path("both.gguf")
    let path = try moments(Self.gptj, "--output", both, "--threads", "2")
    let file = try sample(path)
    // Attention and feed-forward layer of a GPT-J are given the same.
    for name in ["attn_q", "attn_k", "attn_v", "ffn_up"] {
      #expect(file.metadata["blk.0.\(name).weight"] == "blk.0.attn_q.input")
    }
    #expect(file.metadata["weighbridge.second_moments.tokens"] == "144")
    #expect(file.metadata["weighbridge.second_moments.datasets"] == "tokens.json")
    #expect(file.tensors.count.isMultiple(of: 3))
    for tensor in file.tensors {
      let (columns, values) = (tensor.shape[0], tensor.data.numbers() as [Float])
      #expect(tensor.shape == [columns, columns] && tensor.dtype == "F32")
      for place in values.indices {
        #expect(values[place] == values[place % columns * columns + place / columns])
      }
    }
    let bytes = try Data(contentsOf: URL(filePath: path))
    _ = try moments(Self.gptj, "--threads", "1")
    #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
    // The importance matrix is the one that a run without second moments makes.
    let alone = workspace.path("alone.gguf")
    #expect(
      try Weighbridge.run(
        "importance", Self.gptj, "--tokens-file", tokens(), "--output", alone
      ).code == 0)
    #expect(
      try Data(contentsOf: URL(filePath: alone)) == Data(contentsOf: URL(filePath: both)))
  }

  @Test(arguments: [
    ("out.gguf", "q4_0"), ("out.gguf", "q5_1"), ("out", "mlx-q3-g32"), ("out", "w4a16-g32"),
    ("out", "w8a8"),
  ]) func outputsAreNearerAndMadeAgain(_ destination: String, _ scheme: String) throws {
    let hessian = try moments()
    let outcome = try quantize(destination, scheme, hessian)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(try outcome.object["quality"] as? String == "max")
    #expect((try outcome.object["moments"] as? [String: Any])?["digest"] != nil)
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    let used = tensors.filter { $0["output_relative_error"] != nil }
    #expect(!used.isEmpty)
    for tensor in used {
      let own = try #require(tensor["output_relative_error"] as? Double)
      let best = try #require(tensor["best_output_relative_error"] as? Double)
      let rows = try #require(tensor["feedback_row_count"] as? Int)
      #expect(own <= best && (own < best) == (rows > 0))
    }
    let findings = try #require(try outcome.object["findings"] as? [[String: Any]])
    // The embedding has no second moments; compressed-tensors leaves it as it is.
    let isLeftOut = findings.contains { $0["check"] as? String == "moments-missing" }
    #expect(isLeftOut == !scheme.hasPrefix("w"))
    let path = workspace.path(destination)
    func verify(_ arguments: String...) throws -> Weighbridge.Outcome {
      try Weighbridge.run(["verify", path, "--skip", "values", "--quiet"] + arguments)
    }
    let renamed = try workspace.write("renamed", workspace.contents("moments.safetensors"))
    let replayed = try verify("--replay", Self.gptj, "--hessian", renamed)
    #expect(replayed.code == 0, "\(replayed.text)")
    let compared = try verify("--against", Self.gptj, "--hessian", renamed)
    #expect(compared.code == 0, "\(compared.text)")
    for option in ["--replay", "--against"] {
      let without = try verify(option, Self.gptj)
      #expect(without.code == 2 && without.errors.contains("--hessian"), "\(without.errors)")
    }
  }

  @Test func threadsAndMemoryDoNotShow() throws {
    let hessian = try moments()
    let roots = try [["--threads", "1"], ["--threads", "2"], ["--memory", "20MB"]].enumerated().map
    { place, options in
      let outcome = try Weighbridge.run(
        [
          "quantize", Self.gptj, workspace.path("\(place).gguf"), "--scheme", "q4_0", "--quality",
          "max", "--hessian", hessian, "--json",
        ] + options)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return try outcome.object["root"] as? String
    }
    #expect(roots[0] != nil && Set(roots).count == 1)
  }

  /// Formats without free codes are made as by `best`, byte for byte.
  @Test func otherTypesAreThoseOfBest() throws {
    let hessian = try moments()
    let outcome = try quantize("max", "mlx-mxfp4", hessian)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let best = try Weighbridge.run(
      "quantize", Self.gptj, workspace.path("best"), "--scheme", "mlx-mxfp4", "--quality", "best",
      "--json", "--quiet")
    #expect(try outcome.object["root"] as? String == best.object["root"] as? String)
    let findings = try #require(try outcome.object["findings"] as? [[String: Any]])
    let finding = findings.first { $0["check"] as? String == "moments-missing" }
    #expect(finding?["severity"] as? String == "warning", "\(findings)")
  }

  /// A file that nobody has measured: what is wrong with it, and what the message says.
  @Test(arguments: [
    "nan", "negative", "asymmetric", "indefinite", "zero", "shape", "dtype", "missing", "foreign",
    "text",
  ]) func hostileFilesAreRefused(_ kind: String) throws {
    var file = try sample(moments())
    let place = try #require(file.tensors.firstIndex { $0.name == "blk.0.attn_q.input" })
    var values: [Float] = file.tensors[place].data.numbers()
    let expected: String
    switch kind {
    case "nan": (values[5], expected) = (.nan, "aren't numbers")
    case "negative": (values[Self.columns + 1], expected) = (-1, "below 0")
    case "asymmetric": (values[1], expected) = (values[1] + 1e6, "aren't symmetric")
    case "indefinite":
      (values[1], values[Self.columns], expected) = (1e6, 1e6, "no inputs can have")
    case "zero":
      (values, expected) = (values.map { _ in 0 }, "no inputs can have")
    case "shape":
      file.tensors[place].shape = [32, 128]
      expected = "another number of columns"
    case "dtype":
      file.tensors[place].dtype = "I32"
      expected = "another dtype"
    case "missing":
      file.metadata["blk.0.attn_v.weight"] = "nowhere"
      expected = "is missing"
    case "foreign":
      file.metadata = [:]
      for place in file.tensors.indices { file.tensors[place].name = "m\(place)" }
      expected = "for no weight"
    default: expected = "safetensors"
    }
    file.tensors[place].data = values.withUnsafeBytes { Data($0) }
    let path = try workspace.write(
      "hostile.safetensors", kind == "text" ? Data("a text".utf8) : file.fileContents)
    let outcome = try quantize("out.gguf", "q4_0", path)
    #expect(outcome.code == 2 && outcome.errors.contains(expected), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: workspace.path("out.gguf")))
  }

  @Test func whatDoesNotGoTogetherIsSaid() throws {
    func errors(_ arguments: String...) throws -> String {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2)
      return outcome.errors
    }
    let out = workspace.path("o.gguf")
    #expect(
      try errors("quantize", Self.gptj, out, "--scheme", "q4_0", "--quality", "max")
        .contains("importance --hessian"))
    #expect(
      try errors("quantize", Self.gptj, out, "--scheme", "q4_0", "--hessian", "x")
        .contains("--quality max"))
    // Nobody is sent to make second moments first that can't be used then.
    for given in [[], ["--hessian", "x"]] {
      let outcome = try Weighbridge.run(
        ["quantize", Self.gptj, out, "--target-bits", "4", "--quality", "max"] + given)
      #expect(outcome.code == 2)
      #expect(outcome.errors.contains("--quality best"))
      #expect(!outcome.errors.contains("importance"))
    }
    let file = try tokens()
    #expect(try errors("importance", Self.gptj, "--tokens-file", file).contains("--hessian"))
    #expect(
      try errors(
        "importance", Self.gptj, "--tokens-file", file, "--hessian", "h", "--resume"
      ).contains("begin again without --resume, or give --output a run of its own"))
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  @Test func anOutputThatIsThereStays() throws {
    let path = try moments()
    let file = try tokens()
    let again = try Weighbridge.run(
      "importance", Self.gptj, "--tokens-file", file, "--hessian", path)
    #expect(again.code == 2 && again.errors.contains("--force"))
    let model = workspace.path("model.safetensors")
    try FileManager.default.copyItem(atPath: "\(Self.gptj)/model.safetensors", toPath: model)
    let bytes = try Data(contentsOf: URL(filePath: model))
    let foreign = try Weighbridge.run(
      "importance", Self.gptj, "--tokens-file", file, "--hessian", model, "--force")
    #expect(foreign.code == 2 && foreign.errors.contains("is in the way"), "\(foreign.errors)")
    #expect(try Data(contentsOf: URL(filePath: model)) == bytes)
  }

  @Test func expertsHaveNone() throws {
    let outcome = try Weighbridge.run(
      "importance", fixture("huggingface/mixtral"), "--tokens-file", try tokens(), "--hessian",
      workspace.path("m.safetensors"), "--json")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let findings = try #require(try outcome.object["findings"] as? [[String: Any]])
    #expect(findings.contains { $0["check"] as? String == "moments-experts" })
    let file = try sample(workspace.path("m.safetensors"))
    #expect(
      Set(file.tensors.map(\.name).filter { $0.hasPrefix("blk.0.") }) == [
        "blk.0.attn_q.input", "blk.0.attn_output.input",
      ])
  }
}
