import Foundation
import TestSupport
import Testing

/// `weighbridge sign`, as a user calls it.
@Suite struct SigningTests {
  private let workspace: Workspace
  private let model: String

  init() throws {
    workspace = try Workspace()
    model = try ModelSample("gpt2").write(workspace, "model")
  }

  private static func path(_ name: String) -> String { Fixtures.path("signing/\(name)") }

  private func sign(_ more: [String]) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["sign", model] + more)
  }

  @Test func signingSaysWhatWasSigned() throws {
    try workspace.write("model/.gitattributes", Data())
    let key = ["--private-key", Self.path("private/secp384r1.pkcs8.pem")]
    let outcome = try sign(key)
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    let lines = outcome.text.split(separator: "\n")
    #expect(lines.first?.contains(/^signed \d+ files, .* with the P-384 key [0-9a-f]{16}$/) == true)
    #expect(lines.dropFirst() == ["not signed: .gitattributes", "signature: \(model)/model.sig"])
    let first = try workspace.contents("model/model.sig")
    let second = try sign(key)
    #expect(second.code == 2 && second.errors.contains("isn't replaced"))
    #expect(try workspace.contents("model/model.sig") == first)
  }

  @Test func certificatesAreCarriedAlong() throws {
    let target = workspace.path("x.sig")
    let outcome = try sign([
      "--private-key", Self.path("chains/rsa-leaf.key"), "--certificate-chain",
      Self.path("chains/rsa-leaf.chain.pem"), "--signature", target,
    ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let bundle = try #require(
      JSONSerialization.jsonObject(with: workspace.contents("x.sig")) as? [String: Any])
    let material = try #require(bundle["verificationMaterial"] as? [String: Any])
    let chain = try #require(material["x509CertificateChain"] as? [String: Any])
    #expect((chain["certificates"] as? [Any])?.count == 2)
  }

  @Test(
    arguments: [
      ("private/encrypted.pem", nil, "encrypted"),
      ("private/rsa.pem", nil, "P-256, P-384 or P-521"),
      ("chains/rsa-leaf.key", "chains/ec-leaf.chain.pem", "isn't that of the chain's first"),
      ("chains/no-usage.key", "chains/no-usage.chain.pem", "neither digitalSignature"),
      ("chains/expired.key", "chains/expired.chain.pem", "has expired"),
      ("chains/under-not-ca.key", "chains/under-not-ca.chain.pem", "CA:FALSE"),
      ("chains/under-short.key", "chains/under-short.chain.pem", "allows 0 authorities"),
      ("none.pem", nil, "none.pem"),
    ] as [(String, String?, String)])
  func whatCannotSignWritesNothing(_ key: String, _ chain: String?, _ reason: String) throws {
    let more = chain.map { ["--certificate-chain", Self.path($0)] } ?? []
    let outcome = try sign(["--private-key", Self.path(key)] + more)
    #expect(outcome.code == 2)
    #expect(
      outcome.errors.contains(reason) && outcome.errors.contains("hint: "), "\(outcome.errors)")
    #expect(!workspace.has("model/model.sig"))
  }

  /// Usages of its key have nothing to do with it.
  @Test func anExpiredCertificateIsToBeRenewed() throws {
    let outcome = try sign([
      "--private-key", Self.path("chains/expired.key"), "--certificate-chain",
      Self.path("chains/expired.chain.pem"),
    ])
    #expect(outcome.errors.contains("hint: have the certificate renewed"), "\(outcome.errors)")
    #expect(!outcome.errors.contains("keyUsage"))
  }

  @Test func linksAreRefused() throws {
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("model/link"), withDestinationPath: "config.json")
    let outcome = try sign(["--private-key", Self.path("private/parameters.pem")])
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("links aren't signed") && outcome.errors.contains("cp -RL"))
    #expect(!workspace.has("model/model.sig"))
  }

  /// The signer's own key, too, under a second name.
  @Test func aPrivateKeyIsNotPublished() throws {
    let key = Self.path("private/secp384r1.pkcs8.pem")
    try workspace.copy(key, to: "model/notes.txt")
    let outcome = try sign(["--private-key", key])
    #expect(outcome.code == 2)
    #expect(
      outcome.errors.contains("a private key lies in the folder")
        && outcome.errors.contains("model/notes.txt"), "\(outcome.errors)")
    #expect(!workspace.has("model/model.sig"))
  }

  @Test func aFileIsNoModelToSign() throws {
    let outcome = try Weighbridge.run([
      "sign", "\(model)/config.json", "--private-key", Self.path("private/parameters.pem"),
    ])
    #expect(outcome.code == 2 && outcome.errors.contains("only a folder can be signed"))
  }
}
