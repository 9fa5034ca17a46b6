import FileContainers
import Foundation
import TensorModel
import TestSupport

@testable import ModelSigning

/// Keys, certificates and models to sign with and to sign.
enum Signing {
  static func key(_ name: String) throws -> SigningKey {
    try SigningKey(path: Fixtures.path("signing/\(name)"))
  }

  static func chain(_ name: String) throws -> CertificateChain {
    try CertificateChain(path: Fixtures.path("signing/chains/\(name).chain.pem"))
  }

  static func roots(_ name: String, now: Bool = false) throws -> SignatureTrust {
    .roots(
      try TrustedRoots(path: Fixtures.path("signing/chains/\(name).pem")),
      requiresCurrentValidity: now)
  }

  /// The key that statements of tests are signed with.
  static func testKey() throws -> SigningKey { try key("private/prime256v1.sec1.pem") }

  /// A model whose names are in another order by components than by code points.
  static func model(in work: Workspace) throws -> String {
    for (name, text) in [
      "a/b.bin": "one", "a.txt": "two", "config.json": "{}", "Ünï.txt": "three", "empty": "",
      "sub/.git/x": "signed, not being at the top", ".gitattributes": "not signed",
      ".git/HEAD": "not signed",
    ] {
      try work.write("model/\(name)", Data(text.utf8))
    }
    return work.path("model")
  }

  /// The check of a model with the signature that lies in it.
  static func check(
    _ model: String, _ trust: SignatureTrust, ignoring paths: [String] = []
  ) throws -> SignatureCheck.Outcome {
    try SignatureCheck(model, signature: nil, trust: trust, ignoredPaths: paths).run()
  }

  /// The ids of what a check finds in a model with a statement that is validly signed.
  static func findings(
    _ statement: Statement, _ model: String, in work: Workspace
  ) throws -> [String] {
    try findings(bundle(statement.payload), model, in: work)
  }

  static func bundle(_ payload: [UInt8]) throws -> [UInt8] { try testKey().sign(payload).bytes }

  static func findings(_ bundle: [UInt8], _ model: String, in work: Workspace) throws -> [String] {
    let path = try work.write("test.sig", Data(bundle))
    return try SignatureCheck(model, signature: path, trust: .key(testKey().publicKey)).run()
      .findings.map(\.check)
  }

  /// A file's entry, as it is.
  static func file(_ name: String, _ text: String) -> SignedFiles.File {
    .init(name: name, digest: Digest(of: Array(text.utf8)))
  }
}

extension SignatureTrust {
  static func key(of key: SigningKey) -> SignatureTrust { .key(key.publicKey) }
}
