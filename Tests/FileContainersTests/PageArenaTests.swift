import TensorModel
import Testing

@testable import FileContainers

@Suite struct PageArenaTests {
  static let page = PageArena.granularity

  @Test func usesAgainWhatWasGivenBack() throws {
    let arena = PageArena(limit: 64 * Self.page)
    for _ in 0..<100 {
      let pages = try Pages(byteCount: 4 * Self.page - 5, of: arena)
      pages.bytes.initializeMemory(as: UInt8.self, repeating: 7)
      #expect(pages.bytes.count == 4 * Self.page - 5)
    }
    #expect(arena.counts.mappingCount == 1)
    #expect(arena.counts.used == 0)
    #expect(arena.counts.idle == 4 * Self.page)
    #expect(arena.counts.peak == 4 * Self.page)
  }

  @Test func keepsBuffersApart() throws {
    let arena = PageArena(limit: 64 * Self.page)
    let buffers = try (0..<4).map { number in
      let pages = try Pages(byteCount: Self.page, of: arena)
      pages.bytes.initializeMemory(as: UInt8.self, repeating: UInt8(number))
      return pages
    }
    for (number, pages) in buffers.enumerated() {
      #expect(pages.bytes.allSatisfy { $0 == UInt8(number) })
    }
    #expect(arena.counts.used == 4 * Self.page)
  }

  @Test func givesNoMuchLargerBufferThanIsWanted() throws {
    let arena = PageArena(limit: 64 * Self.page)
    _ = try Pages(byteCount: 16 * Self.page, of: arena)
    let small = try Pages(byteCount: 1, of: arena)
    #expect(arena.counts.used == Self.page)
    let similar = try Pages(byteCount: 14 * Self.page, of: arena)
    #expect(arena.counts.used == 17 * Self.page)
    #expect(arena.counts.mappingCount == 2)
    withExtendedLifetime((small, similar)) {}
  }

  @Test func keepsNothingIdleAboveTheLimit() throws {
    let arena = PageArena(limit: 16 * Self.page)
    let held = try Pages(byteCount: 14 * Self.page, of: arena)
    for size in 1...4 { _ = try Pages(byteCount: size * Self.page, of: arena) }
    // Of what is given back no more is kept than the limit leaves.
    #expect(arena.counts.used + arena.counts.idle <= 16 * Self.page)
    #expect(arena.counts.peak <= 18 * Self.page)
    withExtendedLifetime(held) {}
  }

  @Test func keepsAQuarterOfTheLimitIdle() throws {
    let arena = PageArena(limit: 16 * Self.page)
    var held: [Pages] = []
    for _ in 0..<8 { held.append(try Pages(byteCount: Self.page, of: arena)) }
    held = []
    #expect(arena.counts.idle == 4 * Self.page)
    arena.limit = 8 * Self.page
    #expect(arena.counts.idle == 2 * Self.page)
  }

  @Test func buffersOfManySizesDontPileUp() throws {
    let arena = PageArena(limit: 128 * Self.page)
    for _ in 0..<50 {
      for size in [1, 2, 3, 4, 6, 8, 11, 14] {
        _ = try Pages(byteCount: size * Self.page, of: arena)
      }
    }
    // The largest, a sixteenth of the limit, and not the quarter that may wait where sizes repeat.
    #expect(arena.counts.peak <= (14 + 8) * Self.page)
    let error = #expect(throws: CheckpointError.self) { try Pages(byteCount: .max, of: arena) }
    #expect(error?.code == .inputOutput)
  }

  @Test func givesIdlePagesBack() throws {
    let arena = PageArena(limit: 64 * Self.page)
    let held = try Pages(byteCount: Self.page, of: arena)
    _ = try Pages(byteCount: 4 * Self.page, of: arena)
    arena.releaseIdle()
    #expect(arena.counts.idle == 0)
    #expect(arena.counts.used == Self.page)
    // They are asked for again.
    _ = try Pages(byteCount: 4 * Self.page, of: arena)
    #expect(arena.counts.mappingCount == 3)
    held.bytes.initializeMemory(as: UInt8.self, repeating: 7)
  }

  @Test(arguments: [Int.max, Int.max - 1, 1 << 60])
  func saysWhenThereIsNoMemory(byteCount: Int) throws {
    let arena = PageArena(limit: 16 * Self.page)
    let error = #expect(throws: CheckpointError.self) {
      try Pages(byteCount: byteCount, of: arena)
    }
    #expect(error?.code == .inputOutput)
    #expect(error?.hint?.contains("--memory") == true)
    #expect(arena.counts.used == 0)
  }
}
