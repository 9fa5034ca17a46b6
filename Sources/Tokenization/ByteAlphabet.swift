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
