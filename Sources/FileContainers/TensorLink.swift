/// How a tensor is called as a link of an HDF5 group.
public enum TensorLink {
  /// The name of a tensor's link in the group; different tensors have different ones.
  ///
  /// Links can't have `/` or NUL in their names and can't be called `.`; these and `%` are written as `%2F`, `%00`, `%2E` and
  /// `%25`. The empty name is `%`.
  public static func name(for tensorName: String) -> String {
    if tensorName.isEmpty { return "%" }
    if tensorName.utf8.elementsEqual(".".utf8) { return "%2E" }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tensorName.utf8.count)
    for byte in tensorName.utf8 {
      switch byte {
      case 0: bytes += "%00".utf8
      case UInt8(ascii: "/"): bytes += "%2F".utf8
      case UInt8(ascii: "%"): bytes += "%25".utf8
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
