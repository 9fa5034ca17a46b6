import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import ModelSigning

@Suite struct CertificateTests {
  /// A signature by a chain, made without asking whether it may sign.
  private func bundle(_ leaf: String) throws -> [UInt8] {
    let payload = Statement(
      subjects: [.init(name: "a", digest: Digest(of: []))],
      predicateType: Statement.derivationType, predicate: .object([])
    ).payload
    let material = SignatureBundle.Material.certificates(try Signing.chain(leaf).der)
    let unsigned = SignatureBundle(material: material, payload: payload, signature: [])
    let key = try Signing.key("chains/\(leaf).key")
    let signature = try key.signature(unsigned.signedBytes)
    return SignatureBundle(material: material, payload: payload, signature: signature).bytes
  }

  private func verify(_ leaf: String, _ trust: SignatureTrust) throws -> SignatureVerification {
    SignatureVerification(try bundle(leaf), name: "x.sig", trust: trust)
  }

  @Test(arguments: [
    ("ec-leaf", "ec-root"), ("rsa-leaf", "rsa-root"), ("code-leaf", "rsa-root"),
    ("same-name", "ec-root"),
  ])
  func chainsSignAndVerify(_ leaf: String, _ root: String) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    _ = try ModelSigner(model).sign(
      with: Signing.key("chains/\(leaf).key"), Signing.chain(leaf))
    for now in [false, true] {
      #expect(try Signing.check(model, Signing.roots(root, now: now)).findings == [])
    }
    for wrong in [root == "ec-root" ? "rsa-root" : "ec-root", "ec-int", "rsa-int", "old-root"] {
      #expect(
        try Signing.check(model, Signing.roots(wrong)).findings.map(\.check)
          == ["signature-certificate"])
    }
    #expect(
      try Signing.check(model, .key(of: Signing.key("chains/\(leaf).key"))).findings.map(\.check)
        == ["signature-key"])
  }

  @Test(arguments: [
    ("no-usage", "ec-root", "neither digitalSignature nor codeSigning"),
    ("other-purpose", "ec-root", "other purposes"),
    ("unknown-critical", "ec-root", "critical extension 1.2.3.4"),
    ("sha1-leaf", "rsa-root", "SHA-1"),
    ("under-not-ca", "ec-root", "CA:FALSE"),
    ("under-no-cert-sign", "ec-root", "no keyCertSign"),
    ("under-short", "ec-root", "allows 0 authorities below it, found 1"),
    ("under-limited", "ec-root", "limits names"),
  ])
  func badChainsAreRefused(_ leaf: String, _ root: String, _ reason: String) throws {
    let verification = try verify(leaf, Signing.roots(root))
    #expect(verification.statement == nil)
    #expect(verification.findings.map(\.check) == ["signature-certificate"])
    #expect(
      verification.findings[0].message.contains(reason), "\(verification.findings[0].message)")
  }

  @Test func theTimeThatCountsCanBeChosen() throws {
    #expect(try verify("expired", Signing.roots("old-root")).isVerified)
    let now = try verify("expired", Signing.roots("old-root", now: true))
    #expect(now.findings.map { $0.message }.joined().contains("has expired on 2020-12-31"))
  }

  @Test func aSelfSignedSignerCanBeTrusted() throws {
    let roots = SignatureTrust.roots(
      try TrustedRoots(path: Fixtures.path("signing/chains/self-signed.chain.pem")),
      requiresCurrentValidity: false)
    #expect(try verify("self-signed", roots).isVerified)
    #expect(try !verify("self-signed", Signing.roots("ec-root")).isVerified)
  }

  @Test func anotherKeysSignatureIsRefused() throws {
    // A valid chain, and a signature by somebody else.
    let payload = Array("{}".utf8)
    let material = SignatureBundle.Material.certificates(try Signing.chain("ec-leaf").der)
    let unsigned = SignatureBundle(material: material, payload: payload, signature: [])
    let signature = try Signing.testKey().signature(unsigned.signedBytes)
    let bundle = SignatureBundle(material: material, payload: payload, signature: signature)
    let verification = SignatureVerification(
      bundle.bytes, name: "x.sig", trust: try Signing.roots("ec-root"))
    #expect(verification.findings.map(\.check) == ["signature-invalid"])
  }

  @Test(arguments: [
    ("rsa-leaf", "ec-leaf", "isn't that of the chain's first certificate"),
    ("no-usage", "no-usage", "neither"), ("expired", "expired", "has expired"),
  ])
  func signersThatMayNotAreRefused(_ key: String, _ chain: String, _ reason: String) throws {
    let work = try Workspace()
    let model = try Signing.model(in: work)
    let error = #expect(throws: CheckpointError.self) {
      try ModelSigner(model).sign(with: Signing.key("chains/\(key).key"), Signing.chain(chain))
    }
    #expect(error?.code == .usage)
    #expect(error?.message.contains(reason) == true)
    #expect(!work.has("model/model.sig"))
  }

  @Test func chainsInAnotherOrderAreRefused() throws {
    let work = try Workspace()
    let blocks = try ["ec-leaf.chain", "ec-root", "ec-int"].map {
      String(decoding: try Fixtures.bytes("signing/chains/\($0).pem"), as: UTF8.self)
    }
    let right = try work.write("right.pem", Data((blocks[0] + blocks[1]).utf8))
    #expect(try CertificateChain(path: right).certificates.count == 3)
    let wrong = try work.write("wrong.pem", Data((blocks[2] + blocks[0]).utf8))
    #expect(throws: CheckpointError.self) { try CertificateChain(path: wrong) }
  }

  @Test func damagedCertificatesAreRefused() throws {
    let der = try Signing.chain("ec-leaf").der
    for count in stride(from: 0, to: der[0].count, by: 7) {
      let material = SignatureBundle.Material.certificates([Array(der[0].prefix(count)), der[1]])
      let bundle = SignatureBundle(material: material, payload: [1], signature: [1])
      let verification = SignatureVerification(
        bundle.bytes, name: "x.sig", trust: try Signing.roots("ec-root"))
      #expect(verification.statement == nil)
      #expect(
        verification.findings.map(\.check) == [
          count == 0 ? "signature-format" : "signature-certificate"
        ])
    }
  }
}
