import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import ModelSigning

@Suite struct HostileSignatureTests {
  private let files = [Signing.file("a.txt", "two"), Signing.file("b.bin", "one")]

  private func model(in work: Workspace) throws -> String {
    try work.write("m/a.txt", Data("two".utf8))
    try work.write("m/b.bin", Data("one".utf8))
    return work.path("m")
  }

  /// A valid statement with other files.
  private func findings(_ files: [SignedFiles.File], ignoring: [String] = []) throws -> [String] {
    let work = try Workspace()
    let statement = ModelPredicate.statement(of: "m", files, ignoring: ignoring)
    return try Signing.findings(statement, model(in: work), in: work)
  }

  /// A validly signed statement whose text is changed before.
  private func findings(replacing old: String, by new: String) throws -> [String] {
    let work = try Workspace()
    let payload = ModelPredicate.statement(of: "m", files, ignoring: []).payload
    let text = String(decoding: payload, as: UTF8.self)
    try #require(text.contains(old))
    let changed = text.replacingOccurrences(of: old, with: new)
    return try Signing.findings(
      Signing.bundle(Array(changed.utf8)), model(in: work), in: work)
  }

  /// A valid bundle whose text is changed; nil if it hasn't the text.
  private func findings(inBundle old: String, by new: String) throws -> [String]? {
    let work = try Workspace()
    let payload = ModelPredicate.statement(of: "m", files, ignoring: []).payload
    let text = String(decoding: try Signing.bundle(payload), as: UTF8.self)
    guard text.contains(old) else { return nil }
    return try Signing.findings(
      Array(text.replacingOccurrences(of: old, with: new).utf8), model(in: work), in: work)
  }

  @Test func theStatementIsFineAsItIs() throws { #expect(try findings(files) == []) }

  @Test(arguments: [
    "/etc/hostname", "../a", "b/../a.txt", "./a.txt", "a.txt/", "b//c", "", "..", "a\u{0}",
  ])
  func namesStayInTheFolder(_ name: String) throws {
    let others = files + [.init(name: name, digest: files[0].digest)]
    #expect(try findings(others) == ["signature-format"])
    guard !name.isEmpty else { return }
    #expect(try findings(files, ignoring: [name]) == ["signature-format"])
  }

  @Test(arguments: ["*", "b?", "[b]", "."])
  func ignoredPathsAreNoPatterns(_ path: String) throws {
    #expect(try findings(files, ignoring: [path]) == ["signature-format"])
  }

  @Test func theWholeModelIsNoNameAmongOthers() throws {
    #expect(
      try findings(files + [.init(name: ".", digest: files[0].digest)]) == ["signature-format"])
  }

  @Test func namesStandOnce() throws {
    #expect(try findings(files + [files[0]]) == ["signature-name-twice"])
  }

  @Test func equivalentNamesAreTwoNames() throws {
    let twice = files + [Signing.file("\u{e9}", "x"), Signing.file("e\u{301}", "x")]
    #expect(try findings(twice) == ["signature-file-missing", "signature-file-missing"])
  }

  @Test func weightsAreNotLeftOutBySigners() throws {
    #expect(try findings([files[0]], ignoring: ["b.bin"]) == ["signature-ignored-weight"])
    let work = try Workspace()
    let model = try model(in: work)
    try work.write("m/.github/model.safetensors", Data())
    let statement = ModelPredicate.statement(of: "m", files, ignoring: [])
    #expect(try Signing.findings(statement, model, in: work) == ["signature-ignored-weight"])
  }

  @Test func signedFilesAreComparedUnderIgnoredPathsToo() throws {
    let other = SignedFiles.File(name: "b.bin", digest: files[0].digest)
    #expect(
      try findings([files[0], other], ignoring: ["b.bin"])
        == ["signature-file-changed", "signature-ignored-path"])
  }

  @Test(arguments: [
    (
      "\"_type\": \"https://in-toto.io/Statement/v1\"",
      "\"_type\": \"https://in-toto.io/Statement/v0.1\"", "signature-format"
    ),
    ("signature/v1.0", "signature/v2.0", "signature-predicate"),
    ("signature/v1.0", "signature/v1.", "signature-predicate"),
    ("signature/v1.0", "signature/v1.1", ""),
    ("\"method\": \"files\"", "\"method\": \"shards\"", "signature-method"),
    ("\"hash_type\": \"sha256\"", "\"hash_type\": \"blake2b\"", "signature-method"),
    ("\"predicate\": {", "\"predicate\": { \"more\": 1,", "signature-format"),
    ("\"allow_symlinks\"", "\"followed\"", "signature-format"),
    ("\"predicateType\"", "\"predicateType\": \"a\", \"predicateType\"", "signature-format"),
    (
      "\"subject\": [", "\"subject\": [ {\"name\": \"x\", \"digest\": {\"sha1\": \"00\"}},",
      "signature-format"
    ),
    ("\"digest\": \"", "\"digest\": \"A", "signature-format"),
    ("\"resources\": [", "\"resources\": [ 1,", "signature-format"),
    ("\"ignore_paths\": [", "\"ignore_paths\": [ {},", "signature-format"),
    ("\"name\": \"m\"", "\"name\": \"\"", "signature-format"),
    ("\"name\": \"a.txt\"", "\"name\": \"a.txt\", \"more\": [null]", ""),
  ])
  func signedStatementsFollowTheRules(_ old: String, _ new: String, _ kind: String) throws {
    #expect(try findings(replacing: old, by: new) == (kind.isEmpty ? [] : [kind]))
  }

  @Test(arguments: [
    ("\"payload\": \"", "\"payload\": \" ", "signature-format"),
    ("\"payload\": \"", "\"payload\": \"\\n", "signature-format"),
    ("\"payload\": \"ewog", "\"payload\": \"ewo-", "signature-format"),
    (
      "\"payloadType\": \"application/vnd.in-toto+json\"", "\"payloadType\": \"text/plain\"",
      "signature-format"
    ),
    ("\"keyid\": \"\"", "\"keyid\": null", ""),
    ("\"keyid\": \"\"", "\"keyid\": 1", "signature-format"),
    ("\"keyid\": \"\"", "\"more\": \"\"", "signature-format"),
    ("\"tlogEntries\": []", "\"tlogEntries\": {}", "signature-format"),
    ("\"tlogEntries\": []", "\"certificate\": {\"rawBytes\": \"AA==\"}", "signature-format"),
    ("\"hint\": \"", "\"hint\": 1, \"x\": \"", "signature-format"),
    ("\"mediaType\"", "\"more\": 1, \"mediaType\"", "signature-format"),
    ("\"sig\": \"MEU", "\"sig\": \"MEX", "signature-invalid"),
    ("\"sig\": \"", "\"sig\": \"AAAA", "signature-invalid"),
    ("\"dsseEnvelope\"", "\"messageSignature\"", "signature-format"),
  ])
  func bundlesFollowTheRules(_ old: String, _ new: String, _ kind: String) throws {
    // A signature begins with its length, which isn't always the same.
    for _ in 0..<50 {
      guard let found = try findings(inBundle: old, by: new) else { continue }
      #expect(found == (kind.isEmpty ? [] : [kind]))
      return
    }
    Issue.record("no signature had this text")
  }

  @Test func signaturesAreTruncatedNowhere() throws {
    let bundle = try SignatureBundle(
      parsing: Signing.bundle(ModelPredicate.statement(of: "m", files, ignoring: []).payload))
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    for count in 0..<bundle.signature.count {
      let shorter = SignatureBundle(
        material: bundle.material, payload: bundle.payload,
        signature: Array(bundle.signature.prefix(count)))
      let verification = SignatureVerification(shorter.bytes, name: "x.sig", trust: trust)
      #expect(verification.statement == nil)
    }
    for more in [[0], [UInt8](repeating: 0, count: 100_000)] {
      let longer = SignatureBundle(
        material: bundle.material, payload: bundle.payload, signature: bundle.signature + more)
      #expect(!SignatureVerification(longer.bytes, name: "x.sig", trust: trust).isVerified)
    }
  }

  @Test func filesAreTruncatedNowhere() throws {
    let bytes = try Signing.bundle(ModelPredicate.statement(of: "m", files, ignoring: []).payload)
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    for count in stride(from: 0, to: bytes.count - 2, by: 11) {
      let verification = SignatureVerification(
        Array(bytes.prefix(count)), name: "x.sig", trust: trust)
      #expect(verification.findings.map(\.check) == ["signature-format"])
    }
  }

  @Test func largeFilesAreNotRead() throws {
    let work = try Workspace()
    let model = try model(in: work)
    let path = try work.write("large.sig", Data())
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.truncate(atOffset: UInt64(SignatureBundle.maximumByteCount) + 1)
    try file.close()
    let outcome = try SignatureCheck(
      model, signature: path, trust: .key(Signing.testKey().publicKey)
    ).run()
    #expect(outcome.findings.map(\.check) == ["signature-format"])
  }

  @Test func pathsOfTheUserStayInTheFolder() throws {
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    for path in ["/etc", "../x", ".", ""] {
      #expect(throws: CheckpointError.self) {
        try SignatureCheck(
          Fixtures.path("signing"), signature: nil, trust: trust, ignoredPaths: [path])
      }
    }
  }
}
