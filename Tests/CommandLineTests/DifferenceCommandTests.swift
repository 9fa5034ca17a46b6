import Foundation
import TestSupport
import Testing

/// A difference on the command line: made again from its source, signed, and bases that nothing needs.
@Suite struct DifferenceCommandTests {
  private let workspace: Workspace
  private let base: String
  private let fork: String
  private static let key = Fixtures.path("signing/private/prime256v1.pkcs8.pem")
  private static let publicKey = Fixtures.path("signing/private/prime256v1.pub.pem")

  init() throws {
    workspace = try Workspace()
    base = try ModelSample("gptj").write(workspace, "gptj")
    fork = try Self.fork(workspace, "fork", of: "gptj", by: 1)
  }

  /// The base with some steps of an ulp in two matrices.
  static func fork(
    _ workspace: Workspace, _ name: String, of base: String, by steps: UInt8
  ) throws -> String {
    var sample = try ModelSample("gptj")
    for matrix in ["attn.v_proj", "mlp.fc_in"] {
      sample.edit("transformer.h.1.\(matrix).weight") { values in
        for place in values.indices { for _ in 0..<steps { values[place] = values[place].nextUp } }
      }
    }
    return try sample.write(workspace, name)
  }

  /// What is written as a difference: the ending of its name, and options.
  struct Kind: CustomTestStringConvertible {
    let name: String
    let options: [String]
    var testDescription: String { ([name] + options).joined(separator: " ") }
    static let all = [
      Kind(name: "x.store", options: []),
      Kind(
        name: "x.store",
        options: ["--max-shard-size", "50KB", "--compression", "zstd:5", "--base-hint", "GPT-J"]),
      Kind(name: "weight_v000004", options: ["--to", "weight-delta"]),
    ]
  }

  private func make(
    _ kind: Kind, _ fork: String, _ base: String, in folder: String
  ) throws -> String {
    let destination = workspace.path("\(folder)/\(kind.name)")
    try workspace.folder(folder)
    let outcome = try Weighbridge.run(
      ["convert", fork, destination, "--base", base, "--quiet"] + kind.options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return destination
  }

  private func replay(
    _ path: String, _ source: String, _ more: String...
  ) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["verify", path, "--replay", source, "--skip", "values", "--quiet"] + more)
  }

  // MARK: Made again

  @Test(arguments: Kind.all) func aDifferenceIsMadeAgain(_ kind: Kind) throws {
    let path = try make(kind, fork, base, in: "own")
    let own = try replay(path, fork, "--base", base)
    #expect(own.code == 0, "\(own.text)\(own.errors)")
    // Without the base nothing can be compared.
    let without = try replay(path, fork)
    #expect(without.code == 2 && without.errors.contains("--base"), "\(without.errors)")
    // Both may lie elsewhere, under other names.
    try workspace.copy(base, to: "moved/base")
    try workspace.copy(fork, to: "moved/tuned")
    let moved = try replay(
      path, workspace.path("moved/tuned"), "--base", workspace.path("moved/base"))
    #expect(moved.code == 0, "\(moved.text)\(moved.errors)")
  }

  @Test(arguments: Kind.all) func whatWasChangedWithItsCertificateIsFound(_ kind: Kind) throws {
    let other = try Self.fork(workspace, "other/fork", of: "gptj", by: 2)
    let forged = try make(kind, other, base, in: "forged")
    #expect(
      try Weighbridge.run("verify", forged, "--base", base, "--skip", "values", "--quiet").code
        == 0)
    let found = try replay(forged, fork, "--base", base)
    #expect(found.code == 1 && found.text.contains("replay-difference"), "\(found.text)")
    // The base isn't the source.
    #expect(try replay(make(kind, fork, base, in: "own"), base, "--base", base).code == 1)
  }

  @Test(arguments: Kind.all) func theCertificateIsThatOfTheForkAndListsTheBase(
    _ kind: Kind
  ) throws {
    let path = try make(kind, fork, base, in: "own")
    let whole = workspace.path("whole.store")
    #expect(try Weighbridge.run("convert", fork, whole, "--quiet").code == 0)
    func certificate(_ folder: String) throws -> [String: Any] {
      let data = try Data(
        contentsOf: URL(filePath: "\(folder)/weighbridge-certificate.json"))
      return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    func expressions(_ document: [String: Any]) -> [String: [String]] {
      var found: [String: [String]] = [:]
      for tensor in document["tensors"] as? [[String: Any]] ?? [] {
        found[tensor["name"] as? String ?? ""] = [
          tensor["expression"] as? String ?? "", tensor["digest"] as? String ?? "",
        ]
      }
      return found
    }
    let (own, complete) = (try certificate(path), try certificate(whole))
    #expect(expressions(own) == expressions(complete) && !expressions(own).isEmpty)
    #expect(own["root"] as? String == complete["root"] as? String)
    let inputs = (own["inputs"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
    #expect(inputs.contains("base/model.safetensors") && inputs.contains("model.safetensors"))
  }

  /// A fork from standard input has no name, and its base has.
  @Test func aForkFromAPipeIsMadeAgain() throws {
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "cf", workspace.path("fork.tar"), "-C", workspace.path, "fork"]
    try tar.run()
    tar.waitUntilExit()
    let path = workspace.path("piped.store")
    let made = try Weighbridge.run(
      ["convert", "-", path, "--base", base, "--quiet"], input: workspace.path("fork.tar"))
    #expect(made.code == 0, "\(made.errors)")
    for source in [fork, workspace.path("fork.tar")] {
      let outcome = try Weighbridge.run("verify", path, "--base", base, "--replay", source)
      #expect(outcome.code == 0, "\(outcome.text)\(outcome.errors)")
    }
    let other = try Self.fork(workspace, "other", of: "gptj", by: 2)
    #expect(
      try Weighbridge.run("verify", path, "--base", base, "--replay", other).code == 1)
  }

  @Test(arguments: Kind.all) func aDifferenceIsSignedAsDerived(_ kind: Kind) throws {
    let path = try make(kind, fork, base, in: "own")
    let signature = workspace.path("x.sig")
    func sign(_ source: String, _ more: String...) throws -> Weighbridge.Outcome {
      try Weighbridge.run(
        [
          "sign", path, "--derivation", source, "--private-key", Self.key, "--signature",
          signature, "--quiet",
        ] + more)
    }
    let without = try sign(fork)
    #expect(without.code == 2 && without.errors.contains("--base"), "\(without.errors)")
    #expect(try sign(base, "--base", base).code == 1)
    #expect(!workspace.has("x.sig"))
    let signed = try sign(fork, "--base", base)
    #expect(signed.code == 0, "\(signed.text)\(signed.errors)")
    let options = ["--signature", signature, "--public-key", Self.publicKey, "--base", base]
    let verified = try Weighbridge.run(
      ["verify", path, "--skip", "values", "--quiet"] + options)
    #expect(verified.code == 0, "\(verified.text)\(verified.errors)")
    let replayed = try Weighbridge.run(
      ["verify", path, "--skip", "values", "--quiet", "--replay", fork] + options)
    #expect(replayed.code == 0, "\(replayed.text)\(replayed.errors)")
  }

  /// A complete checkpoint that was made of a difference.
  @Test func whatIsMadeCompleteIsMadeAgain() throws {
    let difference = try make(Kind.all[0], fork, base, in: "own")
    let full = workspace.path("full")
    #expect(
      try Weighbridge.run(
        "convert", difference, full, "--to", "hf", "--base", base, "--quiet"
      ).code == 0)
    let own = try replay(full, difference, "--base", base)
    #expect(own.code == 0, "\(own.text)\(own.errors)")
    #expect(try replay(full, difference).code == 2)
  }

  // MARK: What to do next

  @Test func theLastLineNamesTheBase() throws {
    let outcome = try Weighbridge.run(
      "convert", fork, workspace.path("y.store"), "--base", base, "--quiet")
    #expect(
      outcome.text.contains(
        "weighbridge verify --base \(base) \(workspace.path("y.store"))\n"), "\(outcome.text)")
  }

  @Test func theManifestsLastLineNamesTheBase() throws {
    let path = try make(Kind.all[0], fork, base, in: "own")
    let outcome = try Weighbridge.run("manifest", path, "--base", base, "--quiet")
    #expect(
      outcome.text.contains("weighbridge verify --base \(base) \(path)\n"), "\(outcome.text)")
  }

  // MARK: Several bases

  /// Two differences, each to a base of its own: the second base, and a fork of it.
  @Test(arguments: Kind.all) func eachTakesTheBaseThatHasItsRoot(_ kind: Kind) throws {
    var sample = try ModelSample("gptj")
    sample.edit("transformer.h.1.mlp.fc_in.weight") { values in values[3] += 1 }
    let otherBase = try sample.write(workspace, "otherBase")
    sample.edit("transformer.h.0.mlp.fc_in.weight") { values in values[5] = values[5].nextUp }
    let otherFork = try sample.write(workspace, "otherFork")
    let first = try make(kind, fork, base, in: "first")
    let second = try make(kind, otherFork, otherBase, in: "second")
    for bases in [[base, otherBase], [otherBase, base]] {
      for (one, two) in [(first, second), (second, first)] {
        let options = ["--base", bases[0], "--base", bases[1], "--quiet"]
        let compared = try Weighbridge.run(["compare", one, two] + options)
        #expect(compared.code == 1, "\(compared.text)\(compared.errors)")
        let verified = try Weighbridge.run(
          ["verify", one, "--against", two, "--skip", "values"] + options)
        #expect(verified.code == 1, "\(verified.text)\(verified.errors)")
        #expect(!verified.text.contains("wrong-base"), "\(verified.text)")
      }
    }
    for (path, whole, own) in [(first, fork, base), (second, otherFork, otherBase)] {
      let same = try Weighbridge.run("compare", path, whole, "--base", own, "--quiet")
      #expect(same.code == 0, "\(same.text)\(same.errors)")
    }
  }

  @Test func theSameBaseTwiceIsAnError() throws {
    let path = try make(Kind.all[0], fork, base, in: "own")
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("again"), withDestinationPath: base)
    for twice in [base, base + "/", workspace.path("again")] {
      let outcome = try Weighbridge.run(
        "convert", path, workspace.path("y.store"), "--base", base, "--base", twice)
      #expect(outcome.code == 2 && outcome.errors.contains("twice"), "\(outcome.errors)")
      #expect(!workspace.has("y.store"))
    }
  }

  // MARK: What is said of a base

  @Test(arguments: Kind.all) func aBaseThatIsNotThereIsNoFinding(_ kind: Kind) throws {
    let path = try make(kind, fork, base, in: "own")
    let outcome = try Weighbridge.run("verify", path, "--base", workspace.path("nope"))
    #expect(outcome.code == 2 && outcome.errors.contains("nope"), "\(outcome.text)")
    let part = try Weighbridge.run(
      "verify", path, "--base", workspace.path("nope"), "--part", "1/2", "--parts",
      workspace.path("parts"))
    #expect(part.code == 2 && part.errors.contains("nope"), "\(part.text)")
  }

  @Test(arguments: Kind.all) func anotherBaseIsAFindingOfItsOwn(_ kind: Kind) throws {
    let path = try make(kind, fork, base, in: "own")
    let other = try Self.fork(workspace, "another", of: "gptj", by: 4)
    let outcome = try Weighbridge.run("verify", path, "--base", other, "--quiet")
    #expect(outcome.code == 1, "\(outcome.text)")
    let errors = outcome.text.split(separator: "\n").filter { $0.hasPrefix("error:") }
    #expect(!errors.isEmpty && errors.allSatisfy { $0.hasSuffix("[wrong-base]") }, "\(errors)")
  }

  @Test(arguments: Kind.all) func claimsAreCheckedAgainstTheFork(_ kind: Kind) throws {
    let path = try make(kind, fork, base, in: "own")
    let outcome = try Weighbridge.run(
      "verify", path, "--against", fork, "--base", base, "--skip", "values")
    #expect(outcome.code == 0, "\(outcome.text)\(outcome.errors)")
    #expect(outcome.text.contains("claims on 35 tensors evaluated"), "\(outcome.text)")
  }

  /// An update says without its base what it is, and that its frames are whole.
  @Test func anUpdateIsLookedAtWithoutItsBase() throws {
    let path = try make(Kind.all[2], fork, base, in: "own")
    let text = try Weighbridge.run("inspect", path)
    #expect(text.code == 0 && text.text.contains("version 000003, root sha256:"), "\(text.text)")
    let json = try Weighbridge.run("inspect", path, "--json")
    let document = try #require(
      JSONSerialization.jsonObject(with: json.output) as? [String: Any])
    let named = try #require(document["base"] as? [String: Any])
    #expect((named["root"] as? String)?.hasPrefix("sha256:") == true)
    let verified = try Weighbridge.run("verify", path)
    #expect(verified.code == 0, "\(verified.text)\(verified.errors)")
    #expect(verified.text.contains("note: 2 tensors") && verified.text.contains("[base]"))
    for command in [
      ["compare", path, fork], ["verify", path, "--against", fork], ["inspect", path, "--digests"],
    ] {
      let outcome = try Weighbridge.run(command)
      #expect(outcome.code == 2 && outcome.errors.contains("--base"), "\(command)")
    }
    let name = "own/weight_v000004/model-00000-of-00001.safetensors"
    try workspace.edit(name) {
      $0[$0.count - 8] ^= 0xFF; $0.removeLast()
    }
    #expect(try Weighbridge.run("verify", path).code == 1)
  }

  @Test func theNextCommandNamesTheBase() throws {
    let path = try make(Kind.all[0], fork, base, in: "own")
    let tokens = try workspace.write("tokens.json", Data("[[1, 2, 3, 4]]".utf8))
    let outcome = try Weighbridge.run(
      "importance", path, "--tokens-file", tokens, "--output", workspace.path("m.gguf"), "--base",
      base)
    #expect(outcome.code == 0 && outcome.text.contains("OUT.gguf --base \(base) --scheme"))
  }

  // MARK: Bases that nothing needs

  /// A command for each that takes `--base`, over a complete checkpoint.
  private func commands() throws -> [[String]] {
    let tokens = try workspace.write("tokens.json", Data("[[1, 2, 3, 4]]".utf8))
    let whole = workspace.path("whole.store")
    #expect(try Weighbridge.run("convert", fork, whole, "--quiet").code == 0)
    let out = workspace.path("out")
    return [
      ["inspect", fork], ["manifest", fork], ["verify", fork], ["verify", fork, "--against", base],
      ["verify", whole, "--replay", fork], ["compare", fork, base],
      ["compare", fork, base, "--forward", "--tokens", "1,2"],
      ["forward", fork, "--tokens", "1,2"],
      ["importance", fork, "--tokens-file", tokens, "--output", "\(out).gguf"],
      ["convert", fork, out, "--to", "hf"], ["convert", fork, out, "--to", "hf", "--dry-run"],
      // The second has no use.
      ["convert", fork, "\(out).store", "--base", base],
      ["quantize", fork, "\(out).gguf", "--scheme", "q8_0"],
      ["quantize", fork, "--scheme", "q8_0", "--dry-run"],
      ["quantize", fork, "--scheme", "q8_0,q4_0", "--dry-run", "--measure"],
      ["sign", whole, "--private-key", Self.key],
      ["sign", whole, "--private-key", Self.key, "--derivation", fork],
    ]
  }

  @Test func aBaseThatNothingNeedsIsRefused() throws {
    let commands = try commands()
    // Nobody forgets a command.
    let takers = try HelpTests.subcommands.filter {
      try Weighbridge.run($0, "--help").text.contains("--base <path>")
    }
    #expect(Set(commands.map { $0[0] }) == Set(takers))
    let before = try workspace.snapshot(of: "")
    for command in commands {
      let outcome = try Weighbridge.run(command + ["--base", base])
      #expect(outcome.code == 2, "\(command): \(outcome.errors)")
      #expect(outcome.errors.contains("--base"), "\(command): \(outcome.errors)")
      #expect(
        outcome.output.isEmpty, "\(command): \(outcome.text)")
    }
    let after = try workspace.snapshot(of: "")
    #expect(before == after)
  }
}
