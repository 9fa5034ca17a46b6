import FileContainers
import TensorModel
import TestSupport
import Testing

@Suite struct GGUFHeaderTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func header(_ contents: [UInt8]) throws -> GGUFHeader {
    try GGUFHeader(try scratch.region(contents))
  }

  /// A value of each type that isn't an array: its number, its bytes beginning with the most significant, and what it is.
  private static let scalars: [(type: UInt32, bytes: [UInt8], value: GGUFValue)] = [
    (0, [0xfe], .unsigned(254, .uint8)), (1, [0xfe], .signed(-2, .int8)),
    (2, [0xff, 0xfe], .unsigned(65534, .uint16)), (3, [0xff, 0xfe], .signed(-2, .int16)),
    (4, [0xff, 0xff, 0xff, 0xfe], .unsigned(0xffff_fffe, .uint32)),
    (5, [0xff, 0xff, 0xff, 0xfe], .signed(-2, .int32)),
    (6, [0x3f, 0xc0, 0, 0], .float(1.5, .float32)), (7, [1], .bool(true)),
    (10, [0xff, 0, 0, 0, 0, 0, 0, 1], .unsigned(0xff00_0000_0000_0001, .uint64)),
    (11, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], .signed(-2, .int64)),
    (12, [0xbf, 0xf8, 0, 0, 0, 0, 0, 0], .float(-1.5, .float64)),
  ]

  /// Everything that a file can have.
  private static func sample(isBigEndian: Bool = false) -> GGUFBuilder {
    var file = GGUFBuilder()
    file.isBigEndian = isBigEndian
    for (type, bytes, _) in scalars {
      let value = isBigEndian ? bytes : bytes.reversed()
      file.add("scalar.\(type)", type: type, value)
      file.add("array.\(type)", arrayOf: type, count: 3, value + value + value)
      file.add("empty.\(type)", arrayOf: type, count: 0, [])
    }
    file.add("text", "käse")
    file.add("bytes", type: 8, file.bytes(UInt64(2)) + [0xff, 0xfe])
    file.add("texts", arrayOf: 8, count: 3, ["a", "", "ccc"].flatMap { file.bytes($0) })
    file.add(tensor: "vector", extents: [3], [UInt8](0..<12))
    file.add(tensor: "matrix", type: 1, extents: [5, 2], [UInt8](0..<20))
    file.add(tensor: "blocks", type: 8, extents: [64, 3], [UInt8](0..<204))
    file.add(tensor: "scalar", extents: [], [1, 2, 3, 4])
    return file
  }

  // MARK: What is there

  @Test(arguments: [false, true], [2, 3] as [UInt32])
  func readsValuesOfEveryType(_ isBigEndian: Bool, _ version: UInt32) throws {
    var file = Self.sample(isBigEndian: isBigEndian)
    file.version = version
    let header = try header(file.contents)
    #expect(header.version == Int(version) && header.isBigEndian == isBigEndian)
    #expect(header.metadata.count == file.entries.count)
    for (type, _, value) in Self.scalars {
      #expect(header["scalar.\(type)"] == value)
      #expect(header["scalar.\(type)"]?.type.rawValue == type)
      let array = try #require(header["array.\(type)"]?.array)
      #expect(array.type.rawValue == type && array.count == 3)
      #expect(array.values == [value, value, value] && array.strings == nil)
      #expect(header["empty.\(type)"]?.array?.values == [])
    }
    #expect(header["text"]?.text == "käse" && header["text"]?.description == "käse")
    #expect(
      header["bytes"] == .string([0xff, 0xfe]) && header["bytes"]?.text == "\u{fffd}\u{fffd}")
    #expect(header["texts"]?.array?.texts == ["a", "", "ccc"])
    #expect(header["texts"]?.array?.values == nil && header["texts"]?.description == "3 × string")
    #expect(header["nothing"] == nil)
  }

  @Test func readsTensorsOutermostExtentFirst() throws {
    let file = Self.sample()
    let header = try header(file.contents)
    #expect(header.tensors.map(\.name) == ["vector", "matrix", "blocks", "scalar"])
    #expect(header.tensors.map(\.dtype) == [.f32, .f16, .q8_0, .f32])
    #expect(header.tensors.map(\.shape) == [[3], [2, 5], [3, 64], []])
    for (tensor, made) in zip(header.tensors, file.tensors) {
      #expect(tensor.range.lowerBound % 32 == 0)
      #expect(Array(file.contents[tensor.range]) == made.bytes)
    }
    #expect(header.trailingByteCount == 0)
  }

  @Test func arraysAreMadeAsTheyAreRead() {
    #expect(GGUFArray(["a", "ü"]).texts == ["a", "ü"])
    #expect(GGUFArray([1, -1] as [Int32]).values == [.signed(1, .int32), .signed(-1, .int32)])
    #expect(GGUFArray([0.5] as [Float]).values == [.float(0.5, .float32)])
  }

  @Test(arguments: [1, 2, 8, 64, 4096] as [UInt32])
  func alignsAsTheFileSays(_ alignment: UInt32) throws {
    var file = Self.sample()
    file.alignment = Int(alignment)
    file.add("general.alignment", alignment)
    let header = try header(file.contents)
    #expect(header.alignment == Int(alignment))
    #expect(header.tensors.allSatisfy { $0.range.lowerBound % Int(alignment) == 0 })
  }

  @Test func theLastPaddingMayBeMissingAndMoreIsCounted() throws {
    var file = Self.sample()
    file.padsTheEnd = false
    #expect(try header(file.contents).trailingByteCount == 0)
    #expect(try header(Self.sample().contents + [1, 2, 3]).trailingByteCount == 3)
  }

  // MARK: What can't be

  @Test func everyTruncationIsAnError() throws {
    var file = Self.sample()
    file.padsTheEnd = false
    let whole = file.contents
    for count in 0..<whole.count {
      let error = #expect(throws: CheckpointError.self) { try header(Array(whole[..<count])) }
      #expect(error?.code == .malformed, "\(count) bytes")
    }
  }

  @Test func noChangedByteCrashes() throws {
    let whole = Self.sample().contents
    let end = try header(whole).dataOffset
    for position in 0..<end {
      for change in [0xff, 0x80, 1] as [UInt8] {
        var bytes = whole
        bytes[position] ^= change
        // Many are other files that are sound.
        do { _ = try header(bytes) } catch let error as CheckpointError {
          #expect([.malformed, .unsupported].contains(error.code), "\(position)")
        }
      }
    }
  }

  @Test(arguments: [0, 1, 4, 0x10000, 0xffff_ffff] as [UInt32])
  func refusesOtherVersions(_ version: UInt32) throws {
    var file = Self.sample()
    file.version = version
    let error = #expect(throws: CheckpointError.self) { try header(file.contents) }
    #expect(error?.code == .unsupported && error?.byteOffset == 4)
  }

  /// A defect, and a part of what is said of it.
  struct Defect: CustomTestStringConvertible, Sendable {
    let name: String
    let word: String
    var code = CheckpointError.Code.malformed
    let make: @Sendable (inout GGUFBuilder) -> Void
    var testDescription: String { name }
  }

  static let defects: [Defect] = [
    Defect(name: "a key twice", word: "key twice") { $0.add("text", 1) },
    Defect(name: "an empty key", word: "empty, too long") { $0.add("", 1) },
    Defect(name: "a key of 64 KiB", word: "too long") {
      $0.add(String(repeating: "k", count: 65536), 1)
    },
    Defect(name: "a key that is no text", word: "no text") {
      $0.entries.append(([0xff], 4, $0.bytes(UInt32(1))))
    },
    Defect(name: "type 13", word: "unknown type") { $0.add("x", type: 13, [0, 0, 0, 0]) },
    Defect(name: "an array of type 13", word: "unknown type") {
      $0.add("x", arrayOf: 13, count: 0, [])
    },
    Defect(name: "an array of arrays", word: "array of arrays", code: .unsupported) {
      $0.add("x", arrayOf: 9, count: 1, $0.bytes(UInt32(4)) + $0.bytes(UInt64(0)))
    },
    Defect(name: "a flag 2", word: "neither 0 nor 1") { $0.add("x", type: 7, [2]) },
    Defect(name: "a flag 2 in an array", word: "neither 0 nor 1") {
      $0.add("x", arrayOf: 7, count: 2, [1, 2])
    },
    Defect(name: "an endless array", word: "room for") {
      $0.add("x", type: 9, $0.bytes(UInt32(4)) + $0.bytes(UInt64.max / 4 + 2))
    },
    Defect(name: "an endless text", word: "room for") {
      $0.add("x", type: 8, $0.bytes(UInt64.max))
    },
    Defect(name: "an endless text in an array", word: "room for") {
      $0.add("x", arrayOf: 8, count: 1, $0.bytes(UInt64(1) << 62))
    },
    Defect(name: "endless tensors", word: "room for") { $0.tensorCount = 1 << 60 },
    Defect(name: "endless metadata", word: "room for") { $0.entryCount = 1 << 60 },
    Defect(name: "alignment 0", word: "alignment") { $0.add("general.alignment", 0) },
    Defect(name: "alignment 48", word: "alignment") { $0.add("general.alignment", 48) },
    Defect(name: "alignment 2^31", word: "alignment") { $0.add("general.alignment", 1 << 31) },
    Defect(name: "alignment of 64 bits", word: "alignment") {
      $0.add("general.alignment", type: 10, $0.bytes(UInt64(32)))
    },
    Defect(name: "a tensor twice", word: "name twice") {
      $0.add(tensor: "vector", extents: [1], [0, 0, 0, 0])
    },
    Defect(name: "a tensor without a name", word: "name that can't be") {
      $0.tensors[0].name = []
    },
    Defect(name: "a name with a NUL", word: "name that can't be") {
      $0.tensors[0].name = [0x61, 0]
    },
    Defect(name: "a name of 64 bytes", word: "name that can't be") {
      $0.tensors[0].name = [UInt8](repeating: 0x61, count: 64)
    },
    Defect(name: "a name that is no text", word: "name that can't be") {
      $0.tensors[0].name = [0xff]
    },
    Defect(name: "5 dimensions", word: "too many dimensions") {
      $0.add(tensor: "x", extents: [1, 1, 1, 1, 1], [0, 0, 0, 0])
    },
    Defect(name: "2^32 - 1 dimensions", word: "too many dimensions") {
      $0.tensors[0].rank = .max
    },
    Defect(name: "an extent of 2^63", word: "impossible extent") {
      $0.tensors[0].extents = [1 << 63]
    },
    Defect(name: "extents that overflow", word: "overflows") {
      $0.tensors[0].extents = [1 << 32, 1 << 32]
    },
    Defect(name: "bytes that overflow", word: "too many of them") {
      $0.tensors[0].extents = [1 << 62]
    },
    Defect(name: "a removed type", word: "type that isn't read", code: .unsupported) {
      $0.tensors[0].type = 4
    },
    Defect(name: "type 2^32 - 1", word: "type that isn't read", code: .unsupported) {
      $0.tensors[0].type = .max
    },
    Defect(name: "half a block in a row", word: "whole blocks") {
      $0.tensors[2].extents = [48, 4]
    },
    Defect(name: "blocks without rows", word: "whole blocks") { $0.tensors[2].extents = [] },
    Defect(name: "a hole", word: "doesn't begin where") { $0.tensors[1].offset = 64 },
    Defect(name: "an overlap", word: "doesn't begin where") { $0.tensors[1].offset = 0 },
    Defect(name: "an offset that isn't aligned", word: "doesn't begin where") {
      $0.tensors[1].offset = 12
    },
    Defect(name: "an endless offset", word: "doesn't begin where") {
      $0.tensors[1].offset = .max
    },
    Defect(name: "a tensor beyond the end", word: "ends within a tensor") {
      $0.tensors[3].extents = [1000]
    },
    Defect(name: "a tensor of 2^60 bytes", word: "ends within a tensor") {
      $0.tensors[3].extents = [1 << 58]
    },
  ]

  @Test(arguments: defects) func refuses(_ defect: Defect) throws {
    for isBigEndian in [false, true] {
      var file = Self.sample(isBigEndian: isBigEndian)
      defect.make(&file)
      let error = #expect(throws: CheckpointError.self) { try header(file.contents) }
      #expect(error?.code == defect.code)
      #expect(error?.message.contains(defect.word) == true, "\(error?.message ?? "")")
      #expect(error?.byteOffset != nil || error?.tensor != nil || defect.word == "alignment")
    }
  }

  @Test func refusesOtherFiles() throws {
    for bytes in [Array("GGML".utf8) + [UInt8](repeating: 0, count: 64), Array("GGU".utf8), []] {
      let error = #expect(throws: CheckpointError.self) { try header(bytes) }
      #expect(error?.code == .malformed)
    }
  }

  /// What a cursor reads at once is less than this.
  @Test func readsHeadersBeyondAWindow() throws {
    var file = GGUFBuilder()
    let texts = (0..<40_000).map { "token number \($0)" }
    file.add("tokens", arrayOf: 8, count: texts.count, texts.flatMap { file.bytes($0) })
    file.add("long", String(repeating: "x", count: 600_000))
    file.add(tensor: "t", extents: [1], [1, 2, 3, 4])
    let header = try header(file.contents)
    #expect(header["tokens"]?.array?.texts == texts)
    #expect(header["long"]?.text?.count == 600_000 && header["long"]?.description.count == 4096)
    #expect(header.tensors.count == 1)
  }
}
