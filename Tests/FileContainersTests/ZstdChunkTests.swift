import FileContainers
import TensorModel
import TestSupport
import Testing

@Suite struct ZstdChunkTests {
  /// Bytes of which some are much more frequent than others, without repetitions.
  private func skewed(_ count: Int) -> [UInt8] {
    var random = FixedRandom(seed: 9)
    return random.bytes(count).map { $0 & ($0 >> 4) }
  }

  private func encoded(
    _ bytes: [UInt8], _ settings: ZstdChunkEncoder.Settings, room: Int? = nil, run: Int? = nil
  ) throws -> [UInt8]? {
    let encoder = try ZstdChunkEncoder(settings)
    var target = [UInt8](repeating: 0, count: room ?? bytes.count + 1000)
    let count = try bytes.withUnsafeBytes { source in
      try target.withUnsafeMutableBytes { try encoder.encode(source, into: $0, runByteCount: run) }
    }
    return count.map { Array(target.prefix($0)) }
  }

  private func decoded(_ frame: [UInt8], byteCount: Int) throws -> [UInt8] {
    let decoder = try ZstdChunkDecoder()
    var target = [UInt8](repeating: 0, count: byteCount)
    try frame.withUnsafeBytes { source in
      try target.withUnsafeMutableBytes { try decoder.decode(source, into: $0) }
    }
    return target
  }

  private func code(_ frame: [UInt8], byteCount: Int) -> CheckpointError.Code? {
    #expect(throws: CheckpointError.self) { try decoded(frame, byteCount: byteCount) }?.code
  }

  @Test(
    arguments: [.entropyOnly, .level(1), .level(-5), .level(19)] as [ZstdChunkEncoder.Settings])
  func readsWhatItWrote(_ settings: ZstdChunkEncoder.Settings) throws {
    for count in [0, 1, 255, 256, 300_000] {
      let bytes = skewed(count)
      let frame = try #require(try encoded(bytes, settings))
      #expect(try decoded(frame, byteCount: count) == bytes)
      #expect(try encoded(bytes, settings) == frame)
      // The content's size is there and a checksum is not.
      #expect(frame[4] & 4 == 0)
    }
  }

  @Test func entropyAloneMakesSkewedBytesSmaller() throws {
    // The frequencies have an entropy of about 6.5 bits.
    let frame = try #require(try encoded(skewed(100_000), .entropyOnly))
    #expect(frame.count < 85_000)
  }

  @Test(arguments: [.entropyOnly, .level(3)] as [ZstdChunkEncoder.Settings])
  func blocksDontMixRuns(_ settings: ZstdChunkEncoder.Settings) throws {
    var random = FixedRandom(seed: 3)
    // Two runs that can't be made smaller, and two of seven values.
    let run = 150_000
    let bytes = random.bytes(2 * run) + random.bytes(2 * run).map { $0 % 7 }
    let frame = try #require(try encoded(bytes, settings, run: run))
    if settings == .entropyOnly {
      #expect(frame.count < 2 * run + 2 * run * 3 / 8)
      #expect(try #require(try encoded(bytes, settings)).count > frame.count + 10_000)
    }
    #expect(try decoded(frame, byteCount: bytes.count) == bytes)
    // The content's size is there too.
    #expect(frame[4] & 0xe0 != 0)
    // A frame that didn't fit leaves nothing behind for the next one.
    let encoder = try ZstdChunkEncoder(settings)
    var target = [UInt8](repeating: 0, count: frame.count)
    for (room, expected) in [(frame.count - 1, nil), (frame.count, frame.count), (9, nil)] {
      let count = try bytes.withUnsafeBytes { source in
        try target.withUnsafeMutableBytes {
          try encoder.encode(
            source, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<room]), runByteCount: run)
        }
      }
      #expect(count == expected)
    }
    #expect(target == frame)
    #expect(
      try bytes.withUnsafeBytes { source in
        try target.withUnsafeMutableBytes { try encoder.encode(source, into: $0) }
      } == nil)
  }

  @Test func tellsThatThereIsNoRoom() throws {
    var random = FixedRandom(seed: 1)
    let bytes = random.bytes(10_000)
    #expect(try encoded(bytes, .entropyOnly, room: bytes.count - 1) == nil)
    #expect(try encoded(bytes, .level(3), room: 0) == nil)
    #expect(try encoded([], .level(3), room: 0) == nil)
  }

  @Test func goesOnAfterAChunkThatHadNoRoom() throws {
    let encoder = try ZstdChunkEncoder(.level(1))
    var random = FixedRandom(seed: 2)
    let large = random.bytes(1000)
    var target = [UInt8](repeating: 0, count: 100)
    let results = try target.withUnsafeMutableBytes { target in
      let first = try large.withUnsafeBytes { try encoder.encode($0, into: target) }
      return (first, try [7, 7, 7].withUnsafeBytes { try encoder.encode($0, into: target) })
    }
    #expect(results.0 == nil)
    #expect(results.1 != nil)
  }

  @Test func refusesLevelsThatDoNotExist() {
    for level in [23, Int.min, Int.max] {
      let error = #expect(throws: CheckpointError.self) { try ZstdChunkEncoder(.level(level)) }
      #expect(error?.code == .usage)
    }
  }

  @Test func refusesFramesOfAnotherSize() throws {
    let frame = try #require(try encoded(skewed(1000), .level(3)))
    #expect(code(frame, byteCount: 999) == .corrupt)
    #expect(code(frame, byteCount: 1001) == .corrupt)
    #expect(code(frame, byteCount: 0) == .corrupt)
    // It says 1000 and has 3.
    #expect(code(zstdFrame([1, 2, 3], declaredSize: 1000), byteCount: 1000) == .corrupt)
    #expect(code(zstdFrame([1, 2, 3], declaredSize: 2), byteCount: 2) == .corrupt)
    #expect(code(zstdFrame([1, 2, 3], declaredSize: .max), byteCount: 3) == .corrupt)
  }

  @Test func refusesEveryTruncationAndWhateverFollows() throws {
    let frame = try #require(try encoded(skewed(1000), .entropyOnly))
    for count in 0..<frame.count {
      #expect(code(Array(frame.prefix(count)), byteCount: 1000) == .corrupt)
    }
    #expect(code(frame + [0], byteCount: 1000) == .corrupt)
    let nothing = try #require(try encoded([], .entropyOnly))
    #expect(code(frame + nothing, byteCount: 1000) == .corrupt)
  }

  @Test func refusesGarbageSkippableFramesAndDictionaries() {
    #expect(code([], byteCount: 0) == .corrupt)
    #expect(code([1, 2, 3, 4, 5, 6, 7, 8], byteCount: 8) == .corrupt)
    #expect(code(UInt32(0x184d_2a53).littleEndianBytes + [0, 0, 0, 0], byteCount: 0) == .corrupt)
    let magic = UInt32(0xfd2f_b528).littleEndianBytes
    // A dictionary 5; a frame that doesn't tell its size.
    #expect(code(magic + [0x21, 5, 1, 9, 0, 0, 7], byteCount: 1) == .corrupt)
    #expect(code(magic + [0, 17 << 3, 9, 0, 0, 7], byteCount: 1) == .corrupt)
  }

  @Test func damageNeverReadsOrWritesElsewhere() throws {
    let bytes = skewed(2000)
    let frame = try #require(try encoded(bytes, .level(19)))
    var random = FixedRandom(seed: 3)
    for _ in 0..<2000 {
      guard let result = try? decoded(random.damaged(frame), byteCount: 2000) else { continue }
      #expect(result.count == 2000)
    }
  }
}
