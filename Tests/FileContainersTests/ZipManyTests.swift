import FileContainers
import TensorModel
import TestSupport
import Testing

/// Archives with so many members that several threads read their headers.
@Suite struct ZipManyTests {
  private let scratch: Scratch
  private let entries = (0..<20_000).map { ZipBuilder.Entry("m\($0)", [UInt8($0 % 251)]) }
  init() throws { scratch = try Scratch() }

  private func open(_ entries: [ZipBuilder.Entry]) throws -> [ZipMember] {
    try ZipArchive(scratch.region(ZipBuilder(entries).bytes)).members
  }

  @Test func membersAreInTheOrderOfTheDirectory() throws {
    let members = try open(entries)
    #expect(members.map(\.name) == (0..<20_000).map { "m\($0)" })
    for place in [0, 16_383, 16_384, 19_999] {
      let contents = ZipMemberContents(members[place])
      #expect(try contents.bytes(at: 0, count: 1) == [UInt8(place % 251)])
    }
  }

  @Test func whatIsWrongInAnyPieceIsFound() throws {
    func refusal(_ change: (inout [ZipBuilder.Entry]) -> Void) throws -> String {
      var changed = entries
      change(&changed)
      let error = #expect(throws: CheckpointError.self) { try open(changed) }
      return try #require(error).message
    }
    #expect(try refusal { $0[19_000].name = $0[5].name }.hasPrefix("the same zip entry twice"))
    #expect(try refusal { $0[18_000].localName = Array("m18001".utf8) }.contains("its name"))
    #expect(try refusal { $0[17_000].method = 12 }.contains("compressed in a way"))
    #expect(try refusal { $0[16_999].gap = [1, 2] }.contains("belong to no entry"))
    #expect(try refusal { $0[19_999].method = 12 }.contains("compressed in a way"))
    // The first of several.
    let several = try refusal {
      $0[17_000].method = 12
      $0[300].flags = 1
    }
    #expect(several.contains("encrypted"))
  }

  /// Neither the first entry of a piece nor the one after its last may be passed over.
  @Test(arguments: [0, 1, 16_384, 19_999])
  func anEntryWithoutItsSignatureIsFound(_ place: Int) throws {
    var bytes = ZipBuilder(entries).bytes
    var found = -1
    let signature = try #require(
      bytes.indices.first { start in
        if bytes[start...].starts(with: [0x50, 0x4b, 1, 2]) { found += 1 }
        return found == place
      })
    bytes[signature + 2] = 3
    let error = #expect(throws: CheckpointError.self) {
      try ZipArchive(scratch.region(bytes))
    }
    #expect(error?.message == "not an entry of a zip directory")
    #expect(error?.byteOffset == signature)
  }
}
