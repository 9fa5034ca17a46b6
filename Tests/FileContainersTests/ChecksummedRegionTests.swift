import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Bytes whose CRC-32C is known, read in any order.
@Suite struct ChecksummedRegionTests {
  private let workspace: Workspace
  private let bytes: [UInt8]

  init() throws {
    workspace = try Workspace()
    var random = FixedRandom(seed: 3)
    bytes = random.bytes(120_000)
    try workspace.write("x", Data(bytes))
  }

  private func region(_ crc: UInt32) throws -> ChecksummedRegion {
    ChecksummedRegion(try InputFile(path: workspace.path("x")).region, crc32c: crc)
  }

  /// By the definition, a bit at a time.
  private var crc: UInt32 {
    var crc = ~UInt32(0)
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
    return ~crc
  }

  /// Pieces, some twice, some that overlap, in an order of their own for each seed.
  private func pieces(_ seed: Int) -> [Range<Int>] {
    var (start, pieces, random): (Int, [Range<Int>], FixedRandom) = (
      0, [], FixedRandom(seed: UInt64(seed))
    )
    let sizes = random.bytes(200)
    for size in sizes where start < bytes.count {
      let end = min(bytes.count, start + 1 + Int(size) * 40)
      pieces.append(start..<end)
      start = end
    }
    pieces.append(start..<bytes.count)
    pieces += pieces.prefix(3) + [500..<30_000]
    return zip(random.bytes(pieces.count), pieces).sorted { $0.0 < $1.0 }.map(\.1)
  }

  @Test(arguments: 1...12) func isCheckedInAnyOrder(_ seed: Int) throws {
    let crc = crc
    let sound = try region(crc)
    for piece in pieces(seed) {
      #expect(try sound.bytes(at: piece.lowerBound, count: piece.count) == Array(bytes[piece]))
    }
    try sound.confirm()
    #expect(try sound.bytes(at: 7, count: 9) == Array(bytes[7..<16]))

    let damaged = try region(crc ^ 1)
    for piece in pieces(seed).dropLast(seed) {
      _ = try? damaged.bytes(at: piece.lowerBound, count: piece.count)
    }
    let error = #expect(throws: CheckpointError.self) { try damaged.confirm() }
    #expect(error?.code == .corrupt)
    #expect(throws: CheckpointError.self) { try damaged.bytes(at: 0, count: 1) }
  }

  @Test func isCheckedWithoutBeingRead() throws {
    let crc = crc
    try region(crc).confirm()
    #expect(throws: CheckpointError.self) { try region(crc &+ 1).confirm() }
    let empty = try #require(
      InputFile(path: workspace.path("x")).region.part(at: 5, count: 0))
    try ChecksummedRegion(empty, crc32c: 0).confirm()
    #expect(throws: CheckpointError.self) { try ChecksummedRegion(empty, crc32c: 1).confirm() }
  }
}
