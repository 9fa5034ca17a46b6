import Foundation
import TestSupport
import Testing

/// Manifests: what they list, and that nothing changes unseen.
@Suite struct ManifestTests {
  private let workspace: Workspace

  init() throws {
    workspace = try Workspace()
    try workspace.write(
      "m/model.safetensors",
      SafetensorsSample([
        SampleTensor("a", [2, 3], floats: [1, 2, 3, 4, 5, 6]),
        SampleTensor("empty", [0], floats: []), SampleTensor("b", [2], floats: [7, 8]),
      ]).fileContents)
    for name in ["a b.txt", "back\\slash.txt", "line\nbreak.txt", "sub/Ünï.txt"] {
      try workspace.write("m/\(name)", Data(name.utf8))
    }
    try workspace.write("m/.git/HEAD", Data("x".utf8))
  }

  private struct Manifest: Decodable {
    struct File: Decodable {
      let name: String
      let byte_count: Int
      let digest: String
    }
    struct Tensor: Decodable {
      let name: String
      let shape: [Int]
      let file: String
    }
    let schema: String
    let files: [File]
    let tensors: [Tensor]
  }

  @discardableResult
  private func write(_ options: String...) throws -> Manifest {
    let outcome = try Weighbridge.run(["manifest", workspace.path("m")] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try JSONDecoder().decode(
      Manifest.self, from: workspace.contents("m/weighbridge-manifest.json"))
  }

  private func verify(_ options: String...) throws -> (text: String, code: Int32) {
    let outcome = try Weighbridge.run(["verify", workspace.path("m")] + options)
    return (outcome.text, outcome.code)
  }

  /// Tensors of an archive lie in files that no list has, and the archive's digest covers them.
  @Test func manifestsOfArchivesAndSetsAreConsistent() throws {
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = [
      "tar", "cf", workspace.path("m.tar"), "-C", workspace.path, "m/model.safetensors",
    ]
    try tar.run()
    tar.waitUntilExit()
    let archive = workspace.path("m.tar")
    #expect(try Weighbridge.run("manifest", archive).code == 0)
    let verified = try Weighbridge.run("verify", archive, "--require", "digests")
    #expect(verified.code == 0, "\(verified.errors)")
    let set = workspace.path("set")
    let quantized = try Weighbridge.run(
      "quantize", fixture("huggingface/gptj"), set, "--scheme", "q8_0", "--shards", "2")
    #expect(quantized.code == 0, "\(quantized.errors)")
    let first = "\(set)/model-00001-of-00002.gguf"
    #expect(try Weighbridge.run("manifest", first).code == 0)
    #expect(try Weighbridge.run("verify", first).code == 0)
    // The other file of the set has no digest.
    #expect(try Weighbridge.run("verify", first, "--require", "digests").code == 1)
  }

  @Test func listsOfCoreutilsAreReadInEachOfTheirForms() throws {
    let digest = try #require(
      try write().files.first { $0.name == "a b.txt" }?.digest.split(separator: ":").last)
    try FileManager.default.removeItem(atPath: workspace.path("m/weighbridge-manifest.json"))
    for line in [
      "\(digest)  ./a b.txt", "SHA256 (a b.txt) = \(digest)", "# a list\n\(digest)  a b.txt",
    ] {
      try workspace.write("m/SHA256SUMS", Data("\(line)\n".utf8))
      let found = try verify()
      #expect(found.code == 0 && found.text.contains("1 file against SHA256SUMS"), "\(found.text)")
    }
  }

  @Test(arguments: ["", "\n", "# nothing\n"]) func anEmptyListIsNoList(_ text: String) throws {
    try workspace.write("m/SHA256SUMS", Data(text.utf8))
    let found = try verify()
    #expect(found.code == 1 && found.text.contains("[manifest-unusable]"), "\(found.text)")
    // What the manifest says is compared all the same.
    try write()
    try workspace.write("m/SHA256SUMS", Data(text.utf8))
    try workspace.write("m/a b.txt", Data("changed".utf8))
    let both = try verify()
    #expect(both.text.contains("[manifest-unusable]") && both.text.contains("[digest-mismatch]"))
  }

  /// A list that has other files is no check of the weights.
  @Test func whatIsRequiredCoversTheWeights() throws {
    let files = try write("--sha256sums").files
    try workspace.remove("m/weighbridge-manifest.json")
    #expect(try verify("--require", "digests").code == 0)
    let digest = try #require(
      files.first { $0.name == "a b.txt" }?.digest.dropFirst("sha256:".count))
    try workspace.write("m/SHA256SUMS", Data("\(digest)  a b.txt\n".utf8))
    let found = try verify("--require", "digests")
    #expect(found.code == 1 && found.text.contains("[not-checked]"), "\(found.text)")
    #expect(found.text.contains("of 1 weight file there is no digest, such as model.safetensors"))
    #expect(try verify().code == 0)
  }

  // MARK: Contradictions

  private func edited(_ change: (inout [String: Any]) -> Void) throws -> Data {
    var object = try #require(
      JSONSerialization.jsonObject(with: workspace.contents("m/weighbridge-manifest.json"))
        as? [String: Any])
    change(&object)
    return try JSONSerialization.data(withJSONObject: object)
  }

  /// Changes the first entry of a list.
  private static func first(
    _ list: String, _ change: @escaping (inout [String: Any]) -> Void
  ) -> (inout [String: Any]) -> Void {
    { object in
      var entries = object[list] as? [[String: Any]] ?? []
      change(&entries[0])
      object[list] = entries
    }
  }

  private static func double(_ list: String) -> (inout [String: Any]) -> Void {
    { object in
      let entries = object[list] as? [[String: Any]] ?? []
      object[list] = entries + entries.prefix(1)
    }
  }

  private static let zeros = "sha256:" + String(repeating: "0", count: 64)

  @Test func aManifestThatContradictsItselfIsNone() throws {
    try write()
    let contradictions: [(String, (inout [String: Any]) -> Void)] = [
      ("its root is", { $0["root"] = Self.zeros }),
      ("its root is", Self.first("tensors") { $0["digest"] = Self.zeros }),
      ("its root is", Self.first("tensors") { $0["name"] = "other" }),
      ("has 5 bytes", Self.first("tensors") { $0["byte_count"] = 5 }),
      ("which it doesn't list", Self.first("tensors") { $0["file"] = "x.safetensors" }),
      ("'a b.txt' twice", Self.double("files")), ("the tensor 'a' twice", Self.double("tensors")),
      ("lists nothing", { $0["files"] = [Any]() }),
      ("has -1 bytes", Self.first("files") { $0["byte_count"] = -1 }),
    ]
    let whole = try workspace.contents("m/weighbridge-manifest.json")
    for (said, change) in contradictions {
      try workspace.write("m/weighbridge-manifest.json", whole)
      let text = try edited(change)
      try workspace.write("m/weighbridge-manifest.json", text)
      let found = try verify()
      #expect(found.code == 1 && found.text.contains("[manifest-unusable]"), "\(found.text)")
      #expect(found.text.contains(said), "\(said): \(found.text)")
      let path = try workspace.write("old.json", text)
      try workspace.remove("m/weighbridge-manifest.json")
      let against = try verify("--against", path)
      #expect(against.code == 1 && against.text.contains("[manifest-unusable]"), "\(said)")
      #expect(against.text.contains(said), "\(said): \(against.text)")
    }
  }

  /// Tensors, and a root that is theirs, of other files.
  @Test func tensorsOfOtherFilesAreFound() throws {
    let path = try workspace.write(
      "other/model.safetensors",
      SafetensorsSample([SampleTensor("a", [2], floats: [1, 2])]).fileContents)
    #expect(try Weighbridge.run("manifest", workspace.path("other"), "--quiet").code == 0)
    let other = try #require(
      JSONSerialization.jsonObject(
        with: workspace.contents("other/weighbridge-manifest.json")) as? [String: Any])
    _ = path
    try write()
    try workspace.write(
      "m/weighbridge-manifest.json",
      edited { ($0["tensors"], $0["root"]) = (other["tensors"], other["root"]) })
    let found = try verify()
    #expect(found.code == 1 && found.text.contains("[manifest-unusable]"), "\(found.text)")
    #expect(found.text.contains("its tensors others"))
  }

  @Test(arguments: [
    (
      #""byte_count" : 7"#, #""byte_count" : 1180591620717411303424"#,
      "is no integer of 64 bits"
    ),
    (#""byte_count" : 7"#, #""byte_count" : 7.5"#, "is no integer of 64 bits"),
    (#""byte_count" : 7"#, #""byte_count" : "7""#, "'files[0].byte_count' is of another kind"),
    (#""format" :"#, #""formats" :"#, "no 'format'"), ("}", "", "not valid JSON"),
  ])
  func whatIsWrongWithAManifestIsSaid(_ old: String, _ new: String, _ said: String) throws {
    try write()
    let text = String(
      decoding: try workspace.contents("m/weighbridge-manifest.json"), as: UTF8.self)
    let place = try #require(text.range(of: old))
    try workspace.write(
      "m/weighbridge-manifest.json", Data(text.replacingCharacters(in: place, with: new).utf8))
    let found = try verify()
    #expect(found.code == 1 && found.text.contains("[manifest-unusable]"), "\(found.text)")
    #expect(found.text.contains(said), "\(found.text)")
    #expect(!found.text.contains(".;"))
  }

  @Test func digestsAreInLowerCase() throws {
    try write()
    let text = String(
      decoding: try workspace.contents("m/weighbridge-manifest.json"), as: UTF8.self)
    let digit = try #require(text.firstRange(of: #/sha256:[0-9]*[a-f]/#))
    try workspace.write(
      "m/weighbridge-manifest.json",
      Data(
        text.replacingCharacters(
          in: digit, with: String(text[digit]).uppercased().replacing("SHA", with: "sha")
        ).utf8))
    let found = try verify()
    #expect(
      found.code == 1 && found.text.contains("64 lower-case hexadecimal digits"), "\(found.text)")
    // It says what it is, and so it is written again.
    try write()
    #expect(try verify().code == 0)
  }

  @Test func listsThatContradictEachOtherAreFound() throws {
    try write("--sha256sums")
    let sums = try workspace.contents("m/SHA256SUMS")
    try workspace.write("m/a b.txt", Data("changed".utf8))
    try write()
    try workspace.write("m/SHA256SUMS", sums)
    let found = try verify()
    #expect(found.code == 1 && found.text.contains("against SHA256SUMS"), "\(found.text)")
  }

  @Test func aManifestIsOneByAnyName() throws {
    try write()
    let path = try workspace.write("old.json", workspace.contents("m/weighbridge-manifest.json"))
    #expect(try verify("--against", path).code == 0)
  }

  @Test func comparingWithAManifestNeedsContents() throws {
    try write()
    let path = try workspace.write("old.json", workspace.contents("m/weighbridge-manifest.json"))
    let outcome = try verify("--against", path, "--checks", "against")
    #expect(outcome.text.contains("add contents to --checks"), "\(outcome.text)")
    #expect(try verify("--against", path, "--checks", "contents,against").code == 0)
  }

  @Test(arguments: ["1", "4"]) func listsFilesAndTensors(threads: String) throws {
    let manifest = try write("--threads", threads, "--sha256sums")
    #expect(manifest.schema == "manifest/v1")
    #expect(
      manifest.files.map(\.name) == [
        "a b.txt", "back\\slash.txt", "line\nbreak.txt", "model.safetensors", "sub/Ünï.txt",
      ])
    #expect(manifest.tensors.map(\.name) == ["a", "b", "empty"])
    #expect(manifest.tensors.allSatisfy { $0.file == "model.safetensors" })
    #expect(try verify().code == 0)
    let check = Process()
    check.executableURL = URL(filePath: "/usr/bin/env")
    check.arguments = ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"]
    check.currentDirectoryURL = URL(filePath: workspace.path("m"))
    check.standardOutput = FileHandle.nullDevice
    try check.run()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }

  @Test func theSameFilesGiveTheSameBytes() throws {
    try write("--threads", "1")
    let first = try workspace.contents("m/weighbridge-manifest.json")
    try write("--threads", "3")
    #expect(try workspace.contents("m/weighbridge-manifest.json") == first)
  }

  @Test func everyFlippedBitIsFound() throws {
    try write()
    for name in ["model.safetensors", "a b.txt"] {
      let count = try workspace.contents("m/\(name)").count
      for place in stride(from: 0, to: count, by: max(1, count / 24)) {
        try workspace.edit("m/\(name)") { $0[place] ^= UInt8(1 << (place % 8)) }
        #expect(try verify().code == 1, "\(name) \(place)")
        try workspace.edit("m/\(name)") { $0[place] ^= UInt8(1 << (place % 8)) }
      }
    }
    #expect(try verify().code == 0)
  }

  @Test func filesThatComeAndGoAreFound() throws {
    try write()
    try workspace.write("m/new.bin", Data("x".utf8))
    #expect(try verify().text.contains("[file-extra]"))
    try workspace.remove("m/new.bin")
    try workspace.remove("m/a b.txt")
    let gone = try verify()
    #expect(gone.code == 1 && gone.text.contains("[file-missing]"))
    try workspace.write("m/a b.txt", Data("A b.txt".utf8))
    #expect(try verify().text.contains("[digest-mismatch]"))
  }

  @Test func changesSinceAManifestAreListed() throws {
    try write()
    try workspace.write("before.manifest.json", workspace.contents("m/weighbridge-manifest.json"))
    try workspace.remove("m/weighbridge-manifest.json")
    try workspace.write(
      "m/model.safetensors",
      SafetensorsSample([
        SampleTensor("a", [2, 3], floats: [1, 2, 3, 4, 5, 7]),
        SampleTensor("b", [2], floats: [7, 8]),
        SampleTensor("new", [1], floats: [1]),
      ]).fileContents)
    let outcome = try verify("--against", workspace.path("before.manifest.json"))
    #expect(outcome.code == 1)
    for (check, tensor) in [("changed", "a"), ("added", "new"), ("removed", "empty")] {
      #expect(
        outcome.text.contains { $0.isNewline }
          && outcome.text.split(separator: "\n").contains {
            $0.contains("'\(tensor)'") && $0.contains("[tensor-\(check)]")
          }, "\(outcome.text)")
    }
  }

  /// Lists of others may lack files; those that lead out are refused.
  @Test func listsOfSha256sumAreRead() throws {
    let digest = try #require(
      try write().files.first { $0.name == "a b.txt" }?.digest.dropFirst("sha256:".count))
    try workspace.remove("m/weighbridge-manifest.json")
    try workspace.write("m/SHA256SUMS", Data("\(digest) *a b.txt\r\n".utf8))
    let some = try verify()
    #expect(some.code == 0 && some.text.contains("[file-extra]"), "\(some.text)")
    for name in ["../x", "/etc/passwd", "a//b", ""] {
      try workspace.write("m/SHA256SUMS", Data("\(digest)  \(name)\n".utf8))
      let bad = try verify()
      #expect(bad.code == 1 && bad.text.contains("[manifest-unusable]"), "\(name)")
    }
  }

  /// Whatever the folder is called, and what lies in it beside files.
  @Test func foldersOfAnyNameAndWhatIsInThem() throws {
    try FileManager.default.moveItem(atPath: workspace.path("m"), toPath: workspace.path("modèle"))
    let path = workspace.path("modèle")
    #expect(try Weighbridge.run("manifest", path + "/").code == 0)
    #expect(try Weighbridge.run("verify", path).code == 0)
    try FileManager.default.createSymbolicLink(
      atPath: "\(path)/elsewhere", withDestinationPath: "/tmp")
    let linked = try Weighbridge.run("verify", path)
    #expect(linked.code == 1 && linked.text.contains("[file-extra]"), "\(linked.text)")
    #expect(try Weighbridge.run("manifest", path).code == 2)
  }

  @Test func nothingElseIsReplaced() throws {
    try workspace.write("m/weighbridge-manifest.json", Data("mine".utf8))
    let outcome = try Weighbridge.run("manifest", workspace.path("m"))
    #expect(outcome.code == 2 && outcome.errors.contains("in the way"), "\(outcome.errors)")
    #expect(try workspace.contents("m/weighbridge-manifest.json") == Data("mine".utf8))
  }

  @Test func liesBesideASingleFile() throws {
    try workspace.write("one.safetensors", workspace.contents("m/model.safetensors"))
    #expect(try Weighbridge.run("manifest", workspace.path("one.safetensors")).code == 0)
    #expect(workspace.has("one.safetensors.manifest.json"))
    #expect(try Weighbridge.run("verify", workspace.path("one.safetensors")).code == 0)
    try workspace.edit("one.safetensors") { $0[$0.count - 1] ^= 1 }
    #expect(try Weighbridge.run("verify", workspace.path("one.safetensors")).code == 1)
  }
}
