public import TensorModel

/// A tensor's identity: what it must have in common with another to be the same tensor in any format.
public struct TensorIdentity: Hashable, Sendable {
  /// The name.
  public let name: String
  /// The element type.
  public let dtype: DType
  /// The extents.
  public let shape: Shape
  /// SHA-256 of the little-endian, row-major bytes.
  public let digest: Digest

  /// An identity.
  public init(name: String, dtype: DType, shape: Shape, digest: Digest) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.digest = digest
  }
}

/// The root of a checkpoint: SHA-256 over the lines `<hex>  <dtype>  [d0,d1]  <name>\n`, sorted by name.
///
/// Names are sorted by their UTF-8 bytes; in them `\`, line feed and carriage return are written `\\`, `\n`, `\r`.
public func rootDigest(of tensors: [TensorIdentity]) -> Digest {
  var stream = StreamingDigest()
  for tensor in tensors.sorted(by: { ExactName($0.name) < ExactName($1.name) }) {
    let name = escaped(tensor.name)
    let line =
      "\(tensor.digest.hexadecimal)  \(tensor.dtype.rawValue)  \(tensor.shape.canonicalText)  \(name)\n"
    Array(line.utf8).withUnsafeBytes { stream.update($0) }
  }
  return stream.digest
}

private func escaped(_ name: String) -> String {
  let isPlain = name.utf8.allSatisfy { $0 != 0x5c && $0 != 0x0a && $0 != 0x0d }
  if isPlain { return name }
  var text = ""
  for scalar in name.unicodeScalars {
    switch scalar {
    case "\\": text += "\\\\"
    case "\n": text += "\\n"
    case "\r": text += "\\r"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text
}
