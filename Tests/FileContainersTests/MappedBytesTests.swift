import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Files that are lent where they are mapped.
///
/// One at a time: a test that maps as much as there are places for has the others' bytes read instead.
@Suite(.serialized) struct MappedBytesTests {
  /// A file of three windows and a bit, and its bytes.
  private static func file(
    in directory: borrowing TemporaryDirectory
  ) throws -> (InputFile, [UInt8]) {
    var state: UInt32 = 1
    let bytes = (0..<3 * 65_536 + 77).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(truncatingIfNeeded: state >> 24)
    }
    try Data(bytes).write(to: URL(filePath: directory.path + "/file"))
    return (try InputFile(path: directory.path + "/file"), bytes)
  }

  @Test(arguments: [0..<0, 0..<1, 1..<65_537, 4096..<8192, 70_001..<196_685, 196_685..<196_685])
  func lendsTheFilesBytes(_ range: Range<Int>) throws {
    let directory = try TemporaryDirectory()
    let (file, bytes) = try Self.file(in: directory)
    var seen: [UInt8]?
    try file.withBytes(range) { (lent) throws(CheckpointError) in seen = Array(lent) }
    #expect(seen == Array(bytes[range]))
  }

  @Test func filesThatAreCutOffAreAnError() throws {
    let directory = try TemporaryDirectory()
    let (file, bytes) = try Self.file(in: directory)
    var seen: [UInt8] = []
    let error = #expect(throws: CheckpointError.self) {
      try file.withBytes(0..<bytes.count) { (lent) throws(CheckpointError) in
        // Pages that were brought in are gone, too.
        #expect(truncate(directory.path + "/file", 65_536) == 0)
        seen = Array(lent)
      }
    }
    #expect(error?.code == .inputOutput)
    #expect(seen[..<65_536] == bytes[..<65_536])
    #expect(seen[65_536...].allSatisfy { $0 == 0 })
    // What is still there can be read on.
    try file.withBytes(0..<65_536) { (lent) throws(CheckpointError) in seen = Array(lent) }
    #expect(seen == Array(bytes[..<65_536]))
  }

  @Test func bytesMissingWithinAPageAreToldAfterwards() throws {
    let directory = try TemporaryDirectory()
    let (file, bytes) = try Self.file(in: directory)
    try file.withBytes(0..<bytes.count) { (lent) throws(CheckpointError) in
      #expect(truncate(directory.path + "/file", off_t(bytes.count - 10)) == 0)
      #expect(lent.suffix(10).allSatisfy { $0 == 0 })
    }
    #expect(throws: CheckpointError.self) { try file.confirm() }
  }

  @Test func manyAreLentAtOnce() throws {
    let directory = try TemporaryDirectory()
    let (file, bytes) = try Self.file(in: directory)
    func lend(_ depth: Int) throws(CheckpointError) {
      guard depth < 300 else { return }
      // Beyond what can be mapped at once, bytes are read.
      try file.withBytes(depth..<bytes.count - depth) { (lent) throws(CheckpointError) in
        #expect(lent.first == bytes[depth] && lent.last == bytes[bytes.count - depth - 1])
        try lend(depth + 1)
      }
    }
    try lend(0)
  }
}
