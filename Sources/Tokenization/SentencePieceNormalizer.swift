/// What a SentencePiece model does to texts before it cuts them into pieces (normalizer.cc).
struct SentencePieceNormalizer: Sendable, Hashable {
  /// The characters that it replaces.
  var map: CharacterMap?
  /// Pieces that stay as they are in texts, longest first; in UTF-8.
  var userDefined: PieceTrie?
  /// Whether a space is put before texts, or after them.
  var addsSpace = true
  /// Whether it is put before parts of a text that come after an added token, too.
  var addsSpaceEverywhere = false
  /// Whether spaces belong to the word before them.
  var hasSpaceSuffixes = false
  /// Whether of several spaces only one stays, and none at the ends.
  var removesSpaces = true
  /// Whether `▁` is written for spaces.
  var escapesSpaces = true

  /// The text as the model cuts it.
  ///
  /// - Parameters:
  ///   - text: a text, or a part of one.
  ///   - isStart: whether nothing stands before it.
  /// - Returns: the text, which may be empty.
  func normalized(_ text: ArraySlice<Unicode.Scalar>, isStart: Bool) -> [Unicode.Scalar] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count + 8)
    text.appendUTF8(to: &bytes)
    let result = normalized(bytes, addsSpace: addsSpace && (isStart || addsSpaceEverywhere))
    return Array(String(decoding: result, as: UTF8.self).unicodeScalars)
  }

  private var space: [UInt8] { escapesSpaces ? [0xe2, 0x96, 0x81] : [0x20] }

  private func normalized(_ bytes: [UInt8], addsSpace: Bool) -> [UInt8] {
    let space = space
    var position = 0
    if removesSpaces {
      while position < bytes.count {
        let next = next(bytes, position)
        guard next.text.elementsEqual([0x20]) else { break }
        position += next.length
      }
    }
    guard position < bytes.count else { return [] }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + bytes.count / 2)
    if addsSpace, !hasSpaceSuffixes { result += space }
    var followsSpace = removesSpaces
    while position < bytes.count {
      var (text, length) = next(bytes, position)
      if followsSpace { text = text.drop { $0 == 0x20 } }
      if let last = text.last {
        for byte in text {
          if byte == 0x20 { result += space } else { result.append(byte) }
        }
        followsSpace = last == 0x20
      }
      position += length
      if !removesSpaces { followsSpace = false }
    }
    if removesSpaces {
      while result.count >= space.count, result.suffix(space.count).elementsEqual(space) {
        result.removeLast(space.count)
      }
    }
    if addsSpace, hasSpaceSuffixes { result += space }
    return result
  }

  /// What the characters at a place become, and how many bytes of the text they are.
  private func next(_ bytes: [UInt8], _ start: Int) -> (text: ArraySlice<UInt8>, length: Int) {
    if let length = userDefined?.longestPrefix(of: bytes, at: start) {
      return (bytes[start..<start + length], length)
    }
    if let (length, text) = map?.longest(in: bytes, at: start) { return (text, length) }
    let length = UTF8.width(ofFirst: bytes[start])
    return (bytes[start..<min(start + length, bytes.count)], length)
  }
}

extension UTF8 {
  /// How many bytes a character has that begins with this one.
  static func width(ofFirst byte: UInt8) -> Int {
    switch byte {
    case ..<0xc0: 1
    case ..<0xe0: 2
    case ..<0xf0: 3
    default: 4
    }
  }
}
