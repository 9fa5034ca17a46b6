import Foundation
import TestSupport
import Testing

/// `verify --replay` and `sign --derivation`: a checkpoint is made again from its source, whatever it was made by.
@Suite struct DerivationTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  /// A conversion: the command, the destination's ending, its options.
  struct Conversion: CustomTestStringConvertible {
    let command: String
    let ending: String
    let options: [String]
    var testDescription: String { ([command, ending] + options).joined(separator: " ") }
    static func convert(_ ending: String, _ options: String...) -> Conversion {
      Conversion(command: "convert", ending: ending, options: options)
    }

    static func quantize(_ ending: String, _ scheme: String, _ options: String...) -> Conversion {
      Conversion(command: "quantize", ending: ending, options: ["--scheme", scheme] + options)
    }

    /// Every kind that a certificate can state.
    static let all = [
      convert("", "--to", "hf", "--dtype", "bf16"), convert("", "--to", "hf", "--shards", "3"),
      convert("", "--to", "hf", "--max-shard-size", "20KB"),
      convert(".safetensors", "--dtype", "f16"),
      convert(".npz"), convert("", "--to", "npz"), convert(".gguf", "--dtype", "f16"),
      convert("", "--to", "gguf", "--shards", "2"), convert(".store"),
      convert(".store", "--compression", "none"),
      convert(".store", "--compression", "zstd:5", "--max-shard-size", "50KB"),
      convert("", "--to", "mlx"), convert("", "--to", "mesh-transformer", "--shards", "1"),
      convert(".store", "--attention", "prefix"),
      quantize(".gguf", "q4_k_m"),
      quantize(".gguf", "q8_0", "--tensor-type", "ffn_down=q6_k", "--output-type", "f16"),
      quantize("", "mlx-q4-g32"), quantize("", "mlx-mxfp4", "--tensor-type", "h.0=bf16"),
      quantize("", "fp8"), quantize("", "w4a16-g32", "--shards", "2"),
      quantize(".gguf", "q4_0", "--quality", "best"),
      quantize("", "mlx-q3-g32", "--quality", "best"),
      quantize("", "w4a16-channel", "--quality", "best"),
    ]
  }

  private func make(
    _ conversion: Conversion, _ source: String, in folder: String, _ more: [String] = []
  ) throws -> String {
    try FileManager.default.createDirectory(
      atPath: workspace.path(folder), withIntermediateDirectories: true)
    let destination = workspace.path("\(folder)/out\(conversion.ending)")
    let outcome = try Weighbridge.run(
      [conversion.command, source, destination] + conversion.options + ["--quiet"] + more)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return destination
  }

  private func replay(
    _ path: String, _ source: String, _ more: [String] = []
  ) throws -> (code: Int32, findings: [(check: String, tensor: String?)], text: String) {
    let outcome = try Weighbridge.run(
      ["verify", path, "--replay", source, "--skip", "values", "--json", "--quiet"] + more)
    guard outcome.code != 2 else { return (2, [], outcome.errors) }
    let findings = try outcome.object["findings"] as? [[String: Any]] ?? []
    return (
      outcome.code, findings.map { ($0["check"] as? String ?? "", $0["tensor"] as? String) },
      outcome.text
    )
  }

  /// The same model with other values in one matrix: what is made of it has a certificate without a fault.
  private func otherModel(_ name: String = "other") throws -> String {
    let path = workspace.path(name)
    try FileManager.default.copyItem(atPath: Self.gptj, toPath: path)
    var sample = try ModelSample("gptj")
    sample.edit("transformer.h.1.attn.v_proj.weight") { for i in $0.indices { $0[i] *= -1 } }
    try workspace.write("\(name)/model.safetensors", sample.tensors.fileContents)
    return path
  }

  @Test(arguments: Conversion.all)
  func whatWasChangedWithItsCertificateIsFound(_ conversion: Conversion) throws {
    let own = try replay(make(conversion, Self.gptj, in: "own"), Self.gptj)
    #expect(own.code == 0 && !own.findings.contains { $0.check.hasPrefix("replay") }, "\(own.text)")
    let forged = try make(conversion, otherModel(), in: "forged")
    let alone = try Weighbridge.run("verify", forged, "--skip", "values", "--quiet")
    #expect(alone.code == 0, "\(alone.text)")
    let found = try replay(forged, Self.gptj)
    #expect(found.code == 1)
    #expect(
      found.findings.contains { $0.check == "replay-difference" && $0.tensor != nil },
      "\(found.text)")
  }

  @Test func anImportanceMatrixIsNeededAgain() throws {
    let matrix = try ImportanceSample.write(workspace, "imatrix.dat")
    let conversion = Conversion.quantize(".gguf", "q4_0")
    let path = try make(conversion, Self.gptj, in: "own", ["--imatrix", matrix])
    let renamed = try workspace.write("renamed.dat", workspace.contents("imatrix.dat"))
    #expect(try replay(path, Self.gptj, ["--imatrix", renamed]).code == 0)
    let without = try replay(path, Self.gptj)
    #expect(without.code == 2 && without.text.contains("--imatrix"), "\(without.text)")
    let forged = try make(conversion, otherModel(), in: "forged", ["--imatrix", matrix])
    #expect(try replay(forged, Self.gptj, ["--imatrix", matrix]).code == 1)
  }

  /// It isn't ignored: somebody believes that the weights were made with it.
  @Test(arguments: [Conversion.quantize(".gguf", "q4_0"), .convert("", "--to", "hf")])
  func anImportanceMatrixThatWasNotUsedIsRefused(_ conversion: Conversion) throws {
    let matrix = try ImportanceSample.write(workspace, "imatrix.dat")
    let path = try make(conversion, Self.gptj, in: "plain")
    let given = try replay(path, Self.gptj, ["--imatrix", matrix])
    #expect(given.code == 2 && given.text.contains("leave out --imatrix"), "\(given.text)")
    #expect(try replay(path, Self.gptj).code == 0)
  }

  /// What scales were searched for, the file says itself; with a matrix everything depends on that, too.
  @Test(arguments: [
    Conversion.quantize(".gguf", "q8_0"), .quantize("", "mlx-q4-g32"), .quantize("", "w8a8"),
  ])
  func betterScalesAreFoundAgain(_ conversion: Conversion) throws {
    let matrix = try ImportanceSample.write(workspace, "imatrix.dat")
    let better = ["--quality", "best"]
    let path = try make(conversion, Self.gptj, in: "own", better)
    let plain = try make(conversion, Self.gptj, in: "plain")
    let weighed = try make(conversion, Self.gptj, in: "weighed", better + ["--imatrix", matrix])
    func against(_ path: String, _ more: String...) throws -> Weighbridge.Outcome {
      try Weighbridge.run(
        ["verify", path, "--against", Self.gptj, "--skip", "values", "--quiet"] + more)
    }
    #expect(try against(path).code == 0)
    #expect(try against(plain).code == 0)
    #expect(try against(weighed).code == 2)
    #expect(try against(weighed, "--imatrix", matrix).code == 0)
    #expect(try replay(weighed, Self.gptj, ["--imatrix", matrix]).code == 0)
    let roots = try [path, plain, weighed].map {
      try Weighbridge.run("inspect", $0, "--digests", "--json").object["root"] as? String
    }
    #expect(Set(roots).count == 3)
  }

  @Test func aSourceMayLieElsewhere() throws {
    let path = try make(.convert(".gguf"), Self.gptj, in: "own")
    try FileManager.default.copyItem(atPath: Self.gptj, toPath: workspace.path("moved"))
    #expect(try replay(path, workspace.path("moved")).code == 0)
  }

  @Test func sidecarsAndHeadersAreMadeAgainToo() throws {
    let path = try make(.convert("", "--to", "hf"), Self.gptj, in: "own")
    let file = "own/out/config.json"
    let text = String(decoding: try workspace.contents(file), as: UTF8.self)
    try workspace.write(file, Data(text.replacing("\"gptj\"", with: "\"gptJ\"").utf8))
    let changed = try replay(path, Self.gptj, ["--checks", "derivation"])
    #expect(changed.code == 1 && changed.text.contains("config.json"), "\(changed.text)")
    try workspace.write(file, Data(text.utf8))
    #expect(try replay(path, Self.gptj, ["--checks", "derivation"]).code == 0)

    let gguf = try make(.convert(".gguf"), Self.gptj, in: "gguf")
    var bytes = try workspace.contents("gguf/out.gguf")
    let name = try #require(bytes.firstRange(of: Data("gptj".utf8)))
    bytes.replaceSubrange(name, with: Data("gptJ".utf8))
    try workspace.write("gguf/out.gguf", bytes)
    #expect(try Weighbridge.run("verify", gguf, "--skip", "values", "--quiet").code == 0)
    let header = try replay(gguf, Self.gptj)
    #expect(header.code == 1 && header.text.contains("its header"), "\(header.text)")
  }

  @Test func assetsAndStandardInputAreReplayed() throws {
    let shards = fixture("mesh-transformer/s8_trained_slim")
    let source = "\(shards)/step.tar.zstd"
    let options = ["--config", "\(shards)/config.json", "--assets", Self.gptj]
    let path = workspace.path("out")
    let outcome = try Weighbridge.run(
      ["convert", "-", path, "--to", "hf", "--quiet"] + options, input: source)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let again = try replay(path, source, options)
    #expect(again.code == 0, "\(again.text)")
    let without = try replay(path, source, ["--config", "\(shards)/config.json"])
    #expect(
      without.code == 1 && without.findings.contains { $0.check == "replay-plan" },
      "\(without.text)")
  }

  /// A GGUF file has the tokenizer in itself, and its certificate names no file beside it.
  @Test func aTokenizerFromElsewhereIsAskedFor() throws {
    let (source, tokenizer) = (fixture("huggingface/mixtral"), fixture("gguf/tokenizer"))
    let path = workspace.path("m.gguf")
    let made = try Weighbridge.run(
      "quantize", source, path, "--scheme", "q8_0", "--assets", tokenizer, "--quiet")
    #expect(made.code == 0, "\(made.errors)")
    let without = try Weighbridge.run("verify", path, "--replay", source)
    #expect(without.code == 2)
    #expect(without.errors.contains("--assets DIR") && without.errors.contains("tokenizer"))
    let with = try replay(path, source, ["--assets", tokenizer])
    #expect(with.code == 0, "\(with.text)")
    let other = try replay(path, source, ["--assets", Self.gptj])
    #expect(other.code == 1, "\(other.text)")
  }

  /// Of another source it isn't said what it lacks for the conversion.
  @Test func anotherSourceOfAFileIsSaidToBeOne() throws {
    let path = try make(.quantize(".gguf", "q8_0"), Self.gptj, in: "own")
    for other in ["huggingface/mixtral", "huggingface/llama", "huggingface/gpt2"] {
      let found = try replay(path, fixture(other))
      #expect(
        found.code == 1 && found.findings.contains { $0.check == "replay-source" }, "\(found.text)")
      #expect(!found.text.contains("--assets"), "\(found.text)")
    }
  }

  @Test func whatWasLeftOutIsCompared() throws {
    let source = workspace.path("source")
    try FileManager.default.copyItem(atPath: Self.gptj, toPath: source)
    try workspace.write("source/notes.bin", Data("text".utf8))
    let path = try make(.convert(".npz"), source, in: "own")
    func found() throws -> [String] {
      let outcome = try replay(path, source)
      #expect(outcome.code == 0, "\(outcome.text)")
      return outcome.findings.filter { $0.check == "replay-plan" }.map(\.check)
    }
    #expect(try found() == [])
    let name = "own/out.certificate.json"
    let certificate = try workspace.contents(name)
    var object = try #require(
      JSONSerialization.jsonObject(with: certificate) as? [String: Any])
    let names = try #require(object["left_out"] as? [String])
    #expect(names.contains("notes.bin"))
    for forged in [names + ["more.bin"], names.filter { $0 != "notes.bin" }] {
      object["left_out"] = forged
      try workspace.write(name, JSONSerialization.data(withJSONObject: object))
      #expect(try found() == ["replay-plan"])
      #expect(try sign(path, source, "x.sig").code == 1)
    }
    try workspace.write(name, certificate)
    #expect(try sign(path, source, "x.sig").code == 0)
  }

  @Test func aRenamedFileIsSaidToBeOne() throws {
    let path = try make(.convert(".gguf"), Self.gptj, in: "own")
    _ = try sign(path, Self.gptj, "x.sig")
    try FileManager.default.moveItem(atPath: path, toPath: workspace.path("own/new.gguf"))
    let signed = try Weighbridge.run(
      "verify", workspace.path("own/new.gguf"), "--skip", "values", "--signature",
      workspace.path("x.sig"), "--public-key", fixture("signing/private/prime256v1.pub.pem"))
    #expect(
      signed.code == 1 && signed.text.contains("of 'out.gguf', not of this file"), "\(signed.text)")
    // A certificate that was renamed, too, speaks for nothing; one that is another's is none of the file's.
    try FileManager.default.moveItem(
      atPath: workspace.path("own/out.certificate.json"),
      toPath: workspace.path("own/new.certificate.json"))
    let renamed = try Weighbridge.run("verify", workspace.path("own/new.gguf"), "--skip", "values")
    #expect(
      renamed.code == 1 && renamed.text.contains("[certificate-of-others]"), "\(renamed.text)")
    try workspace.write("own/out.gguf", Data())
    #expect(
      try Weighbridge.run("verify", workspace.path("own/new.gguf"), "--skip", "values").code == 0)
  }

  @Test func forgedStatementsAreFound() throws {
    let path = try make(.convert("", "--to", "hf", "--dtype", "bf16"), Self.gptj, in: "own")
    let name = "own/out/weighbridge-certificate.json"
    let certificate = try workspace.contents(name)
    func forge(_ change: (inout [String: Any]) -> Void) throws {
      var object = try #require(
        JSONSerialization.jsonObject(with: certificate) as? [String: Any])
      change(&object)
      try workspace.write(name, JSONSerialization.data(withJSONObject: object))
    }
    func expect(_ check: String, _ change: (inout [String: Any]) -> Void) throws {
      try forge(change)
      let found = try replay(path, Self.gptj)
      #expect(found.code == 1 && found.findings.contains { $0.check == check }, "\(found.text)")
    }
    func tensor(_ change: @escaping (inout [String: Any]) -> Void) -> (inout [String: Any]) -> Void
    {
      { object in
        var tensors = object["tensors"] as? [[String: Any]] ?? []
        change(&tensors[3])
        object["tensors"] = tensors
      }
    }
    try expect("replay-plan") { $0["plan"] = "sha256:" + String(repeating: "0", count: 64) }
    try expect("replay-plan") { $0["settings"] = ["dtype": "keep", "allow_overflow": false] }
    try expect("replay-plan") { $0["settings"] = ["dtype": "f8", "allow_overflow": false] }
    try expect("replay-plan") {
      $0["settings"] = ["dtype": "keep", "allow_overflow": false, "compression": "none"]
    }
    try expect("replay-plan") { $0["format"] = "safetensorsx" }
    try expect("replay-difference") { object in
      object["findings"] = [["check": "audited", "message": "harmless", "severity": "note"]]
    }
    try expect(
      "replay-plan",
      tensor {
        $0["expression"] = "cast(transformer.wte.weight, BF16)"
        $0["sources"] = ["transformer.wte.weight"]
      })
    try expect("replay-difference", tensor { $0["largest_error_ulp"] = 0.25 })
    try expect("replay-difference", tensor { $0["exactness"] = "exact" })
    try expect("replay-source") { $0["source"] = ["format": "safetensors", "layout": "x"] }
    try expect("replay-source") { $0["inputs"] = [["name": "model.safetensors", "byte_count": 1]] }
    try expect("not-checked") { $0["settings"] = nil }
  }

  @Test func whatElseLiesBesideTheSourceDoesntMatter() throws {
    let source = workspace.path("source")
    try FileManager.default.copyItem(atPath: Self.gptj, toPath: source)
    let path = try make(.convert("", "--to", "hf"), source, in: "own")
    #expect(try Weighbridge.run("manifest", source, "--sha256sums", "--quiet").code == 0)
    try workspace.write("source/NOTES.md", Data("text".utf8))
    #expect(try replay(path, source).code == 0)
    // A folder, and the file in it.
    let index = try replay(path, source + "/")
    #expect(index.code == 0, "\(index.text)")
  }

  @Test func filesThatTheConversionDoesntGiveArentSigned() throws {
    let path = try make(.convert("", "--to", "hf"), Self.gptj, in: "own")
    try workspace.write("own/out/README.md", Data("text".utf8))
    #expect(try replay(path, Self.gptj).code == 0)
    try workspace.write("own/out/modeling_x.py", Data("import os".utf8))
    let found = try replay(path, Self.gptj)
    #expect(found.code == 1 && found.text.contains("modeling_x.py"), "\(found.text)")
    let refused = try sign(path, Self.gptj, "x.sig")
    #expect(refused.code == 1 && !workspace.has("x.sig"))
  }

  @Test func partsOfAFileAreSignedTogether() throws {
    _ = try make(
      .convert(".gguf", "--max-shard-size", "200KB", "--dtype", "f16"), Self.gptj, in: "own")
    let part = try #require(
      FileManager.default.contentsOfDirectory(atPath: workspace.path("own")).sorted().first {
        $0.hasSuffix(".gguf")
      })
    let refused = try sign(workspace.path("own/\(part)"), Self.gptj, "x.sig")
    #expect(refused.code == 2 && refused.errors.contains("are signed together"))
  }

  @Test func keysInTheFolderAreNotSigned() throws {
    let path = try make(.convert("", "--to", "hf"), Self.gptj, in: "own")
    let key = try workspace.write(
      "own/out/key.pem", Data(Fixtures.bytes("signing/private/prime256v1.pkcs8.pem")))
    let refused = try Weighbridge.run("sign", path, "--private-key", key)
    #expect(refused.code == 2 && refused.errors.contains("would be published"))
  }

  @Test func standardInputIsReadOnce() throws {
    let outcome = try Weighbridge.run("verify", Self.gptj, "--replay", "-", "--against", "-")
    #expect(outcome.code == 2 && outcome.errors.contains("Only one"))
  }

  @Test func withoutACertificateNothingIsDerived() throws {
    let outcome = try replay(Self.gptj, Self.gptj)
    #expect(outcome.code == 1 && outcome.findings.contains { $0.check == "not-checked" })
    #expect(try replay(make(.convert(".npz"), Self.gptj, in: "own"), "/nowhere").code == 2)
  }

  // MARK: Signatures

  private static func key(_ name: String) -> String { Fixtures.path("signing/\(name)") }

  private func sign(_ path: String, _ source: String, _ name: String) throws -> Weighbridge.Outcome
  {
    try Weighbridge.run(
      "sign", path, "--derivation", source, "--private-key",
      Self.key("private/prime256v1.pkcs8.pem"), "--signature", workspace.path(name), "--quiet")
  }

  private func verify(_ path: String, _ name: String, _ more: [String] = []) throws
    -> Weighbridge.Outcome
  {
    try Weighbridge.run(
      [
        "verify", path, "--signature", workspace.path(name), "--public-key",
        Self.key("private/prime256v1.pub.pem"), "--skip", "values", "--quiet",
      ] + more)
  }

  @Test(arguments: [
    Conversion.convert("", "--to", "hf", "--dtype", "f16"), .convert(".gguf"),
    .quantize("", "mlx-q4-g32"), .convert(".store"),
  ])
  func aDerivationIsSignedAndVerified(_ conversion: Conversion) throws {
    let path = try make(conversion, Self.gptj, in: "own")
    let signed = try sign(path, Self.gptj, "x.sig")
    #expect(signed.code == 0 && signed.text.contains("made again from"), "\(signed.errors)")
    let verified = try verify(path, "x.sig")
    #expect(verified.code == 0 && verified.text.contains("not that it is harmless"))
    #expect(try verify(path, "x.sig", ["--replay", Self.gptj]).code == 0)
    // Rounding can hide that the source is another one.
    let other = try otherModel()
    #expect(try verify(path, "x.sig", ["--replay", other]).code == 1)

    let forged = try make(conversion, other, in: "forged")
    #expect(try verify(forged, "x.sig").code == 1)
    let refused = try sign(forged, Self.gptj, "y.sig")
    #expect(refused.code == 1 && refused.errors.contains("nothing is signed"))
    #expect(!workspace.has("y.sig"))
  }

  @Test func aSignedDerivationIsOfThisCertificate() throws {
    let path = try make(.convert("", "--to", "hf"), Self.gptj, in: "own")
    #expect(try sign(path, Self.gptj, "x.sig").code == 0)
    let name = "own/out/weighbridge-certificate.json"
    let text = String(decoding: try workspace.contents(name), as: UTF8.self)
    try FileManager.default.removeItem(atPath: workspace.path(name))
    // The signature has all of it.
    #expect(try verify(path, "x.sig", ["--replay", Self.gptj]).code == 1)
    try workspace.write(name, Data(text.replacing("\"keep\"", with: "\"F32\"").utf8))
    #expect(try verify(path, "x.sig").code == 1)
  }

  /// Without a certificate nothing is made again; the path is looked at all the same.
  @Test func aSourceThatIsNotThereIsSaid() throws {
    let path = try ModelSample("gpt2").write(workspace, "model")
    let nothing = workspace.path("nothing")
    let key = Fixtures.path("signing/private/prime256v1.sec1.pem")
    for arguments in [
      ["verify", path, "--replay", nothing],
      ["verify", path, "--replay", path, "--assets", nothing],
      ["sign", path, "--derivation", nothing, "--private-key", key],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2, "\(arguments)")
      #expect(outcome.errors.contains("nothing: no such file or directory"), "\(outcome.errors)")
    }
  }
}
