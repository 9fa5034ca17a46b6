import Foundation

/// Base64 as RFC 4648 writes it: one text for some bytes and no other.
enum Base64Text {
  /// The bytes; nil for white space, other alphabets, missing padding and stray bits at the end.
  static func decoded(_ text: String) -> [UInt8]? {
    guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else {
      return nil
    }
    return [UInt8](data)
  }

  /// The text of some bytes.
  static func encoded(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
