// seeds: fixtures/bad/npz/*.npz fixtures/zip/*.npz fixtures/npz/small.npz

import FileContainers
import Fuzzing
import TensorModel

/// A zip archive: the directory, and every member unpacked.
@main struct ZipTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let archive = try ZipArchive(InputInMemory(input).region)
    expect(Set(archive.members.map { ExactName($0.name) }).count == archive.members.count)
    var stored = 0
    var failure: CheckpointError?
    for member in archive.members {
      stored += member.compressedByteCount
      do throws(CheckpointError) { try unpack(member) } catch { failure = failure ?? error }
    }
    expect(stored <= input.count, "members overlap")
    if let failure { throw failure }
  }

  private static func unpack(_ member: ZipMember) throws(CheckpointError) {
    let contents = ZipMemberContents(
      member, Unpacking(directory: InputInMemory.temporaryDirectory))
    let head = try contents.head(64)
    expect(head.count == min(64, member.byteCount))
    try contents.confirm()
    expect(try contents.bytes(at: 0, count: head.count) == head)
    let middle = member.byteCount / 2
    _ = try contents.bytes(at: middle, count: min(member.byteCount - middle, 4096))
  }
}
