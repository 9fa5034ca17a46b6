// The way from a signer's certificate to a trusted root, by RFC 5280, section 6.
//
// Certificates are compared as such, never by names: a leaf can have its issuer's name and say that it is an authority.

import Foundation
import SwiftASN1
import X509

/// Looks for a chain of valid certificates.
struct CertificatePath {
  private let roots: TrustedRoots
  private let time: Date

  /// More than any chain in use has.
  private static let maximumLength = 10

  /// - Parameters:
  ///   - roots: where a chain must end.
  ///   - time: when every certificate must be valid.
  init(_ roots: TrustedRoots, at time: Date) {
    self.roots = roots
    self.time = time
  }

  /// Makes sure that a signer's certificate is trusted.
  ///
  /// - Parameters:
  ///   - leaf: the signer's.
  ///   - others: that came with it, in any order.
  /// - Returns: the root.
  /// - Throws: a refusal that says what is wrong with the first chain, or that there is none.
  func root(above leaf: Certificate, with others: [Certificate]) throws(SignatureRefusal)
    -> Certificate
  {
    guard !roots.anchors.isEmpty else {
      throw SignatureRefusal(
        .certificate, "none of the given certificates is a root: a root is signed by itself")
    }
    if let problem = leaf.problemOfSigner {
      throw SignatureRefusal(.certificate, "the signer's certificate \(problem)")
    }
    var firstProblem: String?
    var paths = [[leaf]]
    // Every certificate is tried once, so that no set of them takes long.
    var seen: Set<Certificate> = [leaf]
    var next = 0
    while next < paths.count {
      let path = paths[next]
      next += 1
      guard let tip = path.last, path.count < Self.maximumLength else { continue }
      let chains =
        roots.anchors.contains(tip)
        ? [path] : roots.anchors.filter { $0.hasSigned(tip) }.map { path + [$0] }
      for chain in chains {
        guard let problem = Self.problem(of: chain, at: time) else { return chain[chain.count - 1] }
        firstProblem = firstProblem ?? problem
      }
      for issuer in others + roots.others where !seen.contains(issuer) && issuer.hasSigned(tip) {
        seen.insert(issuer)
        paths.append(path + [issuer])
      }
    }
    let end = paths[paths.count - 1].last ?? leaf
    throw SignatureRefusal(
      .certificate,
      firstProblem
        ?? "no chain leads to a given root: the issuer '\(end.issuerName)' of '\(end.name)' isn't one of them"
    )
  }

  /// What is wrong with a chain; nil if nothing is.
  ///
  /// - Parameters:
  ///   - chain: the signer's certificate first; the last may be a root.
  ///   - time: when every certificate must be valid.
  /// - Returns: a sentence about the first certificate that can't be trusted.
  static func problem(of chain: [Certificate], at time: Date) -> String? {
    var intermediateCount = 0
    for (place, certificate) in chain.enumerated() {
      let isRoot = place == chain.count - 1 && certificate.isSelfSigned
      let problem =
        certificate.problem(at: time) ?? certificate.problemOfExtensions
        ?? (isRoot ? nil : certificate.problemOfAlgorithm)
        ?? (place == 0 ? nil : certificate.problemOfAuthority(above: intermediateCount, isRoot))
      if let problem { return "the certificate '\(certificate.name)' \(problem)" }
      if place > 0 && certificate.issuer != certificate.subject { intermediateCount += 1 }
    }
    return nil
  }
}

extension Certificate {
  /// Its issuer's subject, for messages.
  fileprivate var issuerName: String { "\(issuer)" }

  /// Critical extensions whose meaning is known here.
  private static let knownExtensions: Set<ASN1ObjectIdentifier> = [
    .X509ExtensionID.basicConstraints, .X509ExtensionID.keyUsage,
    .X509ExtensionID.extendedKeyUsage, .X509ExtensionID.subjectAlternativeName,
    // Certificate policies: none is asked for, so all are fine.
    [2, 5, 29, 32],
  ]

  /// What its extensions say that can't be obeyed.
  fileprivate var problemOfExtensions: String? {
    if version == .v1 && !extensions.isEmpty { return "is of version 1 and has extensions" }
    if extensions[oid: .X509ExtensionID.nameConstraints] != nil {
      return "limits names, which isn't supported"
    }
    if let unknown = extensions.first(where: {
      $0.critical && !Self.knownExtensions.contains($0.oid)
    }) {
      return "has a critical extension \(unknown.oid) that isn't known"
    }
    guard let purposes = extensions[oid: .X509ExtensionID.extendedKeyUsage], purposes.critical
    else { return nil }
    guard let listed = try? extensions.extendedKeyUsage else {
      return "has purposes that can't be read"
    }
    return listed.contains(.codeSigning) || listed.contains(.any)
      ? nil : "is for other purposes than signing code, and says that this is critical"
  }

  /// SHA-1 proves nothing any more; a root isn't trusted for its signature.
  fileprivate var problemOfAlgorithm: String? {
    signatureAlgorithm == .sha1WithRSAEncryption ? "is signed with SHA-1" : nil
  }

  /// Why it may not sign the certificates below it.
  ///
  /// - Parameters:
  ///   - intermediateCount: authorities below it, not counting those that issued themselves.
  ///   - isRoot: roots may be so old that they have no extensions.
  /// - Returns: the reason; nil if it may.
  fileprivate func problemOfAuthority(above intermediateCount: Int, _ isRoot: Bool) -> String? {
    if version == .v1 { return isRoot ? nil : "is of version 1, and no authority" }
    do {
      guard case .isCertificateAuthority(let limit) = try extensions.basicConstraints else {
        return "is no authority (CA:FALSE)"
      }
      if let limit, limit < intermediateCount {
        return "allows \(limit) authorities below it, found \(intermediateCount)"
      }
      if let usage = try extensions.keyUsage, !usage.keyCertSign {
        return "may not sign certificates (no keyCertSign)"
      }
    } catch { return "has extensions that can't be read" }
    return nil
  }
}
