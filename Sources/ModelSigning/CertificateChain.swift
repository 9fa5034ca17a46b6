import FileContainers
import Foundation
import SwiftASN1
public import TensorModel
import X509

/// A signer's certificate and those above it, the signer's first.
public struct CertificateChain: Sendable {
  private let path: String
  let certificates: [Certificate]
  /// As a signature carries them.
  let der: [[UInt8]]

  /// Reads a PEM file.
  ///
  /// - Parameter path: of a file with blocks `CERTIFICATE`, the signer's first, each signed by the next one.
  /// - Throws: `missing` or `inputOutput`; `usage` for other contents and another order.
  public init(path: String) throws(CheckpointError) {
    self.path = path
    let file = try PEMFile(path: path)
    der = file.blocks("CERTIFICATE")
    guard !der.isEmpty else {
      throw CheckpointError(
        .usage, "has no certificate", file: path, expected: "blocks CERTIFICATE",
        found: file.contents, hint: Self.hint)
    }
    var certificates: [Certificate] = []
    for block in der {
      do { certificates.append(try Certificate(derEncoded: block)) } catch {
        throw CheckpointError(
          .usage, "certificate \(certificates.count + 1) can't be read", file: path,
          found: "\(error)", hint: Self.hint)
      }
    }
    self.certificates = certificates
    for (child, parent) in zip(certificates, certificates.dropFirst())
    where !parent.hasSigned(child) {
      throw CheckpointError(
        .usage, "the chain's order is wrong: '\(child.name)' isn't signed by the next certificate",
        file: path, found: "'\(parent.name)'", hint: Self.hint)
    }
  }

  private static let hint =
    "the file has the signer's certificate first, then the one that signed it, and so on"

  /// Makes sure that a key can sign with these certificates now.
  ///
  /// - Throws: `usage`.
  func requireSigner(_ key: VerificationKey) throws(CheckpointError) {
    guard let leaf = certificates.first, VerificationKey(leaf) == key else {
      throw CheckpointError(
        .usage, "the private key isn't that of the chain's first certificate", file: path,
        found: certificates.first.map { "a certificate of '\($0.name)'" }, hint: Self.hint)
    }
    if let problem = leaf.problemOfSigner {
      throw CheckpointError(
        .usage, "the first certificate \(problem)", file: path,
        hint: "have one issued with keyUsage digitalSignature, or extendedKeyUsage codeSigning")
    }
    if let problem = leaf.problem(at: Date()) {
      throw CheckpointError(
        .usage, "the first certificate \(problem)", file: path,
        hint: "have the certificate renewed; if its time is right, check this machine's clock")
    }
    if let problem = CertificatePath.problem(of: certificates, at: Date()) {
      throw CheckpointError(
        .usage, "nobody would accept the chain: \(problem)", file: path,
        hint: "have the certificate issued by an authority, and give that one's certificates")
    }
  }
}

extension Certificate {
  /// Whether another certificate was signed with this one's key, and says so.
  func hasSigned(_ other: Certificate) -> Bool {
    other.issuer == subject && publicKey.isValidSignature(other.signature, for: other)
  }

  /// Whether it was signed with its own key.
  ///
  /// That the names are the same doesn't make it so.
  var isSelfSigned: Bool { hasSigned(self) }

  /// Its subject, for messages.
  var name: String { clipped("\(subject)", to: shownNameLength) }

  /// What keeps it from counting at a time; nil if nothing does.
  func problem(at time: Date) -> String? {
    if time < notValidBefore { return "isn't valid before \(notValidBefore.ISO8601Format())" }
    if time > notValidAfter { return "has expired on \(notValidAfter.ISO8601Format())" }
    return nil
  }

  /// Why it may not be used to sign models; nil if it may.
  var problemOfSigner: String? {
    guard VerificationKey(self) != nil else { return "has no EC key on \(Curve.list)" }
    do {
      let maySign = try extensions.keyUsage?.digitalSignature ?? false
      let maySignCode = try extensions.extendedKeyUsage?.contains(.codeSigning) ?? false
      return maySign || maySignCode
        ? nil : "may not be used to sign: it has neither digitalSignature nor codeSigning"
    } catch { return "has extensions that can't be read" }
  }
}
