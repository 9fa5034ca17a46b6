// Canonical composition as Unicode's annex 15 defines it. Foundation's isn't used: on Linux it orders and composes some
// sequences wrongly, and everywhere it follows its own version of Unicode, while token ids follow the reference's.
// https://www.unicode.org/reports/tr15/

/// Canonical composition (NFC), as the reference's normalizer gives it.
enum CanonicalForm {
  /// The text, composed.
  static func composed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    // Everything below U+0300 is composed.
    guard text.contains(where: { $0.value >= 0x300 }) else { return text }
    var decomposed: [Unicode.Scalar] = []
    decomposed.reserveCapacity(text.count)
    for scalar in text { appendDecomposition(of: scalar, to: &decomposed) }
    return joined(ordered(decomposed))
  }

  /// The Unicode version of the reference's tables; what was assigned later is a base character to it.
  private static let unicodeVersion = 9

  private static func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
    guard scalar.value >= 0x300 else { return 0 }
    let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
    guard combiningClass > 0, let age = scalar.properties.age, age.major <= unicodeVersion
    else { return 0 }
    return combiningClass
  }

  private static func appendDecomposition(
    of scalar: Unicode.Scalar, to text: inout [Unicode.Scalar]
  ) {
    if scalar.value < 0xc0 {
      text.append(scalar)
    } else if let syllable = Hangul.decomposition(of: scalar) {
      text += syllable
    } else if let parts = decompositions[scalar] {
      for part in parts {
        // A single character stands for one that has no parts, or for itself.
        if parts.count == 1 {
          text.append(part)
        } else {
          appendDecomposition(of: part, to: &text)
        }
      }
    } else {
      text.append(scalar)
    }
  }

  /// The text with each run of combining characters sorted by their class.
  private static func ordered(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var text = text
    var start = 0
    while start < text.count {
      var run: [(combiningClass: UInt8, index: Int, scalar: Unicode.Scalar)] = []
      var end = start
      while end < text.count, case let combiningClass = combiningClass(text[end]),
        combiningClass > 0
      {
        run.append((combiningClass, end, text[end]))
        end += 1
      }
      if run.count > 1 {
        run.sort { ($0.combiningClass, $0.index) < ($1.combiningClass, $1.index) }
        for (offset, element) in run.enumerated() { text[start + offset] = element.scalar }
      }
      start = end + 1
    }
    return text
  }

  private static func joined(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    /// Where the last base character is in the result, and the class of what came after it.
    var base: Int?
    var lastClass: UInt8 = 0
    for scalar in text {
      let combiningClass = combiningClass(scalar)
      if let base {
        let isNext = base == result.count - 1
        if isNext || lastClass < combiningClass, let whole = composition(result[base], scalar) {
          result[base] = whole
          continue
        }
      }
      result.append(scalar)
      if combiningClass == 0 { base = result.count - 1 }
      lastClass = combiningClass
    }
    return result
  }

  private static func composition(
    _ first: Unicode.Scalar, _ second: Unicode.Scalar
  ) -> Unicode.Scalar? {
    Hangul.composition(first, second)
      ?? compositions[UInt64(first.value) << 32 | UInt64(second.value)]
  }

  /// What pairs of characters compose to.
  private static let compositions: [UInt64: Unicode.Scalar] = {
    var compositions: [UInt64: Unicode.Scalar] = [:]
    for line in CanonicalCompositions.pairs.unicodeScalars.split(separator: "\n") {
      guard let second = line.first else { continue }
      let pairs = Array(line.dropFirst())
      for index in stride(from: 0, to: pairs.count - 1, by: 2) {
        compositions[UInt64(pairs[index].value) << 32 | UInt64(second.value)] = pairs[index + 1]
      }
    }
    return compositions
  }()

  /// What characters are composed of.
  private static let decompositions: [Unicode.Scalar: [Unicode.Scalar]] = {
    var decompositions: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    for (pair, whole) in compositions {
      decompositions[whole] = [UInt32(pair >> 32), UInt32(pair & 0xffff_ffff)]
        .compactMap(Unicode.Scalar.init)
    }
    for entry in CanonicalCompositions.others.unicodeScalars.split(separator: " ") {
      if let whole = entry.first { decompositions[whole] = Array(entry.dropFirst()) }
    }
    for (first, ideographs) in [
      (0xf900, CanonicalCompositions.ideographs),
      (0x2f800, CanonicalCompositions.supplementaryIdeographs),
    ] as [(UInt32, String)] {
      for (offset, ideograph) in ideographs.unicodeScalars.enumerated() {
        if let scalar = Unicode.Scalar(first + UInt32(offset)) {
          decompositions[scalar] = [ideograph]
        }
      }
    }
    return decompositions
  }()
}

/// Hangul syllables: a leading consonant, a vowel and maybe a final consonant, in arithmetic order.
private enum Hangul {
  private static let (firstSyllable, firstLeading, firstVowel): (UInt32, UInt32, UInt32) =
    (0xac00, 0x1100, 0x1161)
  /// One before the first final consonant: no final consonant.
  private static let noFinal: UInt32 = 0x11a7
  private static let (leadings, vowels, finals): (UInt32, UInt32, UInt32) = (19, 21, 28)

  static func decomposition(of scalar: Unicode.Scalar) -> [Unicode.Scalar]? {
    guard (0xac00...0xd7a3).contains(scalar.value) else { return nil }
    let index = scalar.value - firstSyllable
    let parts = [
      firstLeading + index / finals / vowels, firstVowel + index / finals % vowels,
      noFinal + index % finals,
    ]
    return parts.prefix(index % finals == 0 ? 2 : 3).compactMap(Unicode.Scalar.init)
  }

  static func composition(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    let (first, second) = (first.value, second.value)
    if (firstLeading..<firstLeading + leadings).contains(first),
      (firstVowel..<firstVowel + vowels).contains(second)
    {
      let index = ((first - firstLeading) * vowels + second - firstVowel) * finals
      return Unicode.Scalar(firstSyllable + index)
    }
    if (0xac00...0xd7a3).contains(first), (first - firstSyllable) % finals == 0,
      (noFinal + 1..<noFinal + finals).contains(second)
    {
      return Unicode.Scalar(first + second - noFinal)
    }
    return nil
  }
}
