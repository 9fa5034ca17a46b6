import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Small archives that unpack to more than anybody's disk has.
@Suite struct ExpansionTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// A zip with a deflated member of a megabyte that says it has so many bytes.
  private func zip(declaring size: UInt32) throws -> ZipMember {
    var entry = ZipBuilder.Entry("a.npy", [UInt8](repeating: 7, count: 2 << 20))
    entry.method = 8
    entry.size = size
    let region = try scratch.region(ZipBuilder([entry]).bytes)
    return try #require(ZipArchive(region).members.first)
  }

  @Test func zipsStopAtTheLimit() throws {
    let member = try zip(declaring: 1_100_000_000)
    let error = #expect(throws: CheckpointError.self) {
      try ZipMemberContents(member, Unpacking(directory: scratch.path)).bytes(at: 0, count: 1)
    }
    #expect(error?.code == .unsupported && error?.hint?.contains("--max-expansion ") == true)
    // What the hint says is enough; then it is seen that the data aren't deflated.
    let factor = try #require(error?.hint?.split(separator: " ").last.flatMap { Int($0) })
    let other = #expect(throws: CheckpointError.self) {
      try ZipMemberContents(
        member, Unpacking(directory: scratch.path, limit: ExpansionLimit(factor: factor))
      ).bytes(at: 0, count: 1)
    }
    #expect(other?.code == .corrupt)
  }

  @Test func aGigabyteIsAlwaysAllowed() throws {
    let member = try zip(declaring: 999_999_999)
    let error = #expect(throws: CheckpointError.self) {
      try ZipMemberContents(
        member, Unpacking(directory: scratch.path, limit: ExpansionLimit(factor: 1))
      ).bytes(at: 0, count: 1)
    }
    #expect(error?.code == .corrupt)
  }

  /// The header of a zstd frame that says how large its content is, and a block of nothing.
  private func frame(declaring size: UInt64) -> [UInt8] {
    UInt32(0xfd2f_b528).littleEndianBytes + [0xc0, 0] + size.littleEndianBytes + [1, 0, 0]
  }

  @Test func spoolsStopAtTheLimit() throws {
    let file = try scratch.file(frame(declaring: 1_500_000_000))
    let spool = scratch.freshPath()
    let error = #expect(throws: CheckpointError.self) {
      try openArchive(.file(file), displayName: "x", spoolPath: spool)
    }
    #expect(error?.code == .unsupported && error?.hint?.contains("--max-expansion ") == true)
    #expect(!fileExists(spool))
    let other = #expect(throws: CheckpointError.self) {
      try openArchive(
        .file(file), displayName: "x", spoolPath: spool,
        limit: ExpansionLimit(factor: 1_000_000_000))
    }
    #expect(other?.hint?.contains("--max-expansion ") != true)
  }

  @Test func whatStandsInTheWayIsSaidAsWhatItIs() throws {
    let folder = scratch.freshPath()
    try Directories.create(folder)
    let pipe = "\(folder)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(symlink("/nowhere/at\nall", "\(folder)/dead") == 0)
    #expect(symlink("round", "\(folder)/round") == 0)
    let expected = [
      ("pipe", "a named pipe"), ("dead", "leads nowhere: to /nowhere/at"), ("round", "in a circle"),
      ("", "a folder"), ("absent", "no such file"), ("pipe/x", "not a folder"),
    ]
    for (name, text) in expected {
      let error = #expect(throws: CheckpointError.self) { try InputFile(path: "\(folder)/\(name)") }
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
      #expect(error?.hint != nil)
      #expect(error?.description.split(separator: "\n").count == 2)
    }
    #expect(PathObstacle.text(folder) == "a folder")
    #expect(PathObstacle.text("/dev/null") == "a device")
    #expect(PathObstacle.text(try scratch.file([1]).path) == nil)
  }
}
