import CTensorKernels
import TestSupport
import Testing

/// What a fork's element is stored as, by the definition: in whole numbers that are wider than the elements.
private func oracle<Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
  _ fork: Element, _ base: Element, isFloat: Bool
) -> Element {
  let top = Element(1) << (Element.bitWidth - 1)
  func key(_ bits: Element) -> Element { isFloat ? (bits & top != 0 ? ~bits : bits | top) : bits }
  let distance = key(fork) &- key(base)
  // Of a negative number n, 2 |n| - 1; of others twice the number.
  return distance & top == 0 ? distance &* 2 : (0 &- distance) &* 2 &- 1
}

/// Encodes and decodes with one variant; what surrounds the results must stay as it was.
private func roundTrip<Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
  _ level: wb_level, _ fork: [Element], _ base: [Element], isFloat: Bool
) -> (encoded: [Element], decoded: [Element]) {
  let guards = [Element](repeating: 0x5a, count: 9)
  var encoded = fork + guards
  // In place, where the fork lies.
  encoded.withUnsafeMutableBytes { bytes in
    base.withUnsafeBytes { base in
      guard let start = bytes.baseAddress, let first = base.baseAddress else { return }
      wb_ulp_encode_at(
        level, start, first, start, fork.count, MemoryLayout<Element>.size, isFloat)
    }
  }
  // In place, where the base lies.
  var decoded = base + guards
  decoded.withUnsafeMutableBytes { bytes in
    encoded.withUnsafeBytes { encoded in
      guard let start = bytes.baseAddress, let first = encoded.baseAddress else { return }
      wb_ulp_decode_at(
        level, first, start, start, fork.count, MemoryLayout<Element>.size, isFloat)
    }
  }
  precondition(encoded.suffix(9).elementsEqual(guards) && decoded.suffix(9).elementsEqual(guards))
  return (Array(encoded.dropLast(9)), Array(decoded.dropLast(9)))
}

private func random<Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
  _ type: Element.Type, _ count: Int, seed: UInt64
) -> [Element] {
  var random = FixedRandom(seed: seed)
  return random.bytes(count * MemoryLayout<Element>.size).withUnsafeBytes { bytes in
    (0..<count).map {
      bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
    }
  }
}

@Suite struct UlpTests {
  @Test(arguments: [false, true]) func everyPatternOfTwoBytesSurvives(_ isFloat: Bool) {
    let all = (0...UInt16.max).map { $0 }
    // Zeros, the smallest numbers, infinities and NaNs of both signs, and ordinary ones.
    let others: [UInt16] = [0, 0x8000, 1, 0x8001, 0x7F80, 0xFF80, 0x7FFF, 0xFFFF, 0x3F80, 0xBC01]
    for other in others {
      let same = [UInt16](repeating: other, count: all.count)
      for (fork, base) in [(all, same), (same, all)] {
        let expected = zip(fork, base).map { oracle($0, $1, isFloat: isFloat) }
        for level in [WB_PORTABLE] + fastLevels {
          let result = roundTrip(level, fork, base, isFloat: isFloat)
          #expect(isSame(result.encoded, expected), "\(other), \(level.name)")
          #expect(isSame(result.decoded, fork), "\(other), \(level.name)")
        }
      }
    }
  }

  private func check<Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Element.Type, isFloat: Bool
  ) {
    for count in [0, 1, 2, 7, 31, 32, 33, 63, 64, 65, 127, 1000, 4099] {
      let fork = random(type, count, seed: 3)
      var base = random(type, count, seed: 4)
      // Some near, some equal.
      for place in stride(from: 0, to: count, by: 3) { base[place] = fork[place] &+ 2 }
      for place in stride(from: 1, to: count, by: 3) { base[place] = fork[place] }
      let expected = zip(fork, base).map { oracle($0, $1, isFloat: isFloat) }
      for level in [WB_PORTABLE] + fastLevels {
        let result = roundTrip(level, fork, base, isFloat: isFloat)
        #expect(isSame(result.encoded, expected), "\(count) of \(type), \(level.name)")
        #expect(isSame(result.decoded, fork), "\(count) of \(type), \(level.name)")
      }
    }
  }

  @Test(arguments: [false, true]) func everyVariantGivesWhatTheDefinitionSays(_ isFloat: Bool) {
    check(UInt8.self, isFloat: isFloat)
    check(UInt16.self, isFloat: isFloat)
    check(UInt32.self, isFloat: isFloat)
    check(UInt64.self, isFloat: isFloat)
  }

  @Test func neighboursAreNear() {
    // +0, -0, the smallest negative number, 1 and the number after it, in F32.
    let fork: [UInt32] = [0, 0x8000_0000, 0x8000_0001, 0x3F80_0001, 0x3F7F_FFFF]
    let base: [UInt32] = [0x8000_0000, 0, 0, 0x3F80_0000, 0x3F80_0000]
    let result = roundTrip(WB_PORTABLE, fork, base, isFloat: true)
    #expect(result.encoded == [2, 1, 3, 2, 1])
  }

  @Test func needsNoAlignment() {
    let fork = random(UInt64.self, 100, seed: 5)
    let base = random(UInt64.self, 100, seed: 6)
    let expected = zip(fork, base).map { oracle($0, $1, isFloat: true) }
    var bytes = [UInt8](repeating: 0, count: 801)
    bytes.withUnsafeMutableBytes { target in
      fork.withUnsafeBytes {
        target.baseAddress?.advanced(by: 1).copyMemory(from: $0.baseAddress!, byteCount: 800)
      }
      if let start = target.baseAddress { wb_ulp_encode(start + 1, base, start + 1, 100, 8, true) }
    }
    expected.withUnsafeBytes { #expect(isSame(Array(bytes.dropFirst()), Array($0))) }
  }

  @Test func tellsZerosFromOthers() {
    for count in [0, 1, 2, 17, 1000] {
      var bytes = [UInt8](repeating: 0, count: count)
      #expect(wb_is_zero(bytes, count))
      for place in [0, count / 2, count - 1] where place >= 0 && place < count {
        bytes[place] = 1
        #expect(!wb_is_zero(bytes, count), "\(place) of \(count)")
        bytes[place] = 0
      }
    }
  }

  @Test func combinesBytes() {
    for count in [0, 1, 7, 8, 9, 1001] {
      let left = random(UInt8.self, count, seed: 7)
      let right = random(UInt8.self, count, seed: 8)
      var result = left
      result.withUnsafeMutableBytes { bytes in
        if let start = bytes.baseAddress { wb_xor(start, right, start, count) }
      }
      #expect(result == zip(left, right).map { $0 ^ $1 })
    }
  }
}
