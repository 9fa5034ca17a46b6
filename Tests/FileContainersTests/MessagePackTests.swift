import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@Suite struct MessagePackTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func cursor(_ bytes: [UInt8]) throws -> MessagePackCursor {
    MessagePackCursor(try InputFile(path: workspace.write("x", Data(bytes))).region)
  }

  @Test(
    arguments: [
      ([0x00], .integer(0)), ([0x7f], .integer(127)), ([0xff], .integer(-1)),
      ([0xe0], .integer(-32)), ([0xcc, 0xff], .integer(255)), ([0xcd, 1, 0], .integer(256)),
      ([0xce, 0xff, 0xff, 0xff, 0xff], .integer(4_294_967_295)),
      ([0xcf, 0, 0, 0, 0, 0, 0, 1, 0], .integer(256)),
      ([0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0], .otherNumber),
      ([0xd0, 0x80], .integer(-128)), ([0xd1, 0xff, 0x7f], .integer(-129)),
      ([0xd2, 0x80, 0, 0, 0], .integer(-2_147_483_648)),
      ([0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], .integer(-2)),
      ([0xca, 0, 0, 0, 0], .otherNumber), ([0xcb, 0, 0, 0, 0, 0, 0, 0, 0], .otherNumber),
      ([0xc0], .null), ([0xc2], .boolean(false)), ([0xc3], .boolean(true)),
      ([0xa1, 0x61], .text(byteCount: 1)), ([0xd9, 1, 0x61], .text(byteCount: 1)),
      ([0xda, 0, 1, 0x61], .text(byteCount: 1)), ([0xdb, 0, 0, 0, 1, 0x61], .text(byteCount: 1)),
      ([0xc4, 1, 0], .bytes(byteCount: 1)), ([0xc5, 0, 1, 0], .bytes(byteCount: 1)),
      ([0xc6, 0, 0, 0, 1, 0], .bytes(byteCount: 1)), ([0x91, 0], .array(count: 1)),
      ([0xdc, 0, 1, 0], .array(count: 1)), ([0xdd, 0, 0, 0, 1, 0], .array(count: 1)),
      ([0x81, 0, 0], .map(count: 1)), ([0xde, 0, 1, 0, 0], .map(count: 1)),
      ([0xdf, 0, 0, 0, 1, 0, 0], .map(count: 1)),
      ([0xd4, 5, 0], .extension(type: 5, byteCount: 1)),
      ([0xd5, 0xff, 0, 0], .extension(type: -1, byteCount: 2)),
      ([0xc7, 1, 1, 0], .extension(type: 1, byteCount: 1)),
      ([0xc8, 0, 1, 1, 0], .extension(type: 1, byteCount: 1)),
      ([0xc9, 0, 0, 0, 1, 1, 0], .extension(type: 1, byteCount: 1)),
    ] as [([UInt8], MessagePackHead)])
  func knowsEveryKind(_ bytes: [UInt8], _ head: MessagePackHead) throws {
    var whole = try cursor(bytes)
    #expect(try whole.head() == head)
    for count in 0..<bytes.count {
      var cut = try cursor(Array(bytes.prefix(count)))
      // What is shorter by its contents is refused with its head.
      #expect(throws: CheckpointError.self) { try cut.head() }
    }
  }

  @Test func takesNothingIntoMemoryThatIsLeftOut() throws {
    let bytes: [UInt8] = [0xc6, 0, 0x10, 0, 0] + [UInt8](repeating: 7, count: 1 << 20) + [0xc3]
    var reading = try cursor(bytes)
    #expect(try reading.head() == .bytes(byteCount: 1 << 20))
    try reading.skip(1 << 20)
    #expect(reading.remaining == 1)
    #expect(try reading.head() == .boolean(true))
    #expect(throws: CheckpointError.self) { try reading.skip(1) }
  }

  @Test func refusesTextsThatAreNone() throws {
    var reading = try cursor([0xa2, 0xc3, 0x28])
    #expect(try reading.head() == .text(byteCount: 2))
    #expect(throws: CheckpointError.self) { try reading.text(2) }
    var unused = try cursor([0xc1])
    #expect(throws: CheckpointError.self) { try unused.head() }
  }
}
