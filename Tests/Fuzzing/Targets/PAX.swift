// seeds: Tests/Fuzzing/Seeds/PAX/*
// words: Sources/FileContainers/Tar

import Fuzzing
import TensorModel

/// The input as pax records of a tar member.
@main struct PAXTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let content = Array("0123456789".utf8)
    let archive =
      TarRepair.header("pax", type: "x", byteCount: input.count) + TarRepair.padded(input)
      + TarRepair.header("member", type: "0", byteCount: content.count) + TarRepair.padded(content)
      + [UInt8](repeating: 0, count: 1024)
    let members = try ArchiveCheck.members(of: InputInMemory(TarRepair.repaired(archive)))
    expect(members.count == 1 && members.values.first == content.count)
  }
}
