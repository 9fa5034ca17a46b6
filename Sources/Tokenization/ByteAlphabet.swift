// GPT-2 writes every byte of a text as one printable character, so that vocabularies are readable: bytes that Latin-1
// prints stand for themselves, the other 68 in their order for U+0100 and up (a space is `Ġ`).
// https://github.com/openai/gpt-2/blob/master/src/encoder.py

/// The characters that stand for bytes in a byte-level vocabulary.
enum ByteAlphabet {
  /// The character of each byte.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      if printable(byte) { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? " "
    }
  }()

  /// The byte of each character below U+0144; -1 for those that stand for none.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, character) in characters.enumerated() { bytes[Int(character.value)] = Int16(byte) }
    return bytes
  }()

  private static func printable(_ byte: UInt32) -> Bool {
    switch byte {
    case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: true
    default: false
    }
  }

  /// The bytes of a text, each as its character.
  static func written(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var bytes: [UInt8] = []
    text.appendUTF8(to: &bytes)
    return bytes.map { characters[Int($0)] }
  }

  /// The byte that a character stands for, if it does.
  static func byte(of character: Unicode.Scalar) -> UInt8? {
    guard character.value < bytes.count, bytes[Int(character.value)] >= 0 else { return nil }
    return UInt8(bytes[Int(character.value)])
  }

  /// The bytes that a token stands for, nil if one of its characters stands for none.
  static func bytes(of token: String) -> [UInt8]? {
    var result: [UInt8] = []
    for character in token.unicodeScalars {
      guard let byte = byte(of: character) else { return nil }
      result.append(byte)
    }
    return result
  }
}

extension ArraySlice<Unicode.Scalar> {
  /// Appends the characters in UTF-8.
  func appendUTF8(to bytes: inout [UInt8]) {
    for scalar in self {
      let value = scalar.value
      if value < 0x80 {
        bytes.append(UInt8(value))
        continue
      }
      func trailing(_ shift: UInt32) -> UInt8 { UInt8(value >> shift & 0x3f | 0x80) }
      if value < 0x800 {
        bytes.append(UInt8(value >> 6 | 0xc0))
      } else {
        if value < 0x10000 {
          bytes.append(UInt8(value >> 12 | 0xe0))
        } else {
          bytes.append(UInt8(value >> 18 | 0xf0))
          bytes.append(trailing(12))
        }
        bytes.append(trailing(6))
      }
      bytes.append(trailing(0))
    }
  }
}
