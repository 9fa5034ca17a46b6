import FileContainers
import Foundation
import ModelSigning
import TensorModel
import TestSupport
import Testing

@Suite struct RoundTripTests {
  @Test(
    arguments: ["prime256v1", "secp384r1", "secp521r1"], ["sec1", "pkcs8"])
  func keysSignAndVerify(_ curve: String, _ form: String) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let result = try ModelSigner(model).sign(
      with: Signing.key("private/\(curve).\(form).pem"), nil)
    #expect(result.fileCount == 6)
    #expect(result.unsigned == [".gitattributes"])
    let path = Fixtures.path("signing/private/\(curve).pub.pem")
    let key = try VerificationKey(path: path)
    #expect(
      key.hint == Digest(of: try Fixtures.bytes("signing/private/\(curve).pub.pem")).hexadecimal)
    let outcome = try Signing.check(model, .key(key))
    #expect(outcome.findings == [])
    #expect(outcome.detail.contains("6 of 6 files as signed"))
    try work.edit("model/a.txt") { $0.append(32) }
    #expect(try Signing.check(model, .key(key)).findings.map(\.check) == ["signature-file-changed"])
  }

  @Test func namesAreInTheOrderOfCodePoints() throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    _ = try ModelSigner(model).sign(with: Signing.testKey(), nil)
    let bundle = try SignatureBundle(parsing: Array(try work.contents("model/model.sig")))
    let statement = try Statement(parsing: bundle.payload)
    let names = statement.predicate["resources"]?.elements?.compactMap { $0["name"]?.text }
    #expect(
      names == ["a.txt", "a/b.bin", "config.json", "empty", "sub/.git/x", "Ünï.txt"])
    #expect(statement.subjects.map(\.name) == ["model"])
  }

  @Test func changesOfAnyKindAreFound() throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    _ = try ModelSigner(model).sign(with: Signing.testKey(), nil)
    try work.write("model/b.safetensors", Data())
    try work.remove("model/empty")
    try work.write("model/.gitignore", Data())
    let outcome = try Signing.check(model, trust)
    #expect(
      outcome.findings.map { "\($0.check) \($0.file ?? "")" }
        == ["signature-file-missing empty", "signature-file-unsigned b.safetensors"])
    #expect(outcome.detail.contains(".gitignore isn't signed"))
    #expect(
      try Signing.check(model, trust, ignoring: ["empty", "b.safetensors"]).findings.map(\.severity)
        == [.note, .note])
  }

  @Test func anExistingSignatureStays() throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    _ = try ModelSigner(model).sign(with: Signing.testKey(), nil)
    let before = try work.contents("model/model.sig")
    #expect(throws: CheckpointError.self) { try ModelSigner(model) }
    #expect(try work.contents("model/model.sig") == before)
    #expect(!work.names(in: "model").contains { $0.hasSuffix(".partial") })
  }

  @Test(arguments: ["gone", "new", "renamed"])
  func aFolderThatChangesIsNotSigned(change: String) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let signer = try ModelSigner(model)
    let error = #expect(throws: CheckpointError.self) {
      try signer.sign(
        with: Signing.testKey(), nil,
        confirm: { () throws(CheckpointError) in
          do {
            switch change {
            case "gone": try work.remove("model/empty")
            case "new": try work.write("model/evil.json", Data())
            default:
              try work.write("other", work.contents("model/a.txt"))
              guard rename(work.path("other"), work.path("model/a.txt")) == 0 else { return }
            }
          } catch { throw CheckpointError(.inputOutput, "\(error)") }
        })
    }
    #expect(error?.message == "was changed while the files were read, and isn't signed")
    #expect(!work.has("model/model.sig"))
  }

  /// Hugging Face's cache has links only, to blobs of its own.
  @Test func linksOfASnapshotAreFollowed() throws {
    let work = try Workspace()
    let snapshot = try Self.snapshot(in: work)
    #expect(try Signing.check(snapshot, .key(of: Signing.testKey())).findings == [])
    let error = #expect(throws: CheckpointError.self) {
      try ModelSigner(snapshot, signature: work.path("other.sig")).sign(
        with: Signing.testKey(), nil)
    }
    #expect(error?.code == .usage)
    #expect(error?.file?.hasSuffix("a.txt") == true)
    #expect(!work.has("other.sig"))
    try FileManager.default.createSymbolicLink(
      atPath: "\(snapshot)/folder", withDestinationPath: "a")
    #expect(
      try Signing.check(snapshot, .key(of: Signing.testKey())).findings.map(\.message)
        == ["isn't signed: a link to a folder"])
  }

  /// The bytes are the signed ones in each case.
  @Test(
    arguments: [
      "../b.txt", "sub/c.txt", "../models--a--b/blobs/other", "../../../models--c--d/blobs/2",
    ])
  func otherLinksAreRefused(_ target: String) throws {
    let work = try Workspace()
    for name in ["models--c--d/blobs/2", "models--a--b/snapshots/b.txt"] {
      try work.write(name, Data("two".utf8))
    }
    let snapshot = try Self.snapshot(in: work)
    try work.write("models--a--b/snapshots/0123/sub/c.txt", Data("two".utf8))
    try work.write("models--a--b/snapshots/models--a--b/blobs/other", Data("two".utf8))
    try work.remove("models--a--b/snapshots/0123/a.txt")
    try FileManager.default.createSymbolicLink(
      atPath: "\(snapshot)/a.txt", withDestinationPath: target)
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    let findings = try Signing.check(snapshot, trust, ignoring: ["sub/c.txt"]).findings
    #expect(
      findings.filter { $0.severity == .error }.map { "\($0.check) \($0.file ?? "")" }
        == ["signature-file-link a.txt"])
    #expect(findings.first?.message.contains("'\(target)'") == true)
  }

  /// A signed model whose files are links, as in a cache.
  private static func snapshot(in work: Workspace) throws -> String {
    let model = try Signing.model(in: work)
    _ = try ModelSigner(model).sign(with: Signing.testKey(), nil)
    try work.write("models--a--b/blobs/other", Data())
    try work.write("models--a--b/snapshots/other", Data())
    let snapshot = "models--a--b/snapshots/0123"
    try work.move("model", to: snapshot)
    for name in ["a.txt", "model.sig"] {
      try work.move("\(snapshot)/\(name)", to: "models--a--b/blobs/\(name)")
      try FileManager.default.createSymbolicLink(
        atPath: work.path("\(snapshot)/\(name)"), withDestinationPath: "../../blobs/\(name)")
    }
    return work.path(snapshot)
  }

  /// Also one that looks as another file's name does once it is repaired.
  @Test(arguments: [false, true]) func namesThatAreNotUTF8AreSeen(besideAnother: Bool) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    if besideAnother { try work.write("model/\u{fffd}.bin", Data()) }
    _ = try ModelSigner(model).sign(with: Signing.testKey(), nil)
    let path = Array("\(model)/".utf8) + [0xff, 0x2e, 0x62, 0x69, 0x6e, 0]
    let descriptor = path.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { name in
      name.baseAddress.map { open($0, O_CREAT | O_WRONLY, 0o644) } ?? -1
    }
    try #require(descriptor >= 0)
    close(descriptor)
    #expect(
      try Signing.check(model, .key(of: Signing.testKey())).findings.map(\.check)
        == ["signature-file-unsigned"])
    try work.remove("model/model.sig")
    #expect(throws: CheckpointError.self) {
      try ModelSigner(model).sign(with: Signing.testKey(), nil)
    }
  }

  /// A derivation is compared with files first: those are signed, or none.
  @Test(arguments: [
    "changed", "replaced", "replaced and put back", "touched", "added", "removed", "nothing",
  ])
  func aDerivationIsOfTheFilesThatWereCompared(_ change: String) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let signer = try ModelSigner(model, isDerivation: true)
    let files = FileManager.default
    let (path, other) = (work.path("model/a.txt"), work.path("other"))
    let contents = try work.contents("model/a.txt")
    switch change {
    case "changed": try work.edit("model/a.txt") { $0.append(32) }
    case "replaced":
      try work.write("other", contents)
      try #require(rename(other, path) == 0)
    case "replaced and put back":
      try #require(rename(path, other) == 0)
      try work.write("model/a.txt", Data("other".utf8))
      try #require(rename(other, path) == 0)
    case "touched":
      // The same bytes, written again, and the old time.
      let times = try files.attributesOfItem(atPath: path)
      try work.edit("model/a.txt") { $0 = contents }
      try files.setAttributes(
        [.modificationDate: try #require(times[.modificationDate])], ofItemAtPath: path)
    case "added": try work.write("model/z.txt", Data())
    case "removed": try work.remove("model/a.txt")
    default: break
    }
    let key = try Signing.testKey()
    if change == "nothing" {
      #expect(try signer.sign(with: key, nil, derivation: .object([])).fileCount == 6)
    } else {
      let error = #expect(throws: CheckpointError.self) {
        try signer.sign(with: key, nil, derivation: .object([]))
      }
      #expect(error?.code == .inputOutput && error?.file?.hasSuffix(".txt") == true)
      #expect(!work.has("model/model.sig"))
    }
  }

  @Test func anyStatementIsSignedAndVerified() throws {
    let work = try Workspace()
    let statement = Statement(
      subjects: [.init(name: "out.bin", digest: Digest(of: [1, 2]))],
      predicateType: Statement.derivationType, predicate: .object([.init("plan", "a")]))
    let key = try Signing.testKey()
    let verification = SignatureVerification(
      try key.sign(statement.payload).bytes, name: "d.sig", trust: .key(key.publicKey))
    #expect(verification.statement?.payload == statement.payload)
    #expect(verification.isVerified)
    try work.write("out/out.bin", Data([1, 2]))
    try work.write("out/weighbridge-certificate.json", Data())
    #expect(try Signing.findings(statement, work.path("out"), in: work) == [])
    try work.write("out/more.bin", Data())
    #expect(
      try Signing.findings(statement, work.path("out"), in: work) == ["signature-file-unsigned"])
  }

  @Test(arguments: [
    ("encrypted.pem", "encrypted"), ("rsa.pem", "models are signed with"),
    ("secp256k1.pem", "models are signed with"),
    ("prime256v1.pub.pem", "no file of one private key"),
  ])
  func otherKeysAreRefused(_ name: String, _ reason: String) throws {
    let error = #expect(throws: CheckpointError.self) { try Signing.key("private/\(name)") }
    #expect(error?.code == .usage)
    #expect(error?.message.contains(reason) == true)
    #expect(error?.hint != nil)
  }

  /// A PEM file of a fixture, changed.
  private func changed(
    _ name: String, in work: borrowing Workspace, _ change: (inout [UInt8]) throws -> Void
  ) throws -> String {
    let text = String(decoding: try Fixtures.bytes("signing/private/\(name)"), as: UTF8.self)
    let lines = text.split(separator: "\n")
    var der = [UInt8](
      try #require(Data(base64Encoded: lines.dropFirst().dropLast().joined())))
    try change(&der)
    let body = Data(der).base64EncodedString(options: [
      .lineLength64Characters, .endLineWithLineFeed,
    ])
    return try work.write("key.pem", Data("\(lines[0])\n\(body)\n\(lines[lines.count - 1])\n".utf8))
  }

  private static let curves = ["prime256v1", "secp384r1", "secp521r1"]

  @Test(arguments: curves, ["pkcs8", "sec1"])
  func thePublicHalfIsThePrivateKeys(_ curve: String, _ form: String) throws {
    let work = try Workspace()
    #expect(throws: Never.self) { try Signing.key("private/\(curve).\(form).pem") }
    let path = try changed("\(curve).\(form).pem", in: work) { $0[$0.count - 1] ^= 1 }
    let error = #expect(throws: CheckpointError.self) { try SigningKey(path: path) }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("isn't the private key's") == true, "\(error.debugDescription)")
  }

  /// Both sides of a point have the same first coordinate.
  @Test(arguments: curves) func pointsMayLackACoordinate(_ curve: String) throws {
    let work = try Workspace()
    let own = try VerificationKey(path: Fixtures.path("signing/private/\(curve).pub.pem"))
    func key(_ mark: UInt8?) throws -> VerificationKey {
      let path = try changed("\(curve).pub.pem", in: work) { der in
        let count = ["prime256v1": 32, "secp384r1": 48, "secp521r1": 66][curve] ?? 0
        let point = Array(der.suffix(2 * count + 1))
        #expect(point[0] == 4)
        let isOdd = point[2 * count] & 1
        let bits = [0, mark ?? (2 | isOdd)] + point[1...count]
        // The algorithm, which stands before the string of bits.
        let start = der[1] & 0x80 == 0 ? 2 : 2 + Int(der[1] & 0x7f)
        let algorithm = der[start..<start + 2 + Int(der[start + 1])]
        let inner = Array(algorithm) + [3, UInt8(bits.count)] + bits
        der = [0x30, UInt8(inner.count)] + inner
      }
      return try VerificationKey(path: path)
    }
    #expect(try key(nil) == own)
    let others = try [key(2), key(3)]
    #expect(others.contains(own) && others[0] != others[1])
    #expect(throws: CheckpointError.self) { try key(5) }
  }

  @Test func truncatedFilesAreSaidToBeCutOff() throws {
    let work = try Workspace()
    for name in ["prime256v1.pub.pem", "prime256v1.sec1.pem"] {
      let bytes = try Fixtures.bytes("signing/private/\(name)")
      for count in stride(from: 1, to: bytes.count, by: 3) {
        let path = try work.write("cut.pem", Data(bytes[..<count]))
        for read in [
          { _ = try VerificationKey(path: path) }, { _ = try SigningKey(path: path) },
          { _ = try CertificateChain(path: path) },
        ] {
          do { try read() } catch let error as CheckpointError {
            let text = "\(error)"
            #expect(
              !text.contains("ASN1") && !text.contains(".swift") && !text.contains("Error"),
              "\(text)")
          }
        }
      }
    }
  }

  @Test func parametersBeforeAKeyAreFine() throws {
    #expect(throws: Never.self) { try Signing.key("private/parameters.pem") }
  }

  @Test func withoutASignatureNothingPasses() throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let trust = SignatureTrust.key(try Signing.testKey().publicKey)
    #expect(try Signing.check(model, trust).findings.map(\.check) == ["signature-missing"])
    let named = try SignatureCheck(model, signature: work.path("none.sig"), trust: trust)
    #expect(throws: CheckpointError.self) { try named.run() }
  }
}
