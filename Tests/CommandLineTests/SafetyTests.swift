import Foundation
import TensorModel
import TestSupport
import Testing

/// What the command never does, whatever it is given: claim what isn't so, replace what isn't its own, succeed without a number.
@Suite struct SafetyTests {
  private let workspace: Workspace
  private let model: String

  init() throws {
    workspace = try Workspace()
    model = try ModelSample("gpt2").write(workspace, "model")
  }

  // MARK: Certificates

  /// Claims that digests don't show, each changed alone.
  @Test(arguments: [
    ("exactness", "\"exact\""), ("largest_error_ulp", "0"), ("expression", "\"lies\""),
    ("overflow_count", "7"), ("expression", "\"transpose(transformer.wte.weight)\""),
  ])
  func claimsOfACertificateAreCheckedAgainstTheSource(key: String, value: String) throws {
    let out = workspace.path("out")
    let options = ["convert", model, out, "--dtype", "f16", "--quiet"]
    #expect(try Weighbridge.run(options).code == 0)
    let verify = ["verify", out, "--against", model]
    #expect(try Weighbridge.run(verify).code == 0)
    let name = "out/weighbridge-certificate.json"
    var object = try #require(
      JSONSerialization.jsonObject(with: workspace.contents(name)) as? [String: Any])
    var tensors = try #require(object["tensors"] as? [[String: Any]])
    let place = try #require(tensors.firstIndex { $0["exactness"] as? String == "rounded" })
    tensors[place][key] = try JSONSerialization.jsonObject(
      with: Data(value.utf8), options: .fragmentsAllowed)
    object["tensors"] = tensors
    try workspace.write(name, try JSONSerialization.data(withJSONObject: object))
    let outcome = try Weighbridge.run(verify)
    #expect(outcome.code == 1 && outcome.text.contains("[certificate-claim]"), "\(outcome.text)")
    // Without the source nobody knows, and nobody says that it was checked.
    let alone = try Weighbridge.run(["verify", out])
    #expect(alone.code == (key == "expression" ? 1 : 0))
    #expect(
      alone.text.contains(
        "how they were made needs --replay or --against; unchecked: its tool, plan, source"))
  }

  // MARK: Numbers

  @Test(arguments: [[], ["--perplexity"], ["--generate", "2"], ["--logits", "l.npy"], ["--json"]])
  func noNumberIsNoSuccess(_ options: [String]) throws {
    var sample = try ModelSample("gpt2")
    let place = try #require(
      sample.tensors.tensors.firstIndex { $0.name == "transformer.ln_f.weight" })
    let count = sample.tensors.tensors[place].data.count
    sample.tensors.tensors[place].data = Data(repeating: 0xff, count: count)
    let broken = try sample.write(workspace, "broken")
    let more = options.map { $0.hasSuffix(".npy") ? workspace.path($0) : $0 }
    let outcome = try Weighbridge.run(["forward", broken, "--tokens", "0,1,2"] + more)
    #expect(outcome.code == 1, "\(outcome.errors)")
    #expect(outcome.errors.contains("computes no numbers") && outcome.errors.contains("hint:"))
    if options == ["--json"] {
      #expect(outcome.text.contains("\"logit\" : null") || outcome.text.contains("\"logit\":null"))
      #expect(outcome.text.contains("reason"))
    }
  }

  /// Two models that compute the same NaN are no proof of each other.
  @Test func noNumberIsNoAgreement() throws {
    var sample = try ModelSample("gpt2")
    let place = try #require(
      sample.tensors.tensors.firstIndex { $0.name == "transformer.ln_f.weight" })
    let count = sample.tensors.tensors[place].data.count
    sample.tensors.tensors[place].data = Data(repeating: 0xff, count: count)
    let broken = try sample.write(workspace, "broken")
    for options in [[], ["--tolerance", "1000"], ["--json"]] {
      let outcome = try Weighbridge.run(["compare", broken, broken, "--forward"] + options)
      #expect(outcome.code == 1, "\(outcome.errors)")
      #expect(outcome.errors.contains("computes no numbers") && outcome.errors.contains("hint:"))
      #expect(!outcome.text.contains("max |Δ| 0") && !outcome.text.contains("100.0 %"))
      guard options == ["--json"] else { continue }
      let forward = try outcome.object
      #expect(forward["max_abs_logit_difference"] is NSNull)
      #expect(forward["same_top_fraction"] as? Double == 0)
      #expect(forward["reason"] as? String != nil)
    }
    let converted = try Weighbridge.run(
      "convert", broken, workspace.path("out"), "--to", "safetensors", "--validate")
    #expect(converted.code == 1 && workspace.has("out"))
    #expect(converted.errors.contains("computes no numbers"))
  }

  /// What a single run says of values, a merge says.
  @Test func aMergeSaysWhatIsNoNumber() throws {
    var sample = try ModelSample("gpt2")
    let last = sample.tensors.tensors[0].data.count
    sample.tensors.tensors[0].data = Data(repeating: 0xff, count: last)
    let broken = try sample.write(workspace, "broken")
    let out = workspace.path("out")
    #expect(
      try Weighbridge.run("convert", broken, out, "--to", "safetensors", "--part", "1/1").code == 0)
    let merged = try Weighbridge.run("merge", out)
    #expect(merged.code == 0 && merged.errors.contains("[nan]"), "\(merged.errors)")
  }

  // MARK: Files

  @Test func logitsReplaceArraysOnly() throws {
    let arguments = ["forward", model, "--tokens", "1,2", "--logits"]
    for name in ["model/model.safetensors", "model/config.json", "thesis.txt", "folder"] {
      if name == "folder" { try workspace.folder(name) }
      if name == "thesis.txt" { try workspace.write(name, Data("years".utf8)) }
      let before = try workspace.snapshot(of: "")
      #expect(try Weighbridge.run(arguments + [workspace.path(name)]).code == 2)
      #expect(try workspace.snapshot(of: "") == before)
    }
    let tokens = workspace.path("tokens.npy")
    try Data(try Fixtures.bytes("huggingface/gpt2/tokens.npy")).write(to: URL(filePath: tokens))
    #expect(try Weighbridge.run(arguments + [tokens]).code == 2)
    #expect(try Weighbridge.run(arguments + ["-"]).code == 2)
    let own = ["forward", model, "--tokens-file", tokens, "--logits", tokens]
    #expect(try Weighbridge.run(own).code == 2)
    // An array gives way; what lies under a name that could be a partial stays.
    try workspace.folder("l.npy.partial")
    for _ in 0..<2 {
      #expect(try Weighbridge.run(arguments + [workspace.path("l.npy")]).code == 0)
    }
    #expect(workspace.has("l.npy") && workspace.has("l.npy.partial"))
    #expect(workspace.names().allSatisfy { !$0.hasPrefix(".l.npy") })
    // What a killed run has left goes; what only has such a name doesn't.
    try workspace.write(".l.npy.1.partial", Data("years".utf8))
    try workspace.write(".l.npy.2.partial", Data())
    try workspace.write(".l.npy.3.partial", workspace.contents("l.npy").prefix(40))
    #expect(try Weighbridge.run(arguments + [workspace.path("l.npy")]).code == 0)
    #expect(workspace.names().filter { $0.hasPrefix(".l.npy") } == [".l.npy.1.partial"])
  }

  /// OpenBLAS, which finds no room for its buffers, would try again for ever.
  @Test(.timeLimit(.minutes(2)), arguments: [220_000, 400_000, 2_000_000])
  func productsWorkWithinALimitOfTheAddressSpace(kilobytes: Int) throws {
    let outcome = try Weighbridge.run(
      ["forward", model, "--tokens", "1,2"], shell: "ulimit -v \(kilobytes)")
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("ulimit -v") == (kilobytes < 300_000), "\(outcome.errors)")
  }

  /// The command in the hint is one that a shell takes as it stands.
  @Test func aFolderThatIsMissingIsAnsweredWithACommand() throws {
    let folder = workspace.path("it's; touch Q")
    let file = workspace.path("notes.txt")
    try Data().write(to: URL(filePath: file))
    for arguments in [
      ["convert", model, "\(folder)/x", "--to", "safetensors"],
      ["forward", model, "--tokens", "1", "--logits", "\(folder)/l.npy"],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2)
      #expect(
        outcome.errors.contains("mkdir -p '\(workspace.path("it'\\''s; touch Q"))'"),
        "\(outcome.errors)")
      let inFile = try Weighbridge.run(
        arguments.map { $0.replacing(folder, with: file) })
      #expect(inFile.code == 2 && inFile.errors.contains("isn't a folder"))
    }
  }

  // MARK: Streams and numbers

  @Test func closedStreamsAreErrors() throws {
    let out = workspace.path("out")
    let input = try Weighbridge.Run(
      ["convert", "-", out, "--to", "safetensors"], input: "/dev/null", shell: "exec <&-"
    ).outcome()
    #expect(input.code == 2 && input.errors.contains("hint:"))
    #expect(workspace.names() == ["model"])
    let output = try Weighbridge.Run(
      ["inspect", model], input: "/dev/null", shell: "exec >&-"
    ).outcome()
    #expect(output.code == 2)
  }

  @Test(arguments: [
    ["forward", "M", "--tokens", "1", "--prefix=-1"],
    ["forward", "M", "--tokens", "1", "--generate", "0"],
    ["forward", "M", "--tokens", "1", "--generate", "99999999"],
    ["inspect", "M", "--threads", "0"], ["inspect", "M", "--threads", "1000000"],
    ["inspect", "M", "--memory", "1B"], ["convert", "M", "X", "--shards", "0"],
    ["convert", "M", "X", "--shards", "1000000000"],
  ])
  func numbersAreRefusedByRange(_ arguments: [String]) throws {
    let outcome = try Weighbridge.run(
      arguments.map { $0 == "M" ? model : $0 == "X" ? workspace.path("x") : $0 })
    #expect(outcome.code == 2)
    let range = try Regex("must be (from )?[0-9][^ ]*( [KMGTP]?B)? to [0-9]")
    #expect(outcome.errors.contains(range), "\(outcome.errors)")
  }
}
