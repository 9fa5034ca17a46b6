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
}
