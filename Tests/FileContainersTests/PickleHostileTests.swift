import FileContainers
import TensorModel
import TestSupport
import Testing

/// Pickles that nobody's `torch.save` writes.
@Suite struct PickleHostileTests {
  private func parse(
    _ bytes: [UInt8], memory: Int = 1 << 20
  ) throws(CheckpointError) -> PickleParser<PickleRecorder>.Result {
    try PickleParser.parse(bytes[...], PickleRecorder(), memory: memory)
  }

  /// The pickle must be refused.
  private func refuses(
    _ bytes: [UInt8], _ message: String, memory: Int = 1 << 20,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) {
      try parse(bytes, memory: memory)
    }
    #expect(error?.code == .malformed, sourceLocation: location)
    #expect(
      error?.message.contains(message) == true, "\(error?.message ?? "")", sourceLocation: location)
    #expect(error?.byteOffset != nil, sourceLocation: location)
  }

  // MARK: Opcodes

  /// Those of pickletools that aren't read.
  static let refused: [(UInt8, String)] = [
    (0x49, "INT"), (0x4c, "LONG"), (0x8b, "LONG4"), (0x53, "STRING"), (0x8e, "BINBYTES8"),
    (0x96, "BYTEARRAY8"), (0x97, "NEXT_BUFFER"), (0x98, "READONLY_BUFFER"), (0x56, "UNICODE"),
    (0x8d, "BINUNICODE8"), (0x46, "FLOAT"), (0x6c, "LIST"), (0x64, "DICT"),
    (0x30, "POP"), (0x32, "DUP"), (0x31, "POP_MARK"), (0x67, "GET"), (0x70, "PUT"),
    (0x82, "EXT1"), (0x83, "EXT2"), (0x84, "EXT4"), (0x69, "INST"), (0x6f, "OBJ"),
    (0x92, "NEWOBJ_EX"), (0x50, "PERSID"),
  ]
  private static let read: [UInt8] = [
    0x80, 0x2e, 0x95, 0x28, 0x4e, 0x88, 0x89, 0x4a, 0x4b, 0x4d, 0x8a, 0x47, 0x58, 0x8c, 0x54, 0x55,
    0x42, 0x43, 0x29, 0x74, 0x85, 0x86, 0x87, 0x5d, 0x61, 0x65, 0x7d, 0x73, 0x75, 0x8f, 0x90, 0x71,
    0x72, 0x94, 0x68, 0x6a, 0x63, 0x93, 0x52, 0x81, 0x62, 0x51, 0x91,
  ]

  @Test(arguments: refused) func refusesOpcodesByName(_ byte: UInt8, _ name: String) {
    let error = #expect(throws: CheckpointError.self) {
      try parse(Pickle.file([0x4e, 0x4e, 0x28, 0x4e, byte, 0x30, 0x0a, 0x0a]))
    }
    #expect(error?.code == .malformed && error?.found == name)
    #expect(error?.byteOffset == 6)
  }

  @Test func refusesEveryOtherByte() {
    #expect(Self.read.count + Self.refused.count == 68)
    for byte in (0...255).map({ UInt8($0) })
    where !Self.read.contains(byte) && !Self.refused.contains(where: { $0.0 == byte }) {
      let error = #expect(throws: CheckpointError.self) { try parse([0x80, 2, byte, 0x2e]) }
      #expect(error?.found == "0x\(String(byte, radix: 16))" && error?.byteOffset == 2)
    }
  }

  @Test(arguments: [UInt8(6), 255]) func refusesNewerProtocols(version: UInt8) {
    let error = #expect(throws: CheckpointError.self) {
      try parse(Pickle.file([0x4e], version: version))
    }
    #expect(error?.code == .unsupported && error?.found == "\(version)")
  }

  // MARK: The stack and the memo

  @Test(
    arguments: [
      [0x2e], [0x85], [0x86], [0x87], [0x61], [0x73], [0x52], [0x81], [0x62], [0x51], [0x93],
      [0x71, 0], [0x72, 0, 0, 0, 0], [0x94],
    ] as [[UInt8]])
  func refusesToTakeFromAnEmptyStack(_ opcode: [UInt8]) {
    refuses([0x80, 2] + opcode + [0x2e], "takes a value from its stack")
    // Values below a mark belong to nobody.
    refuses([0x80, 2, 0x5d, 0x4e, 0x4e, 0x28] + opcode + [0x2e], "takes a value from its stack")
  }

  @Test(arguments: [[0x74], [0x65], [0x75], [0x90], [0x91]] as [[UInt8]])
  func refusesToReachForAMarkThatIsNot(_ opcode: [UInt8]) {
    refuses([0x80, 2, 0x5d, 0x4e] + opcode + [0x2e], "a mark that isn't there")
  }

  @Test(
    arguments: [
      ([0x4e, 0x4e, 0x61], "no list"), ([0x7d, 0x28, 0x4e, 0x65], "no list"),
      ([0x29, 0x28, 0x4e, 0x90], "no list"), ([0x5d, 0x4e, 0x4e, 0x73], "no dict"),
      ([0x7d, 0x28, 0x4e, 0x75], "no dict"), ([0x29, 0x28, 0x4e, 0x4e, 0x75], "no dict"),
    ] as [([UInt8], String)])
  func refusesToFillWhatIsNoContainer(_ body: [UInt8], _ message: String) {
    refuses(Pickle.file(body), message)
  }

  @Test(arguments: [[0x4e, 0x4e], [0x4e, 0x28], [0x28, 0x4e], [0x4e, 0x28, 0x4e]] as [[UInt8]])
  func refusesLeftovers(_ body: [UInt8]) {
    #expect(throws: CheckpointError.self) { try parse(Pickle.file(body)) }
  }

  @Test func refusesToRecallWhatWasNotRemembered() {
    for body: [UInt8] in [
      [0x68, 0], [0x6a, 0, 0, 0, 0], [0x6a, 255, 255, 255, 255], [0x4e, 0x71, 3, 0x68, 2, 0x86],
      [0x4e, 0x94, 0x68, 1, 0x86],
    ] { refuses(Pickle.file(body), "recalls what it hasn't remembered") }
  }

  @Test func aMemoIsNoLargerThanThePickle() {
    for place: UInt32 in [100, 1 << 20, .max] {
      refuses(Pickle.file([0x4e, 0x72] + place.littleEndianBytes), "memo has a hole")
    }
    let padding = Pickle.string([UInt8](repeating: 0x61, count: 100_000))
    let body = padding + [0x72] + UInt32(99_999).littleEndianBytes
    refuses(Pickle.file(body), "far more objects", memory: 1 << 19)
    #expect(throws: Never.self) { try parse(Pickle.file(body), memory: 4 << 20) }
  }

  @Test func anOverwrittenMemoGivesTheNewValue() throws {
    let result = try parse(
      Pickle.file([0x28, 0x4b, 1, 0x71, 0, 0x4b, 2, 0x71, 0, 0x68, 0, 0x74]))
    #expect(described(result.value, result.heap) == "(1, 2, 2)")
  }

  /// MEMOIZE counts entries, as Python does: a hole doesn't move it on.
  @Test func memoizeGoesOnWhereAHoleIs() throws {
    let result = try parse(
      Pickle.file([0x28, 0x4b, 1, 0x71, 5, 0x4b, 2, 0x94, 0x68, 1, 0x4b, 3, 0x94, 0x68, 2, 0x74]))
    #expect(described(result.value, result.heap) == "(1, 2, 2, 3, 3)")
    refuses(Pickle.file([0x28, 0x4b, 1, 0x71, 5, 0x4b, 2, 0x94, 0x68, 6, 0x74]), "recalls")
  }

  // MARK: Sizes

  @Test func refusesLengthsThatCanNotBe() {
    refuses(Pickle.file([0x54, 0xff, 0xff, 0xff, 0xff]), "negative length")
    refuses(Pickle.file([0x54, 0, 0, 0, 0x80]), "negative length")
    for opcode: UInt8 in [0x58, 0x42] {
      let error = #expect(throws: CheckpointError.self) {
        try parse(Pickle.file([opcode, 255, 255, 255, 255]))
      }
      #expect(error?.code == .missing && error?.expected == "4294967295 bytes")
    }
    let endless = [0x63] + [UInt8](repeating: 0x61, count: 2000)
    refuses(Pickle.file(endless), "without an end")
  }

  @Test(
    arguments: [
      [0x5d], [0x7d], [0x8f], [0x29], [0x28], [0x4e], [0x4b, 1], [0x68, 0], [0x8c, 0], [0x88],
      [0x68, 0, 0x85], [0x28, 0x74], [0x28, 0x91],
    ] as [[UInt8]])
  func memoryIsCountedForEveryObject(_ piece: [UInt8]) {
    let body = [0x4e, 0x71, 0] + Array(repeating: piece, count: 20_000).joined()
    refuses(Pickle.file(Array(body)), "far more objects", memory: 64 << 10)
  }

  @Test(
    arguments: [
      (Pickle.remembered([0x5d], at: 0), [0x4e, 0x61]),
      (Pickle.remembered([0x7d], at: 0), [0x4e, 0x4e, 0x73]),
      (Pickle.remembered([0x5d], at: 0), [0x68, 0, 0x61]),
    ] as [([UInt8], [UInt8])])
  func memoryIsCountedForEveryElement(_ head: [UInt8], _ piece: [UInt8]) {
    let body = head + Array(repeating: piece, count: 20_000).joined()
    refuses(Pickle.file(body), "far more objects", memory: 64 << 10)
  }

  // MARK: Depth

  @Test func depthCostsNothingButMemory() throws {
    let count = 200_000
    let tuples = [0x29] + [UInt8](repeating: 0x85, count: count)
    let result = try parse(Pickle.file(tuples), memory: 64 << 20)
    var (value, depth) = (result.value, 0)
    while let inner = result.heap.tuple(value)?.first { (value, depth) = (inner, depth + 1) }
    #expect(depth == count)
    let lists = [UInt8](repeating: 0x5d, count: count) + [UInt8](repeating: 0x61, count: count - 1)
    _ = try parse(Pickle.file(lists), memory: 64 << 20)
    let marks = [UInt8](repeating: 0x28, count: count) + [UInt8](repeating: 0x74, count: count)
    _ = try parse(Pickle.file(marks), memory: 64 << 20)
  }

  @Test func containersMayHoldThemselves() throws {
    let list = try parse(Pickle.file(Pickle.remembered([0x5d], at: 0) + [0x68, 0, 0x61]))
    #expect(list.heap.list(list.value) == [list.value])
    let dictionary = try parse(
      Pickle.file(Pickle.remembered([0x7d], at: 0) + Pickle.text("me") + [0x68, 0, 0x73]))
    #expect(dictionary.heap.dictionary(dictionary.value)?.first?.value == dictionary.value)
  }
}
