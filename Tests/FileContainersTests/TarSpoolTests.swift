import FileContainers
import TensorModel
import TestSupport
import Testing

@Suite struct TarSpoolTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func tar(memberByteCount: Int) -> [UInt8] {
    var builder = TarBuilder()
    builder.add("a", (0..<memberByteCount).map { UInt8(truncatingIfNeeded: $0 / 7) })
    builder.add("b", [7])
    builder.end()
    return builder.bytes
  }

  @Test func recognisesArchivesByContent() {
    let bytes = tar(memberByteCount: 10)
    #expect(ArchiveKind(head: Array(bytes.prefix(512))) == .tar)
    #expect(ArchiveKind(head: [UInt8](repeating: 0, count: 512)) == .tar)
    #expect(ArchiveKind(head: zstdFrame(bytes)) == .zstdTar)
    #expect(ArchiveKind(head: [0x51, 0x2a, 0x4d, 0x18, 0]) == .zstdTar)
    #expect(ArchiveKind(head: []) == nil)
    #expect(ArchiveKind(head: [UInt8](repeating: 1, count: 512)) == nil)
  }

  @Test func indexesPlainArchivesInPlace() throws {
    let spool = scratch.freshPath()
    let tree = try openArchive(
      .file(scratch.file(tar(memberByteCount: 3))), displayName: "x", spoolPath: spool
    ).tree
    #expect(try tree.contents(of: "a", limit: 10) == [0, 0, 0])
    #expect(!fileExists(spool))
  }

  @Test func unpacksIntoASpoolThatCanBeOpenedAgain() throws {
    let bytes = tar(memberByteCount: 3_000_000)
    let spool = scratch.freshPath()
    let trailer = [UInt8](repeating: 0, count: 20_000)
    let compressed = zstdFrame(bytes + trailer)
    var consumed: [Int] = []
    let first = try openArchive(
      .file(scratch.file(compressed, ".tar.zst")), displayName: "x", spoolPath: spool,
      progress: { consumed.append($0) })
    #expect(consumed.count >= 3)
    #expect(consumed == consumed.sorted())
    #expect(consumed.last == compressed.count)
    let file = try InputFile(path: spool)
    #expect(try allBytes(file.region) == bytes)
    let again = try openArchive(.file(file), displayName: "x", spoolPath: scratch.freshPath())
    for tree in [first.tree, again.tree] {
      #expect(tree.children(of: "") == ["a", "b"])
      #expect(
        try allBytes(tree.region("a")) == (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
      #expect(try allBytes(tree.region("b")) == [7])
    }
  }

  @Test func leavesNoSpoolBehindWhenItFails() throws {
    let compressed = zstdFrame(tar(memberByteCount: 3_000_000))
    for bytes in [
      Array(compressed.dropLast()), Array(compressed.dropLast(1_000_000)), compressed + [0],
    ] {
      let spool = scratch.freshPath()
      #expect(throws: CheckpointError.self) {
        try openArchive(.file(scratch.file(bytes)), displayName: "x", spoolPath: spool)
      }
      #expect(!fileExists(spool))
    }
  }

  @Test func stopsWhenAskedTo() throws {
    let spool = scratch.freshPath()
    let file = try scratch.file(zstdFrame(tar(memberByteCount: 3_000_000)))
    var calls = 0
    let error = #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(file), displayName: "x", spoolPath: spool,
        checkCancellation: { () throws(CheckpointError) in
          calls += 1
          if calls == 3 { throw CheckpointError(.interrupted, "stopped") }
        })
    }
    #expect(error?.code == .interrupted)
    #expect(calls == 3)
    #expect(!fileExists(spool))
  }

  @Test func doesNotOverwriteWhatIsThere() throws {
    let spool = scratch.freshPath()
    try OutputFile(creating: spool, byteCount: 0).write(at: 0, [1])
    #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(scratch.file(zstdFrame(tar(memberByteCount: 3)))), displayName: "x", spoolPath: spool)
    }
    #expect(try allBytes(InputFile(path: spool).region) == [1])
  }

  @Test func refusesArchivesThatTheDiskHasNoRoomFor() throws {
    // Not single segment, so that the window is small; content size of 8 bytes.
    let header: [UInt8] =
      UInt32(0xfd2f_b528).littleEndianBytes + [0xc0, 0] + UInt64(1 << 60).littleEndianBytes
    let spool = scratch.freshPath()
    let error = #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(scratch.file(header + [1, 0, 0])), displayName: "x", spoolPath: spool)
    }
    #expect(error?.code == .noSpace)
    #expect(!fileExists(spool))
  }

  @Test func refusesAPlainArchiveThatIsNamedCompressed() throws {
    #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(scratch.file(tar(memberByteCount: 3), ".tar.zst")), displayName: "x",
        spoolPath: scratch.freshPath())
    }
  }

  @Test func tellsWhatOtherArchivesAre() throws {
    let error = #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(scratch.file([0x1f, 0x8b, 8, 0])), displayName: "x", spoolPath: scratch.freshPath())
    }
    #expect(error?.found == "a gzip file")
  }
}
