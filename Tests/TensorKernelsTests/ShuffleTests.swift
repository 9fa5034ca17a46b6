import CTensorKernels
import TestSupport
import Testing

@Suite struct ShuffleTests {
  @Test(arguments: 1...9) func shufflesAndUnshufflesLikeANaiveLoop(_ size: Int) {
    var random = FixedRandom(seed: 7)
    for count in [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 1000, 1001, 4099] {
      let bytes = random.bytes(count * size)
      var expected = bytes
      for element in 0..<count {
        for byte in 0..<size { expected[byte * count + element] = bytes[element * size + byte] }
      }
      // What surrounds the result must stay as it was.
      var shuffled = [UInt8](repeating: 0xa5, count: count * size + 64)
      wb_shuffle(bytes, &shuffled, count, size)
      #expect(isSame(Array(shuffled.prefix(count * size)), expected), "\(count) of \(size)")
      #expect(shuffled.suffix(64).allSatisfy { $0 == 0xa5 })
      var restored = [UInt8](repeating: 0xa5, count: count * size + 64)
      wb_unshuffle(expected, &restored, count, size)
      #expect(isSame(Array(restored.prefix(count * size)), bytes), "\(count) of \(size)")
      #expect(restored.suffix(64).allSatisfy { $0 == 0xa5 })
      for first in [0, 1, count / 2, max(0, count - 1)] where first <= count {
        var part = [UInt8](repeating: 0xa5, count: first * size + 64)
        wb_unshuffle_first(expected, &part, first, count, size)
        #expect(
          isSame(Array(part.prefix(first * size)), Array(bytes.prefix(first * size))),
          "\(first) of \(count) of \(size)")
        #expect(part.suffix(64).allSatisfy { $0 == 0xa5 })
      }
    }
  }

  @Test(arguments: [2, 4, 8]) func needsNoAlignment(_ size: Int) {
    var random = FixedRandom(seed: 8)
    let bytes = random.bytes(1 + 100 * size)
    let aligned = Array(bytes.dropFirst())
    var expected = [UInt8](repeating: 0, count: 100 * size)
    wb_shuffle(aligned, &expected, 100, size)
    var result = [UInt8](repeating: 0, count: 1 + 100 * size)
    bytes.withUnsafeBytes { source in
      result.withUnsafeMutableBytes { target in
        if let source = source.baseAddress, let target = target.baseAddress {
          wb_shuffle(source + 1, target + 1, 100, size)
        }
      }
    }
    #expect(isSame(Array(result.dropFirst()), expected))
  }
}
