import FileContainers
import TensorModel
import TestSupport
import Testing

@Suite struct ZipTests {
  static let written = ["old", "new"].flatMap { era in
    ["seekable", "streamed"].flatMap { way in
      ["stored", "deflated"].map { "zip/\(era)_\(way)_\($0).npz" }
    }
  }

  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func archive(_ entries: ZipBuilder.Entry...) throws -> ZipArchive {
    try ZipArchive(scratch.region(ZipBuilder(entries).bytes))
  }

  private func refuses(
    _ builder: ZipBuilder, _ code: CheckpointError.Code = .malformed,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) {
      try ZipArchive(scratch.region(builder.bytes))
    }
    #expect(error?.code == code, sourceLocation: location)
  }

  private func refuses(
    _ code: CheckpointError.Code = .malformed, _ location: SourceLocation = #_sourceLocation,
    _ change: (inout ZipBuilder.Entry) -> Void
  ) {
    var entry = ZipBuilder.Entry("a", [1, 2, 3])
    change(&entry)
    refuses(ZipBuilder([entry]), code, location)
  }

  @Test(arguments: written) func readsWhatPythonWrites(_ name: String) throws {
    let region = try InputFile(path: Fixtures.path(name)).region
    let members = try ZipArchive(region).members
    #expect(members.map(\.name) == ["arr_0.npy", "arr_1.npy"])
    for (index, member) in members.enumerated() {
      let contents = ZipMemberContents(member, Unpacking(directory: scratch.path))
      let array = try NPYArray(contents)
      #expect(array.header.dtype == .u8)
      #expect(array.header.shape == [100])
      #expect(
        try contents.bytes(at: 128, count: 100) == (0..<100).map { UInt8(index * 100 + $0 % 7) })
    }
  }

  @Test(arguments: written) func refusesEveryTruncation(_ name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in 0..<bytes.count {
      #expect(throws: CheckpointError.self) {
        try ZipArchive(scratch.region(Array(bytes.prefix(count))))
      }
    }
  }

  @Test(arguments: written) func neverGivesWrongBytesForADamagedFile(_ name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let members = try ZipArchive(scratch.region(bytes)).members
    let right = try Dictionary(
      uniqueKeysWithValues: members.map {
        ($0.name, try allBytes(ZipMemberContents($0, Unpacking(directory: scratch.path))))
      })
    var random = FixedRandom(seed: 1)
    var readable = 0
    for _ in 0..<1000 {
      let path = scratch.freshPath()
      try OutputFile(creating: path, byteCount: 0).write(at: 0, random.damaged(bytes))
      defer { try? Directories.removeTree(path) }
      guard let members = try? ZipArchive(InputFile(path: path).region).members else { continue }
      for member in members {
        let contents = ZipMemberContents(member, Unpacking(directory: scratch.path))
        _ = try? contents.head(20)
        guard let read = try? allBytes(contents) else { continue }
        #expect(read == right[member.name])
        readable += 1
      }
    }
    #expect(readable > 0)
  }

  @Test func acceptsAnArchiveWithinALargerFile() throws {
    let zip = ZipBuilder([.init("a", [1, 2, 3])]).bytes
    let file = try scratch.region([9, 9, 9] + zip + [9])
    let region = try #require(file.part(at: 3, count: zip.count))
    let member = try #require(try ZipArchive(region).members.first)
    #expect(try allBytes(ZipMemberContents(member)) == [1, 2, 3])
  }

  @Test func acceptsAnEmptyArchiveAndDirectories() throws {
    #expect(try archive().members.isEmpty)
    let members = try archive(.init("d/", []), .init("d/a", [7])).members
    #expect(members.map(\.isDirectory) == [true, false])
    refuses { $0.name = Array("d/".utf8) }
  }

  @Test func acceptsACommentOnlyIfItReachesTheEnd() throws {
    var builder = ZipBuilder([.init("a", [1])])
    builder.comment = Array("made by hand".utf8)
    #expect(try ZipArchive(scratch.region(builder.bytes)).members.count == 1)
    builder.declaredCommentByteCount = 5
    refuses(builder)
    builder.declaredCommentByteCount = 20
    refuses(builder)
  }

  @Test func refusesTwoEndRecords() {
    var builder = ZipBuilder([.init("a", [1])])
    builder.comment = ZipBuilder([]).bytes
    refuses(builder)
  }

  @Test func readsZip64Archives() throws {
    var entry = ZipBuilder.Entry("a", [1, 2, 3])
    entry.size = .max
    entry.compressedSize = .max
    entry.offset = .max
    entry.extra = ZipBuilder.zip64([3, 3, 0])
    entry.localSizes = [.max, .max]
    entry.localExtra = ZipBuilder.zip64([3, 3])
    var builder = ZipBuilder([entry])
    builder.hasZip64End = true
    let member = try #require(try ZipArchive(scratch.region(builder.bytes)).members.first)
    #expect(try allBytes(ZipMemberContents(member)) == [1, 2, 3])

    builder.zip64LocatorError = 1
    refuses(builder)
    builder.zip64LocatorError = 0
    builder.declaredEntryCount = 2
    refuses(builder)
  }

  @Test func refusesZip64FieldsThatAreMissingOrDisagree() {
    refuses { $0.size = .max }
    refuses { $0.offset = .max }
    refuses { $0.extra = ZipBuilder.zip64([4, 4]) }
    refuses { $0.extra = ZipBuilder.zip64([3]) }
    refuses { $0.localExtra = ZipBuilder.zip64([3, 4]) }
    refuses { $0.localSizes = [.max, .max] }
    refuses { $0.extra = ZipBuilder.zip64([3, 3]) + ZipBuilder.zip64([3, 3]) }
    refuses { $0.extra = [1, 0, 16, 0, 3] }
    refuses {
      ($0.size, $0.compressedSize) = (.max, .max)
      $0.extra = ZipBuilder.zip64([.max, .max])
    }
  }

  @Test func refusesLocalHeadersThatDisagree() {
    refuses { $0.localName = Array("b".utf8) }
    refuses { $0.localCRC = 1 }
    refuses { $0.localCRC = 0 }
    refuses { $0.localSizes = [0, 0] }
    refuses { $0.localFlags = 8 }
  }

  @Test func refusesEncryptionWhereverItIsDeclared() {
    refuses(.unsupported) { $0.flags = 1 }
    refuses(.unsupported) { $0.localFlags = 1 }
    refuses(.unsupported) { $0.flags = 1 << 13 }
  }

  @Test func refusesOtherCompressionByName() {
    var entry = ZipBuilder.Entry("a", [1])
    entry.method = 12
    let error = #expect(throws: CheckpointError.self) { try archive(entry) }
    #expect(error?.code == .unsupported)
    #expect(error?.found == "bzip2 (12)")
  }

  @Test(arguments: [false, true], [false, true])
  func checksDataDescriptors(hasSignature: Bool, isWide: Bool) throws {
    let sizes = isWide ? UInt64(3).littleEndianBytes : UInt32(3).littleEndianBytes
    let crc = checksum([1, 2, 3]).littleEndianBytes
    var entry = ZipBuilder.Entry("a", [1, 2, 3])
    entry.flags = 8
    entry.localCRC = 0
    entry.localSizes = [0, 0]
    entry.descriptor = (hasSignature ? Array("PK\u{7}\u{8}".utf8) : []) + crc + sizes + sizes
    let second = ZipBuilder.Entry("b", [4])
    #expect(try archive(entry, second).members.count == 2)
    for index in entry.descriptor.indices {
      var damaged = entry
      damaged.descriptor[index] ^= 1
      refuses(ZipBuilder([damaged, second]))
    }
    entry.descriptor.removeLast()
    refuses(ZipBuilder([entry, second]))
    entry.descriptor = []
    refuses(ZipBuilder([entry, second]))
  }

  @Test func refusesOverlappingEntries() {
    var second = ZipBuilder.Entry("b", [1])
    second.offset = 0
    second.localName = Array("a".utf8)
    refuses(ZipBuilder([.init("a", [1]), second]))
    refuses { ($0.size, $0.compressedSize, $0.localSizes) = (5000, 5000, [5000, 5000]) }
  }

  @Test func refusesBytesThatBelongToNoEntry() {
    refuses { $0.gap = [0] }
    var second = ZipBuilder.Entry("b", [1])
    second.gap = [0, 0]
    refuses(ZipBuilder([.init("a", [1]), second]))
    refuses { $0.descriptor = [1] }
    var builder = ZipBuilder([.init("a", [1])])
    builder.offsetError = -1
    refuses(builder)
  }

  @Test(arguments: [
    "", "/a", "../a", "a/../b", "..", "a\\b", "a\u{0}b", "a//b", "./a", "a/./b", "/", "//", "./",
  ])
  func refusesDangerousNames(_ name: String) {
    refuses { $0.name = Array(name.utf8) }
  }

  @Test func refusesNamesThatAreNotUTF8OrRepeat() {
    refuses { $0.name = [0x61, 0xff] }
    refuses(ZipBuilder([.init("a", [1]), .init("a", [1])]))
    refuses {
      $0.extra = [0x75, 0x70, 6, 0, 1, 0, 0, 0, 0, UInt8(ascii: "b")]
    }
  }

  @Test func acceptsNamesThatOnlySwiftStringsTakeForEqual() throws {
    #expect(try archive(.init("\u{e9}", [1]), .init("e\u{301}", [2])).members.count == 2)
  }

  @Test func refusesAnImpossibleDeflateRatio() throws {
    refuses { ($0.method, $0.size) = (8, 1032 * 3 + 65) }
  }

  /// "hello" as a stored deflate block.
  private static let deflatedHello: [UInt8] = [1, 5, 0, 0xfa, 0xff] + Array("hello".utf8)

  private func deflatedEntry(_ change: (inout ZipBuilder.Entry) -> Void = { _ in }) throws
    -> ZipMemberContents
  {
    var entry = ZipBuilder.Entry("a", Self.deflatedHello, crc: checksum(Array("hello".utf8)))
    (entry.method, entry.size) = (8, 5)
    change(&entry)
    let member = try #require(try archive(entry).members.first)
    return ZipMemberContents(member, Unpacking(directory: scratch.path))
  }

  @Test func unpacksDeflatedMembers() throws {
    let contents = try deflatedEntry()
    #expect(try contents.head(2) == Array("he".utf8))
    #expect(try contents.bytes(at: 1, count: 3) == Array("ell".utf8))
    #expect(try Directories.names(in: scratch.path).count == 1)
  }

  @Test func refusesDeflateStreamsOfAnotherLength() throws {
    for size: UInt32 in [4, 6] {
      let contents = try deflatedEntry { $0.size = size }
      #expect(throws: CheckpointError.self) { try contents.bytes(at: 0, count: 1) }
    }
    let longer = try deflatedEntry {
      $0.data += [0]
      $0.compressedSize = nil
    }
    #expect(throws: CheckpointError.self) { try longer.bytes(at: 0, count: 1) }
    let shorter = try deflatedEntry { $0.data.removeLast() }
    #expect(throws: CheckpointError.self) { try shorter.bytes(at: 0, count: 1) }
  }

  @Test func noticesADamagedMemberAtItsEndAtTheLatest() throws {
    let member = try #require(
      try archive(.init("a", [1, 2, 3], crc: 0x1234_5678)).members.first)
    let contents = ZipMemberContents(member)
    #expect(try contents.head(2) == [1, 2])
    // Read in order, it is checked on the way, and its end tells.
    #expect(try contents.bytes(at: 0, count: 1) == [1])
    for _ in 0..<2 {
      let error = #expect(throws: CheckpointError.self) { try contents.confirm() }
      #expect(error?.code == .corrupt)
      #expect(throws: CheckpointError.self) { try contents.bytes(at: 0, count: 1) }
    }
    #expect(throws: CheckpointError.self) { try ZipMemberContents(member).bytes(at: 0, count: 3) }
    #expect(throws: CheckpointError.self) {
      let inOrder = ZipMemberContents(member)
      _ = try inOrder.bytes(at: 0, count: 2)
      _ = try inOrder.bytes(at: 2, count: 1)
    }
    // Out of order, all of it is checked first.
    #expect(throws: CheckpointError.self) {
      let outOfOrder = ZipMemberContents(member)
      _ = try outOfOrder.bytes(at: 0, count: 1)
      _ = try outOfOrder.bytes(at: 0, count: 1)
    }
  }

  @Test func refusesReadsOutsideAMember() throws {
    let member = try #require(try archive(.init("a", [1, 2, 3])).members.first)
    let contents = ZipMemberContents(member)
    #expect(throws: CheckpointError.self) { try contents.bytes(at: 2, count: 2) }
    #expect(throws: CheckpointError.self) { try contents.bytes(at: -1, count: 1) }
    #expect(throws: CheckpointError.self) { try contents.bytes(at: 0, count: .max) }
  }

  @Test(arguments: ["zip/new_seekable_stored.npz", "zip/new_seekable_deflated.npz"])
  func canBeReadByManyThreadsAtOnce(_ name: String) async throws {
    let region = try InputFile(path: Fixtures.path(name)).region
    let member = try #require(try ZipArchive(region).members.last)
    let contents = ZipMemberContents(member, Unpacking(directory: scratch.path))
    try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<32 { group.addTask { try contents.bytes(at: 128, count: 100) } }
      for try await bytes in group { #expect(bytes == (0..<100).map { UInt8(100 + $0 % 7) }) }
    }
  }
}
