// BPE of SentencePiece's kind as `tokenizers` runs it: a word's symbols are its characters, those that are no tokens become the tokens
// of their bytes (`<0x41>`, byte_fallback) or the unknown token. Texts of Llama and Gemma are one word; they are cut here where no
// merge reaches, which changes nothing but the time.

/// The tokens of single characters.
struct CharacterAlphabet: Sendable {
  /// By character, for ASCII.
  private var ascii = [UInt32?](repeating: nil, count: 128)
  /// By character, for others.
  private var others: [Unicode.Scalar: UInt32] = [:]
  /// By byte; nil without byte fallback.
  private var bytes: [UInt32?]?
  /// The pairs of characters between which merges reach; nil if texts can't be cut.
  private var bridges: Set<UInt64>?
  private var asciiBridges = [Bool](repeating: false, count: 128 * 128)

  /// The alphabet of a vocabulary.
  ///
  /// - Parameters:
  ///   - vocabulary: before tokens are added to it.
  ///   - fallsBack: whether characters without a token become bytes.
  ///   - unknown: the token of what has none.
  init(_ vocabulary: Vocabulary, fallsBack: Bool, unknown: UInt32?) {
    for (id, token) in vocabulary.tokens.enumerated() {
      guard let scalars = token?.text.unicodeScalars, scalars.count == 1,
        let scalar = scalars.first
      else { continue }
      if scalar.isASCII {
        ascii[Int(scalar.value)] = UInt32(id)
      } else {
        others[scalar] = UInt32(id)
      }
    }
    if fallsBack {
      bytes = (0...255).map { (byte: UInt8) in
        vocabulary.id(of: Self.name(of: byte)).map { UInt32($0) }
      }
    }
    setBridges(vocabulary, unknown)
  }

  /// The token of a byte: `<0x41>`.
  static func name(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return byte < 16 ? "<0x0\(digits)>" : "<0x\(digits)>"
  }

  private mutating func setBridges(_ vocabulary: Vocabulary, _ unknown: UInt32?) {
    var wholes = Set((bytes ?? []).compactMap { $0 })
    if let unknown { wholes.insert(unknown) }
    var bridges: Set<UInt64> = []
    for merge in vocabulary.merges {
      guard !wholes.contains(UInt32(merge.left)), !wholes.contains(UInt32(merge.right)),
        let left = vocabulary.tokens[merge.left]?.text.unicodeScalars.last,
        let right = vocabulary.tokens[merge.right]?.text.unicodeScalars.first
      else { return }
      if left.isASCII, right.isASCII {
        asciiBridges[Int(left.value << 7 | right.value)] = true
      } else {
        bridges.insert(Self.pair(left, right))
      }
    }
    self.bridges = bridges
  }

  private static func pair(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> UInt64 {
    UInt64(left.value) << 32 | UInt64(right.value)
  }

  private func token(_ scalar: Unicode.Scalar) -> UInt32? {
    scalar.isASCII ? ascii[Int(scalar.value)] : others[scalar]
  }

  /// Where a word may be cut: the ends of its parts, in order.
  func partEnds(of word: [UInt8]) -> [Int] {
    guard let bridges, word.count > 1 else { return [word.count] }
    var ends: [Int] = []
    var previous: Unicode.Scalar?
    var wasUnknown = false
    var position = 0
    for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
      let isUnknown = token(scalar) == nil
      if let previous {
        let isBridge =
          scalar.isASCII && previous.isASCII
          ? asciiBridges[Int(previous.value << 7 | scalar.value)]
          : bridges.contains(Self.pair(previous, scalar))
        // Unknown ones side by side may be one token.
        if !isBridge, !(isUnknown && wasUnknown) { ends.append(position) }
      }
      previous = scalar
      wasUnknown = isUnknown
      position += UTF8.width(scalar)
    }
    ends.append(word.count)
    return ends
  }

  /// The symbols of a word before any merge.
  func symbols(
    of word: [UInt8], unknown: UInt32?, fusesUnknown: Bool
  ) -> [UInt32] {
    var symbols: [UInt32] = []
    symbols.reserveCapacity(word.count)
    var followsUnknown = false
    for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
      if let token = token(scalar) {
        symbols.append(token)
        followsUnknown = false
      } else if let fallback = fallback(scalar) {
        symbols += fallback
        followsUnknown = false
      } else if let unknown {
        if !(fusesUnknown && followsUnknown) { symbols.append(unknown) }
        followsUnknown = true
      }
    }
    return symbols
  }

  private func fallback(_ scalar: Unicode.Scalar) -> [UInt32]? {
    guard let bytes, let encoded = UTF8.encode(scalar) else { return nil }
    var tokens: [UInt32] = []
    for byte in encoded {
      guard let token = bytes[Int(byte)] else { return nil }
      tokens.append(token)
    }
    return tokens
  }
}
