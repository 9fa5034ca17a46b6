import Crypto
public import TensorModel

/// A file's name as an object of git: SHA-1 of `blob LENGTH`, a zero byte, and the contents (git-hash-object).
///
/// It tells accidents from what was downloaded; it is no proof against people who want to deceive.
public struct GitDigest: Sendable {
  /// The 40 hexadecimal digits.
  public let hexadecimal: String

  /// Of a whole file.
  ///
  /// - Throws: `inputOutput`.
  public init(ofFile file: InputFile) throws(CheckpointError) {
    var hash = Insecure.SHA1()
    Array("blob \(file.byteCount)\0".utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
    try file.forEachPiece { (bytes) throws(CheckpointError) in hash.update(bufferPointer: bytes) }
    let digits = Array("0123456789abcdef")
    hexadecimal = hash.finalize().map { "\(digits[Int($0) >> 4])\(digits[Int($0) & 15])" }.joined()
  }
}
