import CTensorKernels
import Crypto
import TestSupport
import Testing

/// The kernels against swift-crypto's SHA-256.
@Suite struct SHA256Tests {
  /// Without and, where the processor has them, with its instructions.
  private static let variants = wb_sha256_is_accelerated() ? [false, true] : [false]

  private func expected(_ bytes: ArraySlice<UInt8>) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

  private func digest(_ hash: wb_sha256) -> [UInt8] {
    var hash = hash
    var digest = [UInt8](repeating: 0, count: 32)
    wb_sha256_digest(&hash, &digest)
    return digest
  }

  @Test(arguments: variants) func isThatOfEveryLengthAtEveryAlignment(_ isAccelerated: Bool) {
    var random = FixedRandom(seed: 11)
    let bytes = random.bytes(400)
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for count in 0...300 {
        let offset = count % 67
        var hash = wb_sha256_started(isAccelerated)
        wb_sha256_update(&hash, base + offset, count)
        #expect(digest(hash) == expected(bytes[offset..<offset + count]), "\(count) bytes")
      }
    }
  }

  @Test(arguments: variants) func twoOfUnequalLengthsAreThoseOfEach(_ isAccelerated: Bool) {
    var random = FixedRandom(seed: 12)
    let bytes = random.bytes(700)
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for count in 0...300 {
        for other in [0, 1, 63, 64, 65, 127, 128, 299, 300 - count] {
          let (offset, otherOffset) = (count % 61, (count + 7 * other) % 397)
          var first = wb_sha256_started(isAccelerated)
          var second = wb_sha256_started(isAccelerated)
          wb_sha256_update_two(
            &first, base + offset, count, &second, base + otherOffset, other)
          #expect(digest(first) == expected(bytes[offset..<offset + count]), "\(count), \(other)")
          #expect(
            digest(second) == expected(bytes[otherOffset..<otherOffset + other]),
            "\(count), \(other)")
        }
      }
    }
  }

  @Test(arguments: variants) func piecesMayBeCutAnywhere(_ isAccelerated: Bool) {
    var random = FixedRandom(seed: 13)
    let bytes = random.bytes(4000)
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for round in 0..<200 {
        var hashes = [wb_sha256_started(isAccelerated), wb_sha256_started(isAccelerated)]
        let starts = [Int(random.next() % 1000), Int(random.next() % 1000)]
        var counts = [0, 0]
        for _ in 0..<12 {
          // Some pieces are empty, some smaller than a block, some several.
          let next = (0..<2).map { _ in Int(random.next() % [1, 30, 64, 130, 250][round % 5]) }
          if round % 3 == 0 {
            for place in 0..<2 {
              wb_sha256_update(
                &hashes[place], base + starts[place] + counts[place], next[place])
            }
          } else {
            var (first, second) = (hashes[0], hashes[1])
            wb_sha256_update_two(
              &first, base + starts[0] + counts[0], next[0], &second, base + starts[1] + counts[1],
              next[1])
            hashes = [first, second]
          }
          for place in 0..<2 {
            counts[place] += next[place]
            // More may follow a digest.
            let passed = bytes[starts[place]..<starts[place] + counts[place]]
            #expect(digest(hashes[place]) == expected(passed), "round \(round)")
          }
        }
      }
    }
  }

  @Test func oneWithInstructionsAndOneWithoutGoOnTogether() {
    let bytes = [UInt8](0..<200)
    var first = wb_sha256_started(wb_sha256_is_accelerated())
    var second = wb_sha256_started(false)
    wb_sha256_update_two(&first, bytes, 200, &second, bytes, 190)
    #expect(digest(first) == expected(bytes[...]))
    #expect(digest(second) == expected(bytes[..<190]))
  }
}
