// seeds: fixtures/signing/signatures/*.sig fixtures/signing/scratch/*.sig fixtures/signing/vectors/releases/*/model.sig fixtures/signing/vectors/spec-v1.0/*/*
// words: Sources/ModelSigning

import FileContainers
import Foundation
import Fuzzing
import ModelSigning
import TensorModel

/// A signature file; and the same bytes as a statement that is validly signed, since nothing is looked at behind a wrong signature.
@main struct SignatureTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let key = try SigningKey(pem: pem, name: "key")
    let bundle = try ifUsable { () throws(CheckpointError) in try SignatureBundle(parsing: input) }
    if let bundle, bundle.material != .keyless {
      expect(try SignatureBundle(parsing: bundle.bytes).signedBytes == bundle.signedBytes)
    }
    check(SignatureVerification(input, name: "x", trust: .key(key.publicKey)))
    let roots = try TrustedRoots(pem: root, name: "root")
    check(
      SignatureVerification(
        input, name: "x", trust: .roots(roots, requiresCurrentValidity: false)))
    // A payload that isn't known to be one is tried as one.
    let payload = bundle?.payload ?? input
    guard !payload.isEmpty else { return }
    let signed = try key.sign(payload).bytes
    let verification = SignatureVerification(signed, name: "x", trust: .key(key.publicKey))
    check(verification)
    guard let statement = verification.statement else { return }
    expect(try Statement(parsing: statement.payload).payload == statement.payload)
    try compare(signed, key)
  }

  private static func check(_ verification: SignatureVerification) {
    expect(
      (verification.statement == nil) == (verification.signer == nil)
        || !verification.findings.isEmpty)
    for finding in verification.findings { expect(!finding.message.isEmpty) }
  }

  /// Against a folder without files, where everything is missing.
  private static func compare(_ signed: [UInt8], _ key: SigningKey) throws(CheckpointError) {
    let signature = "\(folder).sig"
    try? Data(signed).write(to: URL(filePath: signature))
    let outcome = try SignatureCheck(
      folder, signature: signature, trust: .key(key.publicKey)
    ).run()
    expect(outcome.findings.contains { $0.severity == .error })
  }

  private static let folder: String = {
    let path =
      "\(NSTemporaryDirectory())/weighbridge-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }()

  /// Of no use to anybody.
  private static let pem = """
    -----BEGIN EC PRIVATE KEY-----
    MHcCAQEEIPy2FabdjMFcEFThqQTtqoaJip0/0TJDAPIEapjdnY++oAoGCCqGSM49
    AwEHoUQDQgAEdcWgnaIiCxzfhAGeur0lYUQ08FwQM6CC8SkrfJRVqf8F+V/iJRR5
    Bh2L/ZOdIGoBbfFEInNhWjpXUlsLBCPTbQ==
    -----END EC PRIVATE KEY-----

    """

  private static let root = """
    -----BEGIN CERTIFICATE-----
    MIIBaTCCARCgAwIBAgIUbyQosGGOan5amY57DIwemD6vyPgwCgYIKoZIzj0EAwIw
    EjEQMA4GA1UEAwwHZWMtcm9vdDAgFw0yNjExMzAwNTA1NTlaGA8yMTI2MTEwNjA1
    MDU1OVowEjEQMA4GA1UEAwwHZWMtcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
    A0IABMPdqtyW4Utkwqaw/tr9zHNjn019pgNj4B0gXH5Obfba2VUlPSsd2wrzXDkG
    NMxgUq5e+hyjzQRKollgoZUlK6ejQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P
    AQH/BAQDAgIEMB0GA1UdDgQWBBSvdEgwDeGy+FuEK6YFB/cQpAvF/jAKBggqhkjO
    PQQDAgNHADBEAiBTmzlGJ1LQGJdtfR87YnZEw98KisoQsn76AyLHyHfXrQIgKdde
    nJJLnxNUG0KQO0X6ynp79tCWdFhmgbKzARpTa1M=
    -----END CERTIFICATE-----

    """
}
