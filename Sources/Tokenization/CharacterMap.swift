// A SentencePiece model's `precompiled_charsmap` (normalizer.cc, Builder::CompileCharsMap), little-endian:
//   1. the byte count of the next part, 4 bytes
//   2. a double array (darts-clone), units of 4 bytes, that finds the characters that are mapped: a unit has in bits 0…7 its label,
//      in bit 8 whether a value follows, in bits 10…31 the distance to its children, times 256 if bit 9 is set; a value's unit
//      has bit 31 set and the value in the others
//   3. what they are mapped to, in UTF-8, each followed by a zero byte; values are where these begin
// https://github.com/google/sentencepiece, https://github.com/s-yata/darts-clone

internal import TensorModel

/// Which sequences of characters are replaced by which.
struct CharacterMap: Sendable, Hashable {
  private let units: [UInt32]
  private let texts: [UInt8]

  /// What a map may have at most; that of `nmt_nfkc` has 240 KB.
  private static let maximumByteCount = 1 << 24

  /// Parses a map.
  ///
  /// - Throws: `malformed` if it is cut off, or its texts aren't UTF-8.
  init(parsing bytes: [UInt8]) throws(CheckpointError) {
    func integer(_ at: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
    guard bytes.count >= 4, bytes.count <= Self.maximumByteCount else {
      throw Self.malformed("\(bytes.count) bytes")
    }
    let byteCount = Int(integer(0))
    guard byteCount % 4 == 0, byteCount >= 4, byteCount <= bytes.count - 4 else {
      throw Self.malformed("a table of \(byteCount) bytes in a map of \(bytes.count)")
    }
    units = stride(from: 4, to: 4 + byteCount, by: 4).map(integer)
    texts = Array(bytes[(4 + byteCount)...])
    guard texts.last ?? 0 == 0, String(validating: texts, as: UTF8.self) != nil else {
      throw Self.malformed("texts that aren't UTF-8, or have no end")
    }
  }

  private static func malformed(_ found: String) -> CheckpointError {
    CheckpointError(
      .malformed, "the map of characters (precompiled_charsmap) can't be read",
      expected: "a double array and its texts", found: found,
      hint: "get the tokenizer's files again")
  }

  /// The mapped sequences that a text begins with, the shortest first.
  ///
  /// - Parameters:
  ///   - bytes: the text in UTF-8.
  ///   - start: where in it to begin.
  ///   - end: where to stop.
  ///   - match: gets the length of the sequence and where its text begins; true goes on.
  private func prefixes(
    _ bytes: [UInt8], _ start: Int, _ end: Int, _ match: (_ length: Int, _ value: Int) -> Bool
  ) {
    var node = Self.distance(units[0])
    for index in start..<end {
      let byte = UInt32(bytes[index])
      guard byte != 0 else { return }
      node ^= byte
      guard node < units.count else { return }
      let unit = units[Int(node)]
      guard unit & 0x8000_00ff == byte else { return }
      node ^= Self.distance(unit)
      guard unit >> 8 & 1 == 1 else { continue }
      guard node < units.count else { return }
      let value = Int(units[Int(node)] & 0x7fff_ffff)
      if value < texts.count, !match(index + 1 - start, value) { return }
    }
  }

  private static func distance(_ unit: UInt32) -> UInt32 {
    (unit >> 10) << ((unit & 0x200) >> 6)
  }

  private func text(_ value: Int) -> ArraySlice<UInt8> {
    texts[value..<(texts[value...].firstIndex(of: 0) ?? texts.endIndex)]
  }

  /// What the longest mapped sequence at a place becomes, as SentencePiece does it.
  ///
  /// - Parameters:
  ///   - bytes: the text in UTF-8.
  ///   - start: the place.
  /// - Returns: how long the sequence is, and what it becomes; nil if there is none.
  func longest(
    in bytes: [UInt8], at start: Int
  ) -> (length: Int, text: ArraySlice<UInt8>)? {
    var longest: (length: Int, value: Int)?
    var count = 0
    prefixes(bytes, start, bytes.count) { length, value in
      longest = (length, value)
      count += 1
      return count < Self.maximumMatchCount
    }
    return longest.map { ($0.length, text($0.value)) }
  }

  /// How many sequences SentencePiece finds at one place.
  private static let maximumMatchCount = 32

  /// What `tokenizers` makes of a grapheme or a character: its shortest mapped beginning replaces the whole.
  private func replacement(_ bytes: [UInt8], _ start: Int, _ end: Int) -> ArraySlice<UInt8>? {
    var found: Int?
    prefixes(bytes, start, end) { _, value in
      found = value
      return false
    }
    return found.map(text)
  }

  /// How many bytes the graphemes have at most that `tokenizers` looks up as wholes.
  private static let maximumGraphemeByteCount = 5

  /// The text as `tokenizers` maps it, grapheme by grapheme.
  func mapped(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var bytes: [UInt8] = []
    var start = 0
    while start < text.count {
      // Where two ASCII characters meet, graphemes meet, but for a line's end.
      var end = start + 1
      while end < text.count,
        !(text[end].isASCII && text[end - 1].isASCII) || text[end - 1] == "\r"
      {
        end += 1
      }
      if end == start + 1 {
        bytes.removeAll(keepingCapacity: true)
        text[start..<end].appendUTF8(to: &bytes)
        result += replacement(bytes, 0, bytes.count) ?? bytes[...]
      } else {
        var run = String.UnicodeScalarView()
        run.append(contentsOf: text[start..<end])
        for grapheme in String(run) { append(grapheme, to: &result) }
      }
      start = end
    }
    return Array(String(decoding: result, as: UTF8.self).unicodeScalars)
  }

  private func append(_ grapheme: Character, to result: inout [UInt8]) {
    let bytes = Array(grapheme.utf8)
    if bytes.count <= Self.maximumGraphemeByteCount,
      let replacement = replacement(bytes, 0, bytes.count)
    {
      result += replacement
      return
    }
    var start = 0
    for scalar in grapheme.unicodeScalars {
      let end = start + UTF8.width(scalar)
      result += replacement(bytes, start, end) ?? bytes[start..<end]
      start = end
    }
  }
}
