import CTensorKernels
import TestSupport
import Testing

@Suite struct ChecksumTests {
  private let levels = [WB_PORTABLE] + fastLevels

  @Test func givesTheCheckValueOfTheStandard() {
    for level in levels { #expect(wb_crc32_at(level, 0, "123456789", 9) == 0xcbf4_3926) }
    #expect(wb_crc32(0, "123456789", 9) == 0xcbf4_3926)
  }

  @Test func agreesWithTheBitwiseDefinitionForEveryLength() {
    var random = FixedRandom(seed: 5)
    let bytes = random.bytes(300)
    // One pass of the definition gives the checksums of all prefixes.
    var crc = ~UInt32(0)
    for count in 0...bytes.count {
      for level in levels {
        #expect(wb_crc32_at(level, 0, bytes, count) == ~crc, "\(count) bytes, \(level.name)")
      }
      guard count < bytes.count else { break }
      crc ^= UInt32(bytes[count])
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
  }

  @Test func goesOnFromAnEarlierResultAtAnyPlaceAndAlignment() {
    var random = FixedRandom(seed: 6)
    let bytes = random.bytes(20_011)
    let whole = checksum(bytes)
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for level in levels {
        for place in [0, 1, 15, 16, 17, 63, 64, 65, 1000, 16_384, 20_010, 20_011] {
          let first = wb_crc32_at(level, 0, base, place)
          #expect(wb_crc32_at(level, first, base + place, bytes.count - place) == whole)
        }
      }
    }
  }

  @Test func castagnolisGivesTheCheckValueOfTheStandard() {
    for level in levels { #expect(wb_crc32c_at(level, 0, "123456789", 9) == 0xe306_9283) }
    #expect(wb_crc32c(0, "123456789", 9) == 0xe306_9283)
    // RFC 3720, B.4.
    #expect(wb_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8a91_36aa)
    #expect(wb_crc32c(0, [UInt8](repeating: 0xff, count: 32), 32) == 0x62a8_ab43)
    #expect(wb_crc32c(0, [UInt8](0..<32), 32) == 0x46dd_794e)
  }

  @Test func castagnolisOfRunsAreJoined() {
    var random = FixedRandom(seed: 8)
    let bytes = random.bytes(5000)
    for place in [0, 1, 7, 8, 255, 4096, 4999, 5000] {
      let (first, second) = (Array(bytes.prefix(place)), Array(bytes.dropFirst(place)))
      let joined = wb_crc32c_joined(
        wb_crc32c(0, first, first.count), wb_crc32c(0, second, second.count), UInt64(second.count))
      #expect(joined == wb_crc32c(0, bytes, bytes.count), "\(place)")
    }
  }

  @Test func castagnolisAgreesWithTheBitwiseDefinitionAndBetweenVariants() {
    var random = FixedRandom(seed: 7)
    let bytes = random.bytes(40_000)
    var crc = ~UInt32(0)
    for count in 0...300 {
      for level in levels {
        #expect(wb_crc32c_at(level, 0, bytes, count) == ~crc, "\(count) bytes, \(level.name)")
      }
      crc ^= UInt32(bytes[count])
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
    // The fast variant takes three runs of 4096 bytes at once.
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for (start, count) in [(0, 12_287), (1, 12_288), (3, 12_289), (7, 24_600), (5, 39_990)] {
        let expected = wb_crc32c_at(WB_PORTABLE, 9, base + start, count)
        for level in levels {
          #expect(wb_crc32c_at(level, 9, base + start, count) == expected, "\(count) \(level.name)")
          let first = wb_crc32c_at(level, 9, base + start, 5000)
          #expect(wb_crc32c_at(level, first, base + start + 5000, count - 5000) == expected)
        }
      }
    }
  }
}
