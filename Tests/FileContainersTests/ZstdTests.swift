import FileContainers
import TensorModel
import TestSupport
import Testing

/// A zstd frame of uncompressed blocks.
func zstdFrame(_ contents: [UInt8], declaredSize: UInt64? = nil) -> [UInt8] {
  // Single segment, content size of 8 bytes.
  var frame = UInt32(0xfd2f_b528).littleEndianBytes + [0xe0]
  frame += (declaredSize ?? UInt64(contents.count)).littleEndianBytes
  var rest = contents[...]
  repeat {
    let block = rest.prefix(100_000)
    rest = rest.dropFirst(block.count)
    frame += UInt32(block.count << 3 | (rest.isEmpty ? 1 : 0)).littleEndianBytes.prefix(3) + block
  } while !rest.isEmpty
  return frame
}

private func skippableFrame(_ contents: [UInt8]) -> [UInt8] {
  UInt32(0x184d_2a53).littleEndianBytes + UInt32(contents.count).littleEndianBytes + contents
}

@Suite struct ZstdTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func unpacked(_ bytes: [UInt8], step: Int = 1000) throws -> [UInt8] {
    let stream = try ZstdStream(SequentialRegion(scratch.region(bytes)))
    var result: [UInt8] = []
    while true {
      let part = try stream.next(step)
      if part.isEmpty { break }
      result += part
    }
    #expect(stream.consumedByteCount == bytes.count)
    return result
  }

  private func code(_ bytes: [UInt8]) -> CheckpointError.Code? {
    #expect(throws: CheckpointError.self) { try unpacked(bytes) }?.code
  }

  @Test(arguments: [1, 7, 1000, 1 << 20]) func readsFramesOneAfterTheOther(step: Int) throws {
    let first = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
    let bytes =
      skippableFrame([1, 2, 3]) + zstdFrame(first) + skippableFrame([]) + zstdFrame([])
      + zstdFrame([9])
    if step > 1 { #expect(try unpacked(bytes, step: step) == first + [9]) }
    #expect(try unpacked(zstdFrame([1, 2, 3]) + zstdFrame([4]), step: step) == [1, 2, 3, 4])
  }

  @Test func tellsTheDeclaredSize() throws {
    let region = try scratch.region(zstdFrame([1, 2, 3]))
    #expect(try ZstdStream(SequentialRegion(region)).declaredContentSize == 3)
  }

  @Test func refusesEveryTruncationButAtTheEndOfAFrame() throws {
    for bytes in [
      zstdFrame([1, 2, 3]), try Fixtures.bytes("bad/tarzst/ok_simple.tar.zst"),
    ] {
      for count in 0..<bytes.count { #expect(code(Array(bytes.prefix(count))) == .malformed) }
      #expect(code(bytes + [0]) == .malformed)
      #expect(code(bytes + bytes.dropLast()) == .malformed)
    }
  }

  @Test func refusesGarbageAndEmptyInput() {
    #expect(code([]) == .malformed)
    #expect(code([1, 2, 3, 4, 5]) == .malformed)
    #expect(code(zstdFrame([1]) + Array("garbage".utf8)) == .malformed)
  }

  @Test func refusesLargeWindows() {
    // Not single segment; exponent 17 + 10 with mantissa 1 is just above 128 MiB.
    let window: [UInt8] = UInt32(0xfd2f_b528).littleEndianBytes + [0, 17 << 3 | 1, 1, 0, 0]
    #expect(code(window) == .unsupported)
    let segment = zstdFrame([1], declaredSize: 1 << 28)
    let error = #expect(throws: CheckpointError.self) { try unpacked(segment) }
    #expect(error?.code == .unsupported)
    #expect(error?.found == "268435456")
  }

  @Test func acceptsTheLargestWindow() throws {
    let bytes: [UInt8] = UInt32(0xfd2f_b528).littleEndianBytes + [0, 17 << 3, 9, 0, 0, 7]
    #expect(try unpacked(bytes) == [7])
  }

  @Test func refusesDictionaries() {
    let bytes: [UInt8] = UInt32(0xfd2f_b528).littleEndianBytes + [0x21, 5, 1, 9, 0, 0, 7]
    let error = #expect(throws: CheckpointError.self) { try unpacked(bytes) }
    #expect(error?.found == "dictionary 5")
  }

  @Test func damageIsFoundByTheChecksum() throws {
    let bytes = try Fixtures.bytes("bad/tarzst/ok_simple.tar.zst")
    let right = try unpacked(bytes)
    var random = FixedRandom(seed: 4)
    for _ in 0..<2000 {
      let path = scratch.freshPath()
      try OutputFile(creating: path, byteCount: 0).write(at: 0, random.damaged(bytes))
      defer { try? Directories.removeTree(path) }
      let stream = try? ZstdStream(SequentialRegion(InputFile(path: path).region))
      guard let read = try? stream?.next(1 << 20), (try? stream?.next(1)) == [] else { continue }
      #expect(read == right)
    }
  }
}
