// EC keys in DER, where the points of public keys lie (RFC 5480, RFC 5915, RFC 5958):
//
//   SubjectPublicKeyInfo  SEQUENCE { SEQUENCE { ecPublicKey, curve }, BIT STRING point }
//   ECPrivateKey          SEQUENCE { INTEGER 1, OCTET STRING, [0] { curve } OPTIONAL, [1] { BIT STRING point } OPTIONAL }
//   PKCS#8                SEQUENCE { INTEGER, SEQUENCE { ecPublicKey, curve }, OCTET STRING ECPrivateKey, [0] OPTIONAL, [1] point OPTIONAL }
//
// A point is 04 and both coordinates, or 02 or 03 and the first one (SEC 1, 2.3.3).

import SwiftASN1

/// The points of public keys in keys' DER.
enum ECPoints {
  private static let curves: [ASN1ObjectIdentifier: Curve] = [
    [1, 2, 840, 10045, 3, 1, 7]: .p256, [1, 3, 132, 0, 34]: .p384, [1, 3, 132, 0, 35]: .p521,
  ]

  /// The curve and the point of a public key; nil for other keys.
  static func point(ofPublicKey der: [UInt8]) -> (curve: Curve, bytes: [UInt8])? {
    guard let root = try? DER.parse(der) else { return nil }
    let parts = children(root)
    guard parts.count == 2, let name = children(parts[0]).last,
      let curve = (try? ASN1ObjectIdentifier(derEncoded: name)).flatMap({ curves[$0] }),
      let point = bits(parts[1])
    else { return nil }
    return (curve, point)
  }

  /// The points that a private key says are its public half: none, or those of the key and of what it is wrapped in.
  static func points(inPrivateKey der: [UInt8]) -> [[UInt8]] {
    guard let root = try? DER.parse(der) else { return [] }
    var points: [[UInt8]] = []
    for part in children(root) {
      if part.identifier == .octetString, case .primitive(let bytes) = part.content {
        points += Self.points(inPrivateKey: Array(bytes))
      } else if part.identifier == tag {
        points += [bits(children(part).first ?? part)].compactMap { $0 }
      }
    }
    return points
  }

  private static let tag = ASN1Identifier(tagWithNumber: 1, tagClass: .contextSpecific)

  private static func children(_ node: ASN1Node) -> [ASN1Node] {
    guard case .constructed(let nodes) = node.content else { return [] }
    return Array(nodes)
  }

  /// The bytes of a string of whole bytes.
  private static func bits(_ node: ASN1Node) -> [UInt8]? {
    guard case .primitive(let bytes) = node.content, bytes.first == 0 else { return nil }
    return Array(bytes.dropFirst())
  }
}
