import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Configurations that say something else of codes than the file does: read by what is stored, and said with both values.
@Suite struct ContradictedSettingsTests {
  /// A copy of a fixture with another configuration.
  private func copy(
    _ name: String, in room: borrowing Workspace, replacing old: String, with new: String
  ) throws -> String {
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    let folder = try golden.copy(golden.sample(), in: room)
    let text = try String(contentsOfFile: "\(folder)/config.json", encoding: .utf8)
    #expect(text.contains(old))
    try Data(text.replacing(old, with: new).utf8)
      .write(to: URL(filePath: "\(folder)/config.json"))
    return folder
  }

  private func contradictions(_ folder: String) throws -> [Finding] {
    try Source(folder).model().findings.filter { $0.check == "quantization-settings" }
  }

  @Test func nothingIsSaidOfWhatFits() throws {
    for golden in QuantizedSourceTests.all {
      #expect(try contradictions(golden.path).isEmpty, "\(golden.name)")
    }
  }

  /// The index is read, and other programs stop at a `group_size` that doesn't fit it.
  @Test(arguments: [
    ("gptq_v1_llama", "\"group_size\": 32", "\"group_size\": 64", "groups of 64 inputs"),
    ("gptq_v1_llama", "\"group_size\": 32", "\"group_size\": -1", "groups of -1 inputs"),
    ("gptq_act_order_llama", "\"group_size\": 64", "\"group_size\": 16", "groups of 16 inputs"),
    ("gptq_act_order_llama", "\"desc_act\": true", "\"desc_act\": false", nil),
    ("ct_g_idx", "\"group_size\": 32", "\"group_size\": 64", "groups of 64 inputs"),
  ])
  func theIndexCounts(_ name: String, _ old: String, _ new: String, _ said: String?) throws {
    let room = try Workspace()
    let folder = try copy(name, in: room, replacing: old, with: new)
    let findings = try contradictions(folder)
    let model = try Source(folder).model()
    #expect(model.problems.map(\.error.expected) == (said == nil ? [] : [said]))
    #expect(model.problems.allSatisfy { $0.check == "quantization-claim" })
    #expect(findings.count == (said == nil ? 1 : 0))
    #expect(findings.allSatisfy { $0.message.contains("'desc_act': false") })
    try model.requireSound()
    let right = try Source(Fixtures.path("quantized/\(name)")).model()
    #expect(model.tensors.first?.expression == right.tensors.first?.expression)
  }

  /// Where nothing but the scales says how large groups are, the configuration has to say the same.
  @Test(arguments: [
    ("awq_llama", "\"group_size\": 64", "\"group_size\": 32", 64),
    ("mlx_llama_q4_g64", "\"group_size\": 64", "\"group_size\": 32", 64),
    ("ct_llama_w4a16_g128", "\"group_size\": 128", "\"group_size\": 64", 128),
    ("gptq_v1_llama", "\"group_size\": 32", "\"group_size\": 16", 32),
  ])
  func groupsOfAnotherSizeAreSaid(_ name: String, _ old: String, _ new: String, size: Int) throws {
    let room = try Workspace()
    let folder = try copy(name, in: room, replacing: old, with: new)
    if name.hasPrefix("gptq") {
      var sample = try SafetensorsSample(folder: folder)
      sample.tensors.removeAll { $0.name.hasSuffix(".g_idx") }
      try sample.fileContents.write(to: URL(filePath: "\(folder)/model.safetensors"))
    }
    let problems = try Source(folder).model().problems
    #expect(!problems.isEmpty)
    for problem in problems {
      #expect(problem.check == "quantized-part")
      #expect(problem.error.message.contains("groups"))
      #expect(problem.error.hint?.contains("'group_size' in config.json to \(size)") == true)
    }
  }

  /// They come before the codes in the file then, and MLX's have the same name.
  @Test(arguments: ["gptq_v1_llama", "awq_llama"]) func scalesMayHave32Bits(_ name: String) throws {
    let room = try Workspace()
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    var sample = try golden.sample()
    for place in sample.tensors.indices where sample.tensors[place].name.hasSuffix(".scales") {
      let scales: [Float16] = sample.tensors[place].data.numbers()
      sample.tensors[place] = SampleTensor(
        sample.tensors[place].name, sample.tensors[place].shape, floats: scales.map(Float.init))
    }
    sample.tensors.sort { $0.dtype < $1.dtype }
    #expect(sample.tensors.first?.name.hasSuffix(".scales") == true)
    let model = try Source(golden.copy(sample, in: room)).model()
    #expect(model.quantized?.method == golden.method)
    #expect(model.problems.isEmpty)
    let right = try Source(golden.path).model()
    #expect(model.tensors.first?.expression == right.tensors.first?.expression)
  }

  /// Programs that write files may keep the order of some weights only: the first that has another is named.
  @Test func theIndexOfEachWeightIsLookedAt() throws {
    let room = try Workspace()
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == "gptq_v1_llama" })
    var sample = try golden.sample()
    let first = "model.layers.0.self_attn.k_proj"
    for name in ["q_proj", "v_proj"] {
      for var part in try golden.sample().tensors {
        part.name = part.name.replacing(first, with: "model.layers.0.self_attn.\(name)")
        if part.name.hasSuffix("v_proj.g_idx") {
          let groups: [Int32] = part.data.numbers()
          part.data = groups.reversed().withUnsafeBytes { Data($0) }
        }
        sample.tensors.append(part)
      }
    }
    let folder = try golden.copy(sample, in: room)
    let findings = try contradictions(folder)
    #expect(findings.map(\.tensor) == ["model.layers.0.self_attn.v_proj.g_idx"])
    #expect(findings.first?.message.contains("'desc_act': false") == true)
  }

  /// mlx-lm looks at `quantization` first: what else is said doesn't count for weights of MLX.
  @Test(arguments: [
    ("{}", [String]()),
    (#"{"group_size": 64, "bits": 4}"#, []),
    (#"{"group_size": 128, "bits": 4, "mode": "affine"}"#, ["'group_size' is 64 in one and 128"]),
    (
      #"{"quant_method": "awq", "bits": 8, "group_size": 128, "version": "gemm"}"#,
      [
        "'quant_method' is not there in one and \"awq\"", "'bits' is 4 in one and 8",
        "'group_size'",
      ]
    ),
    (#"{"quant_method": "fp8", "weight_block_size": [128, 128]}"#, ["'quant_method'"]),
    (#"{"quant_method": "mxfp4"}"#, ["'quant_method'"]),
  ])
  func theKeyOfMLXCounts(_ other: String, _ said: [String]) throws {
    let room = try Workspace()
    let name = "mlx_llama_q4_g64"
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    let folder = try golden.copy(golden.sample(), in: room)
    let own = #"{"group_size": 64, "bits": 4, "mode": "affine"}"#
    try Data(#"{"quantization_config": \#(other), "quantization": \#(own)}"#.utf8)
      .write(to: URL(filePath: "\(folder)/config.json"))
    let model = try Source(folder).model()
    #expect(model.problems.isEmpty)
    let right = try Source(golden.path).model()
    #expect(model.tensors.first?.expression == right.tensors.first?.expression)
    let findings = try contradictions(folder)
    #expect(findings.count == (said.isEmpty ? 0 : 1))
    for text in said {
      #expect(findings.first?.message.contains(text) == true, "\(findings)")
    }
    #expect(findings.allSatisfy { $0.message.hasSuffix("for such weights 'quantization' counts") })
  }

  /// Other programs look at `quantization_config` alone.
  @Test func theKeyOfMLXDoesNotCountElsewhere() throws {
    let room = try Workspace()
    let folder = try copy(
      "gptq_v1_llama", in: room, replacing: "{\n \"quantization_config\"",
      with: #"{"quantization": {"group_size": 64, "bits": 8}, "quantization_config""#)
    let findings = try contradictions(folder)
    #expect(findings.count == 1)
    #expect(findings.first?.message.contains("'quantization_config' counts") == true)
    #expect(findings.first?.message.contains("'bits' is 4 in one and 8 in the other") == true)
    let model = try Source(folder).model()
    let right = try Source(Fixtures.path("quantized/gptq_v1_llama")).model()
    #expect(model.tensors.first?.expression == right.tensors.first?.expression)
  }

  private func claims(_ folder: String) throws -> [String] {
    let found = try Source(folder).model().problems.filter { $0.check == "quantization-claim" }
    return found.compactMap(\.error.found)
  }

  @Test(arguments: [
    ("awq_llama", "awq", "gptq"), ("awq_llama", "awq", "fp8"),
    ("awq_llama", "awq", "hqq"), ("gptq_v1_llama", "gptq", "awq"),
    ("gptq_v1_llama", "gptq", "compressed-tensors"), ("fp8_block_qwen2", "fp8", "gptq"),
    ("bnb_nf4_llama", "bitsandbytes", "awq"),
    ("ct_llama_fp8_dynamic", "compressed-tensors", "bitsandbytes"),
  ])
  func anotherMethodIsAnError(_ name: String, _ own: String, _ said: String) throws {
    let room = try Workspace()
    let old = "\"quant_method\": \"\(own)\""
    #expect(try claims(Fixtures.path("quantized/\(name)")).isEmpty)
    let folder = try copy(
      name, in: room, replacing: old, with: "\"quant_method\": \"\(said)\"")
    #expect(try claims(folder) == ["'quant_method': \"\(said)\""])
    // Programs that aren't known here may have any layout.
    let other = try copy(name, in: room, replacing: old, with: #""quant_method": "auto-round""#)
    #expect(try claims(other).isEmpty)
  }

  @Test func ofWhatFitsNothingIsClaimed() throws {
    for golden in QuantizedSourceTests.all {
      #expect(try claims(golden.path).isEmpty, "\(golden.name)")
    }
  }

  /// A folder of floats with something in the place of `quantization_config`.
  private func floats(
    saying claim: String, key: String = "quantization_config", of sample: String = "llama",
    in room: borrowing Workspace
  ) throws -> String {
    let folder = room.path("floats")
    try FileManager.default.copyItem(
      atPath: Fixtures.path("huggingface/\(sample)"), toPath: folder)
    let path = URL(filePath: "\(folder)/config.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    #expect(try claims(folder).isEmpty)
    try Data(("{\"\(key)\": \(claim), " + text.drop { $0 != "{" }.dropFirst()).utf8).write(to: path)
    return folder
  }

  /// Floats whose configuration is that of a quantized model.
  @Test(arguments: [
    #"{"quant_method": "gptq", "bits": 4}"#, #"{"quant_method": "awq"}"#,
    #"{"quant_method": "fp8"}"#, #"{"quant_method": "mxfp4"}"#,
    #"{"quant_method": "modelopt"}"#, #"{"quant_method": "compressed-tensors"}"#,
    #"{"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed", "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}}}}"#,
    #"{"quant_method": "of-nobody"}"#, #"{"bits": 4, "group_size": 64}"#, "{}", "[]", "true",
    #""gptq""#,
  ])
  func floatsThatAreSaidToBeCodesAreAnError(_ claim: String) throws {
    let room = try Workspace()
    let folder = try floats(saying: claim, in: room)
    #expect(try claims(folder).count == 1)
    // They are what they are.
    try Source(folder).model().requireSound()
  }

  /// bitsandbytes makes codes of floats while it loads them, compressed-tensors has states without codes, and null is nothing.
  @Test(arguments: [
    #"{"quant_method": "bitsandbytes", "load_in_4bit": true}"#, #"{"load_in_8bit": true}"#, "null",
    #"{"quant_method": "compressed-tensors", "format": "dense"}"#,
    #"{"quant_method": "compressed-tensors", "quantization_status": "frozen"}"#,
    #"{"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": {"num_bits": 8}}"#,
  ])
  func floatsMayBeMadeCodesLater(_ claim: String) throws {
    let room = try Workspace()
    let folder = try floats(saying: claim, in: room)
    #expect(try claims(folder).isEmpty)
    #expect(try !Source(folder).model().findings.contains { $0.check == "quantization-claim" })
  }

  @Test(arguments: [
    ("quantization_config", #"{"quant_method": "torchao"}"#),
    ("quantization", #"{"bits": 4, "group_size": 64}"#),
  ])
  func programsThatDoWithFloatsAreAWarning(_ key: String, _ claim: String) throws {
    let room = try Workspace()
    let folder = try floats(saying: claim, key: key, in: room)
    #expect(try claims(folder).isEmpty)
    let found = try Source(folder).model().findings.filter { $0.check == "quantization-claim" }
    #expect(found.map(\.severity) == [.warning])
    #expect(found.first?.message.contains("may quantize them as they load them") == true)
  }

  /// A family without a table is looked at, too.
  @Test func floatsOfAnyFamilyAreFloats() throws {
    let room = try Workspace()
    let folder = try floats(saying: #"{"quant_method": "gptq"}"#, in: room)
    let path = URL(filePath: "\(folder)/config.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    try Data(text.replacing("\"llama\"", with: "\"of-nobody\"").utf8).write(to: path)
    #expect(try Source(folder).model().sizes == nil)
    #expect(try claims(folder).count == 1)
  }

  /// Codes whose configuration has lost what says that they are some.
  @Test func codesOfWhichNothingIsSaidAreAnError() throws {
    for golden in QuantizedSourceTests.all {
      let room = try Workspace()
      let folder = try golden.copy(golden.sample(), in: room)
      let path = URL(filePath: "\(folder)/config.json")
      let text = try String(contentsOf: path, encoding: .utf8)
      let claims = ["quantization_config", "quantization"]
      let kept = claims.reduce(text) { $0.replacing("\"\($1)\"", with: "\"not_\($1)\"") }
      try Data(kept.utf8).write(to: path)
      #expect(try self.claims(folder).count == 1, "\(golden.name)")
      #expect(try Source(folder).model().problems.contains { $0.check == "quantization-claim" })
      // Some programs have their settings in a file of their own.
      try Data(#"{"zero_point": true, "q_group_size": 64, "w_bit": 4}"#.utf8)
        .write(to: URL(filePath: "\(folder)/quant_config.json"))
      #expect(try self.claims(folder).isEmpty, "\(golden.name)")
    }
  }

  /// Settings without a method say nothing, but for those of bitsandbytes' first versions.
  @Test func settingsWithoutAMethodSayNothing() throws {
    for (name, settings, count) in [
      ("awq_llama", "{}", 1), ("fp8_block_qwen2", "{}", 1), ("bnb_nf4_llama", "{}", 1),
      ("bnb_nf4_llama", #"{"load_in_4bit": true}"#, 0),
    ] {
      let room = try Workspace()
      let folder = try copy(
        name, in: room, replacing: "\"quantization_config\":",
        with: "\"quantization_config\": \(settings), \"other\":")
      #expect(try claims(folder).count == count, "\(name) \(settings)")
    }
  }

  /// AutoGPTQ's first files have their settings beside the model's configuration alone.
  @Test func settingsMayStandInAFileOfTheirOwn() throws {
    let room = try Workspace()
    let folder = try copy(
      "gptq_v1_llama", in: room, replacing: "\"quantization_config\"", with: "\"another_key\"")
    func weights() throws -> [[UInt8]] {
      let out = room.path("out")
      try? FileManager.default.removeItem(atPath: out)
      let certificate = try convert(folder, out, dtype: .f32).certificate
      return certificate.tensors.map { Array($0.digest.description.utf8) }
    }
    #expect(throws: CheckpointError.self) { try weights() }
    let text = #"{"bits": 4, "group_size": 32, "sym": true, "desc_act": false}"#
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/quantize_config.json"))
    let found = try weights()
    let golden = try convert(
      Fixtures.path("quantized/gptq_v1_llama"), room.path("golden"), dtype: .f32
    ).certificate
    #expect(found == golden.tensors.map { Array($0.digest.description.utf8) })
  }

  @Test func bothFilesOfSettingsAreLookedAt() throws {
    let room = try Workspace()
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == "gptq_v1_llama" })
    let folder = try golden.copy(golden.sample(), in: room)
    func said(_ text: String) throws -> [Finding] {
      try Data(text.utf8).write(to: URL(filePath: "\(folder)/quantize_config.json"))
      return try contradictions(folder)
    }
    #expect(try said(#"{"bits": 4, "group_size": 32, "sym": true, "damp_percent": 0.1}"#).isEmpty)
    #expect(try said("{").isEmpty)
    let findings = try said(#"{"bits": 8, "group_size": 128, "sym": true}"#)
    #expect(findings.count == 1)
    let message = try #require(findings.first?.message)
    #expect(message.contains("'bits' is 4 in one and 8 in the other"))
    #expect(message.contains("'group_size' is 32 in one and 128 in the other"))
    #expect(findings.first?.file == "quantize_config.json")
  }
}
