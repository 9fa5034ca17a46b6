public import TensorModel

/// Private keys in PEM, as `openssl` and `ssh-keygen` write them: whoever publishes a model doesn't mean to publish one.
public enum PrivateKeyText {
  /// Keys are a few kilobytes; a longer text that shows one is about keys.
  private static let maximumByteCount = 64 << 10
  private static let begin = Array("-----BEGIN ".utf8)
  private static let end = Array("PRIVATE KEY-----".utf8)

  /// Whether a file has a line such as `-----BEGIN PRIVATE KEY-----`, `-----BEGIN EC PRIVATE KEY-----`.
  ///
  /// - Throws: `inputOutput`.
  public static func isIn(_ file: FileRegion) throws(CheckpointError) -> Bool {
    guard file.byteCount <= maximumByteCount else { return false }
    let lines = try file.bytes(at: 0, count: file.byteCount).split {
      $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r")
    }
    return lines.contains { line in
      guard line.starts(with: begin) else { return false }
      let text = line.reversed().drop { $0 == UInt8(ascii: " ") }.reversed()
      return text.suffix(end.count).elementsEqual(end)
    }
  }
}
