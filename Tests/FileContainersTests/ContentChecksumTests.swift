import FileContainers
import TestSupport
import Testing

/// Against what xxhash 4.1.0 (libxxhash) and zlib give of the same bytes.
@Suite struct ContentChecksumTests {
  private static let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 251) }

  private static let goldens: [(count: Int, digits: String)] = [
    (0, "99aa06d3014798d86001c324468d497f"),
    (1, "a6cd5e9392000f6ac44bdff4074eecdb"),
    (3, "656e81c56e41fe02c3489259e968ad9e"),
    (4, "ab5c3e7474d809db81a65295de8e7dde"),
    (8, "e4b9dd0b66ff3c50ebabbd0695002ff6"),
    (9, "82ddc95bc76007671c69c3f04aaed08c"),
    (16, "ddf6c1254d70f76794eaa17b20756f46"),
    (17, "263f67af63088041735fe434ded90c3c"),
    (64, "a7fa95f7f23b64a7edae5e0312655703"),
    (128, "dd9e5aa9bd51cc9cc6bd21ecc865f29f"),
    (129, "00433635cf8d872e7f4accb76587485b"),
    (160, "2282232242346ee608d4baacce68f2d0"),
    (240, "89e3a0a2ee355d25d10beb4e0599e4b3"),
    (241, "75f4da43f23cce5a541b19226f0052e8"),
    (256, "d49510bd86c6d0acf2331523b74cf0a4"),
    (1024, "03de0c29e9f0bc7fba464919c6bb3ccd"),
    (1025, "7584e04fe3414e5a2aa0034e7827ee42"),
    (1088, "efb5c378c8fee4446120d50233c9c660"),
    (2048, "019ce17e87a3de06956f98bea3210c05"),
    (5000, "a831ba0ab04f5544e69c7c10fe601e8d"),
  ]

  private func checksum(
    _ kind: ContentChecksum.Kind, _ count: Int, piece: Int
  ) -> String {
    var sum = ContentChecksum(kind)
    for start in stride(from: 0, to: count, by: piece) {
      Array(Self.bytes[start..<min(start + piece, count)]).withUnsafeBytes { sum.update($0) }
    }
    return sum.hexadecimal
  }

  @Test(arguments: [1, 7, 64, 1000, 1024, 5000])
  func xxh3IsTheLibrarys(piece: Int) {
    for golden in Self.goldens {
      #expect(checksum(.xxh3, golden.count, piece: piece) == golden.digits, "\(golden.count)")
    }
  }

  @Test func adler32IsZlibs() {
    #expect(checksum(.adler32, 0, piece: 1) == "00000001")
    #expect(checksum(.adler32, 1, piece: 1) == "00010001")
    #expect(checksum(.adler32, 5000, piece: 999) == "9056b7da")
  }
}
