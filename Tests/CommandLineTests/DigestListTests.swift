import Foundation
import TestSupport
import Testing

/// Lists of digests: which of them count, and what is wrong with a list itself.
@Suite struct DigestListTests {
  private let workspace: Workspace
  private let path: String

  init() throws {
    workspace = try Workspace()
    path = try ModelSample("gptj").write(workspace, "m")
  }

  private func run(_ arguments: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(arguments)
  }

  private func edit(_ name: String, _ change: (inout String) -> Void) throws {
    var text = try #require(String(data: workspace.contents(name), encoding: .utf8))
    change(&text)
    try workspace.write(name, Data(text.utf8))
  }

  @Test func aFolderTakesTheManifestOfItsOnlyWeights() throws {
    #expect(try run("manifest", "\(path)/model.safetensors").code == 0)
    let found = try run("verify", path, "--require", "digests")
    #expect(found.code == 0, "\(found.text)")
    #expect(found.text.contains("1 file against model.safetensors.manifest.json"))
    try workspace.edit("m/model.safetensors") { $0[$0.count - 1] ^= 1 }
    let changed = try run("verify", path)
    #expect(changed.code == 1 && changed.text.contains("[digest-mismatch]"), "\(changed.text)")
    #expect(changed.text.contains("isn't what model.safetensors.manifest.json lists"))
  }

  @Test(arguments: [[], ["--sha256sums"]])
  func aFileTakesWhatTheFoldersListsSayOfIt(_ options: [String]) throws {
    try workspace.write("m/other.txt", Data("x".utf8))
    #expect(try Weighbridge.run(["manifest", path] + options).code == 0)
    // What is listed of other files doesn't count.
    try workspace.write("m/other.txt", Data("y".utf8))
    let file = "\(path)/model.safetensors"
    if !options.isEmpty { try workspace.remove("m/weighbridge-manifest.json") }
    let found = try run("verify", file, "--require", "digests")
    #expect(found.code == 0, "\(found.text)")
    try workspace.edit("m/model.safetensors") { $0[$0.count - 1] ^= 1 }
    let changed = try run("verify", file)
    #expect(changed.code == 1 && changed.text.contains("[digest-mismatch]"), "\(changed.text)")
  }

  @Test func aFileGoesByItsOwnNameInTheFoldersLists() throws {
    try workspace.write("m/SHA256SUMS", Data("not a list\n".utf8))
    let file = "\(path)/model.safetensors"
    let broken = try run("verify", file)
    #expect(broken.code == 0 && broken.text.contains("warning: SHA256SUMS"), "\(broken.text)")
    let digest = String(repeating: "0", count: 64)
    try workspace.write("m/SHA256SUMS", Data("\(digest)  another.safetensors\n".utf8))
    let other = try run("verify", file)
    #expect(other.code == 0 && other.text.contains("digests       skipped"), "\(other.text)")
  }

  /// As `sha256sum * > SHA256SUMS` makes it.
  @Test func aListThatNamesItselfIsUsed() throws {
    #expect(try run("manifest", path, "--sha256sums").code == 0)
    try workspace.remove("m/weighbridge-manifest.json")
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    try edit("m/SHA256SUMS") { $0 = "\(empty)  SHA256SUMS\n\($0)" }
    let found = try run("verify", path)
    #expect(found.code == 0 && found.text.contains("it lists itself"), "\(found.text)")
  }

  @Test func anOlderListAndAnOlderSignatureAreSaid() throws {
    #expect(try run("manifest", path, "--sha256sums").errors.isEmpty)
    try edit("m/config.json") { $0 += "\n" }
    let again = try run("manifest", path)
    #expect(again.code == 0)
    #expect(
      again.errors.contains("SHA256SUMS has 1 file that is no longer so, such as config.json"),
      "\(again.errors)")
    #expect(try run("manifest", path, "--sha256sums").errors.isEmpty)
    let key = Fixtures.path("signing/private/secp384r1.pkcs8.pem")
    #expect(try run("sign", path, "--private-key", key).code == 0)
    let late = try run("manifest", path, "--sha256sums")
    #expect(late.errors.contains("model.sig is older than the manifest"), "\(late.errors)")
  }

  @Test(arguments: [
    ("\"format\" : \"safetensors\"", "\"format\" : \"gguf\"", "its format another"),
    ("\"file\" : \"model.safetensors\"", "\"file\" : \"config.json\"", "in 'model.safetensors'"),
    ("\"root\"", "\"reviewed_by\" : \"x\", \"root\"", "'reviewed_by'"),
    ("\"root\"", "\"format\" : \"safetensors\", \"root\"", "format"),
  ])
  func aManifestIsCheckedAgainstItself(_ old: String, _ new: String, _ words: String) throws {
    #expect(try run("manifest", path).code == 0)
    var (spaced, replacement) = (old, new)
    let name = "m/weighbridge-manifest.json"
    let text = try #require(String(data: workspace.contents(name), encoding: .utf8))
    if !text.contains(old) {
      (spaced, replacement) = (old.replacing(" :", with: ":"), new.replacing(" :", with: ":"))
    }
    #expect(text.contains(spaced), "\(text.prefix(400))")
    try edit(name) { text in
      guard let place = text.range(of: spaced) else { return }
      text.replaceSubrange(place, with: replacement)
    }
    let found = try run("verify", path)
    #expect(found.text.contains("[manifest-unusable]"), "\(found.text)")
    #expect(found.text.contains(words), "\(found.text)")
    #expect(found.code == (words.contains("reviewed") ? 0 : 1))
  }

  @Test func archivesSayWhatIsntCheckedInThem() throws {
    #expect(try run("manifest", path, "--sha256sums").code == 0)
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "cf", workspace.path("m.tar"), "-C", workspace.path, "m"]
    try tar.run()
    tar.waitUntilExit()
    let found = try run("verify", workspace.path("m.tar"))
    #expect(found.code == 0 && found.text.contains("[archive-records]"), "\(found.text)")
    #expect(found.text.contains("SHA256SUMS, weighbridge-manifest.json, which aren't checked"))
    // A list beside it is of what lies there.
    let digest = String(repeating: "0", count: 64)
    try workspace.write("SHA256SUMS", Data("\(digest)  model.safetensors\n".utf8))
    #expect(try run("verify", workspace.path("m.tar")).code == 0)
    try workspace.write("SHA256SUMS", Data("\(digest)  m.tar\n".utf8))
    #expect(try run("verify", workspace.path("m.tar")).code == 1)
  }
}
