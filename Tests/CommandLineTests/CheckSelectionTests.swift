import Foundation
import TestSupport
import Testing

/// Which checks run, what is said of those that don't, and what that makes of the exit code.
@Suite struct CheckSelectionTests {
  private let workspace: Workspace
  private let path: String

  init() throws {
    workspace = try Workspace()
    path = workspace.path("m")
    try FileManager.default.copyItem(atPath: Fixtures.path("huggingface/llama"), toPath: path)
  }

  private struct Report: Decodable {
    struct Check: Decodable {
      let name: String
      let status: String
      let reason: String?
    }
    struct Finding: Decodable { let check: String }
    let checks: [Check]
    let complete: Bool
    let verdict: String
    let path: String
    let findings: [Finding]

    func reason(_ name: String) -> String? { checks.first { $0.name == name }?.reason }
  }

  private func report(_ options: String...) throws -> (Report, code: Int32) {
    let outcome = try Weighbridge.run(["verify", path, "--json"] + options)
    return (try JSONDecoder().decode(Report.self, from: outcome.output), outcome.code)
  }

  @Test func whatIsSkippedIsSaid() throws {
    let (whole, code) = try report()
    #expect(code == 0 && whole.complete && whole.verdict == "ok" && whole.path == "m")
    #expect(whole.reason("certificate") == "absent" && whole.reason("against") == "not_asked")
    let (less, second) = try report("--skip", "values")
    #expect(second == 0 && !less.complete && less.verdict == "not complete")
    #expect(less.reason("values") == "not_asked")
    let text = try Weighbridge.run("verify", path, "--skip", "values").text
    #expect(text.split(separator: "\n").last?.hasPrefix("not complete: values skipped") == true)
    let (only, third) = try report("--checks", "structure")
    #expect(
      third == 0 && only.checks.filter { $0.status != "skipped" }.map(\.name) == ["structure"])
  }

  @Test func whatIsRequiredMustPass() throws {
    let (required, code) = try report("--skip", "values", "--require", "values,structure")
    #expect(code == 1 && required.findings.map(\.check) == ["not-checked"])
    #expect(try report("--require", "certificate").code == 1)
    #expect(try report("--strict").code == 0)
    let (strict, third) = try report("--strict", "--skip", "contents")
    #expect(third == 1 && strict.findings.map(\.check) == ["not-complete"])
  }

  /// A check that isn't there for other formats is said where it is named, and what looks at nothing doesn't pass.
  @Test func whatIsNamedMustBeThere() throws {
    let (required, code) = try report("--require", "store")
    #expect(code == 1 && required.findings.map(\.check) == ["not-checked"])
    #expect(required.reason("store") == "absent")
    let (only, second) = try report("--checks", "store")
    #expect(second == 1 && only.findings.map(\.check) == ["not-checked"])
    #expect(try report("--checks", "digests,certificate").code == 1)
    let (both, third) = try report("--checks", "structure,store")
    #expect(third == 0 && both.reason("store") == "absent")
    #expect(try report().0.reason("store") == nil)
  }

  @Test func someCheckMustBeLeft() throws {
    for options in [
      ["--checks", "structure,values", "--skip", "values,structure"],
      ["--checks", "cache", "--skip", "cache"],
    ] {
      let outcome = try Weighbridge.run(["verify", path] + options)
      #expect(outcome.code == 2 && outcome.errors.contains("no check to run"), "\(outcome.errors)")
    }
  }

  @Test func nothingRunsAfterAFailure() throws {
    try workspace.edit("m/config.json") { $0 = Data("{".utf8) }
    let (found, code) = try report("--fail-fast")
    #expect(code == 1 && found.reason("contents") == "blocked")
  }

  @Test(arguments: [
    ["--checks", "nonsense"], ["--skip", ""], ["--require", "values,"],
    ["--checks", "structure", "--require", "values"],
  ])
  func namesThatNoCheckHasAreUsageErrors(_ options: [String]) throws {
    let outcome = try Weighbridge.run(["verify", path] + options)
    #expect(outcome.code == 2 && outcome.errors.contains("error:"), "\(outcome.errors)")
  }

  // MARK: Values

  private func sample(_ tensors: [SampleTensor]) throws -> String {
    try workspace.write("x.safetensors", SafetensorsSample(tensors).fileContents)
  }

  private func findings(_ path: String) throws -> [String] {
    let outcome = try Weighbridge.run("verify", path, "--json", "--checks", "values")
    return try JSONDecoder().decode(Report.self, from: outcome.output).findings.map(\.check)
  }

  @Test func valuesThatNoWeightsShouldHaveAreFound() throws {
    let numbers = (0..<12).map { Float($0) + 0.5 }
    func matrix(_ name: String, _ values: [Float]) -> SampleTensor {
      SampleTensor(name, [3, 4], floats: values)
    }
    #expect(try findings(sample([matrix("a", numbers)])) == [])
    var broken = numbers
    broken[7] = .nan
    broken[9] = -.infinity
    #expect(try findings(sample([matrix("a", broken)])) == ["nan", "infinity"])
    #expect(try findings(sample([matrix("a", Array(repeating: 0, count: 12))])) == ["all-zero"])
    #expect(try findings(sample([matrix("a", Array(repeating: 7, count: 12))])) == ["constant"])
    #expect(
      try findings(sample([matrix("a", numbers), matrix("b", numbers)])) == ["duplicate-tensor"])
    // A head may be the embedding, where no configuration says otherwise.
    let tied = ["model.embed_tokens.weight", "lm_head.weight"]
    #expect(try findings(sample(tied.map { matrix($0, numbers) })) == [])
    // Vectors may be anything.
    let vectors = ["a", "b"].map { SampleTensor($0, [12], floats: Array(repeating: 1, count: 12)) }
    #expect(try findings(sample(vectors + [SampleTensor("z", [4], floats: [0, 0, 0, 0])])) == [])
  }

  /// Each kind's own first place, whichever comes before the other.
  @Test(arguments: [(7, 9), (9, 7)]) func eachKindHasItsOwnFirstPlace(nan: Int, infinity: Int)
    throws
  {
    var values = (0..<12).map { Float($0) + 0.5 }
    (values[nan], values[infinity], values[11], values[10]) = (.nan, .infinity, .nan, -.infinity)
    let path = try sample([SampleTensor("a", [3, 4], floats: values)])
    let text = try Weighbridge.run("verify", path, "--checks", "values").text
    for (what, place) in [("NaN", nan), ("infinite", infinity)] {
      #expect(text.contains("are \(what), the first at [\(place / 4), \(place % 4)] "), "\(text)")
    }
  }

  /// What is added to scores of attention has -∞ where nothing shall be seen; any other tensor with it is broken.
  @Test func masksOfUnknownModelsMayBeInfinite() throws {
    let infinity = Float.infinity
    let causal: [Float] = (0..<16).map { place in place % 4 > place / 4 ? -infinity : 0 }
    let masks = [
      SampleTensor("attn_mask", [4, 4], floats: causal),
      SampleTensor("b.mask", [1, 1, 4, 4], floats: causal),
    ]
    #expect(try findings(sample(masks)) == [])
    var broken: [(shape: [Int], values: [Float])] = [
      ([2, 8], causal), ([16], causal), ([1, 1], [-infinity]), ([], [-infinity]),
      ([4, 4], [Float](repeating: -infinity, count: 16)),
    ]
    for other: Float in [1, infinity, .nan] {
      var values = causal
      values[4] = other
      broken.append(([4, 4], values))
    }
    for (shape, values) in broken {
      let found = try findings(sample([SampleTensor("attn_mask", shape, floats: values)]))
      #expect(found.contains("infinity"), "\(shape) \(values): \(found)")
    }
  }

  @Test func filesThatEndWithZerosAreFound() throws {
    let values = (0..<4096).map { Float($0 < 2000 ? $0 + 1 : 0) }
    let tail = SampleTensor("a", [64, 64], floats: values)
    #expect(try findings(sample([tail])) == ["zero-tail"])
    let bias = SampleTensor("b", [2048], floats: Array(repeating: 0, count: 2048))
    let whole = SampleTensor("a", [64, 64], floats: values.map { $0 + 1 })
    #expect(try findings(sample([whole, bias])) == [])
  }

  /// Up to an eighth of a vocabulary may fill it up.
  @Test(arguments: [(100, []), (101, ["zero-tail"]), (400, ["zero-tail"])])
  func rowsThatFillUpAVocabularyAreFew(_ zeroRows: Int, _ expected: [String]) throws {
    var model = try ModelSample("gptj")
    let count = 800
    let width = try #require(model.configuration["n_embd"] as? Int)
    model.configuration["vocab_size"] = count
    func values(_ rows: Int, _ scale: Float) -> [Float] {
      (0..<count * width).map { $0 < rows * width ? Float($0 + 1) * scale : 0 }
    }
    let names = ["transformer.wte.weight", "lm_head.bias", "lm_head.weight"]
    model.tensors.tensors.removeAll { names.contains($0.name) }
    model.tensors.tensors += [
      SampleTensor(names[0], [count, width], floats: values(count, 0.5)),
      SampleTensor(names[1], [count], floats: Array(repeating: 0, count: count)),
      SampleTensor(names[2], [count, width], floats: values(count - zeroRows, 0.25)),
    ]
    #expect(try findings(model.write(workspace, "padded")) == expected)
  }

  /// What conversion writes and `verify` finds is said by both.
  @Test(arguments: ["out", "out.store", "out.npz"])
  func conversionSaysThatValuesAreBroken(_ name: String) throws {
    let source = try sample([SampleTensor("a", [2, 2], floats: [1, .nan, 3, .infinity])])
    let converted = try Weighbridge.run(
      "convert", source, workspace.path(name), "--to",
      name == "out" ? "hf" : name == "out.npz" ? "npz" : "store")
    #expect(converted.code == 0, "\(converted.errors)")
    #expect(converted.errors.contains("[nan]") && converted.errors.contains("[infinity]"))
    let verified = try Weighbridge.run("verify", workspace.path(name))
    #expect(verified.code == 1 && verified.text.contains("[nan]"))
  }

  // MARK: Caches

  @Test func filesOfACacheAreWhatTheirNamesSay() throws {
    let snapshot = "models--a--b/snapshots/0123"
    try workspace.folder(snapshot)
    try workspace.folder("models--a--b/refs")
    func link(_ name: String, _ blob: String) throws {
      try workspace.write(
        "models--a--b/blobs/\(blob)", try workspace.contents("m/\(name)"))
      try FileManager.default.createSymbolicLink(
        atPath: workspace.path("\(snapshot)/\(name)"), withDestinationPath: "../../blobs/\(blob)")
    }
    func verify() throws -> (text: String, code: Int32) {
      let outcome = try Weighbridge.run(
        "verify", workspace.path(snapshot), "--checks", "structure,cache")
      return (outcome.text, outcome.code)
    }
    // SHA-256 of the weights, SHA-1 of git's object of the configuration.
    let weights = try sha("sha256sum", workspace.path("m/model.safetensors"))
    let configuration = try workspace.contents("m/config.json")
    try workspace.write("object", Data("blob \(configuration.count)\0".utf8) + configuration)
    try link("model.safetensors", weights)
    try link("config.json", try sha("sha1sum", workspace.path("object")))
    #expect(try verify().code == 0)
    #expect(try verify().text.contains("cache         passed"))
    try workspace.edit("models--a--b/blobs/\(weights)") { $0[$0.count - 9] ^= 4 }
    let changed = try verify()
    #expect(
      changed.code == 1 && changed.text.contains("model.safetensors: isn't what was downloaded"))
    try workspace.edit("models--a--b/blobs/\(weights)") { $0[$0.count - 9] ^= 4 }
    try link("tokens.npy", "W-etag-of-a-mirror")
    let other = try verify()
    #expect(other.code == 0 && other.text.contains("cache         skipped"))
    // Files in the place of links are nobody's.
    for name in ["config.json", "model.safetensors"] {
      try workspace.remove("\(snapshot)/tokens.npy")
      try workspace.remove("\(snapshot)/\(name)")
      try workspace.write("\(snapshot)/\(name)", workspace.contents("m/\(name)"))
      try FileManager.default.createSymbolicLink(
        atPath: workspace.path("\(snapshot)/tokens.npy"),
        withDestinationPath: "../../blobs/\(weights)")
      let unlinked = try verify()
      #expect(unlinked.code == 0 && unlinked.text.contains("cache         skipped"))
      #expect(unlinked.text.contains("\(name): a file among downloaded ones"), "\(unlinked.text)")
      #expect(unlinked.text.contains("[cache-unlinked]"))
    }
    let outcome = try Weighbridge.run(
      "verify", workspace.path(snapshot), "--checks", "structure,cache", "--require", "cache")
    #expect(outcome.code == 1 && outcome.text.contains("[not-checked]"))
  }

  // MARK: Indexes

  private func index(_ places: [String: String], total: Int? = nil) throws {
    var document: [String: Any] = ["weight_map": places]
    if let total { document["metadata"] = ["total_size": total] }
    try workspace.write(
      "m/model.safetensors.index.json", JSONSerialization.data(withJSONObject: document))
  }

  @Test func anIndexBesideOneFileIsItsIndex() throws {
    let inspected = try Weighbridge.run("inspect", path, "--json").object
    let tensors = try #require(inspected["tensors"] as? [[String: Any]])
    let names = tensors.compactMap { $0["name"] as? String }
    let right = Dictionary(uniqueKeysWithValues: names.map { ($0, "model.safetensors") })
    func found() throws -> [String] { try report("--checks", "structure").0.findings.map(\.check) }
    try index(right, total: inspected["byte_count"] as? Int)
    #expect(try found() == [])
    try index(right, total: 1)
    #expect(try found() == ["index-total-size"])
    try index(right.merging(["extra": "model.safetensors"]) { $1 })
    #expect(try found() == ["index-missing-tensor"])
    try index(right.merging([names[0]: "other.safetensors"]) { $1 })
    #expect(try found() == ["index-stale-tensor"])
    try index(right.filter { $0.key != names[0] && $0.key != names[1] })
    #expect(try found() == ["index-unlisted-tensor", "index-unlisted-tensor"])
    try index(right.mapValues { _ in "other.safetensors" })
    #expect(try found() == ["unused-weights"])
    try workspace.write("m/model.safetensors.index.json", Data("{".utf8))
    #expect(try found() == ["file-malformed"])
  }

  @Test(arguments: ["weights.h5", "chunks.json", "weights-00001.h5", "store.json"])
  func aMissingFileOfAStoreIsNamedOnce(_ name: String) throws {
    #expect(try Weighbridge.run("convert", path, workspace.path("s.store"), "--quiet").code == 0)
    try workspace.remove("s.store/\(name)")
    let outcome = try Weighbridge.run("verify", workspace.path("s.store"), "--skip", "values")
    let lines = outcome.text.split(separator: "\n").filter { $0.hasPrefix("error: \(name):") }
    #expect(outcome.code == 1 && lines.count == 1, "\(outcome.text)")
    #expect(lines.first?.contains("[file-missing]") == true)
  }

  @Test func everyMissingShardIsNamed() throws {
    try workspace.remove("m/model.safetensors")
    try index(["a": "one.safetensors", "b": "two.safetensors", "c": "three.safetensors"])
    let outcome = try Weighbridge.run("verify", path)
    #expect(outcome.code == 1)
    for name in ["one", "two", "three"] {
      #expect(outcome.text.contains("\(name).safetensors: a shard that the index names"))
    }
    #expect(try report().0.findings.map(\.check) == Array(repeating: "file-missing", count: 3))
  }

  private func sha(_ program: String, _ path: String) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program, path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
  }
}
