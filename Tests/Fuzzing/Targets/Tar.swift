// seeds: Tests/Fuzzing/Seeds/Tar/*
// seeds, unpacked: fixtures/bad/tarzst/*.zst
// words: Sources/FileContainers/Tar

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A tar archive: as it is, with its checksums repaired, through a spool, and as a checkpoint.
@main struct TarTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    attempt { () throws(CheckpointError) in try ArchiveCheck.members(of: InputInMemory(input)) }
    let archive = TarRepair.repaired(input)
    let file = InputInMemory(archive)
    let members = try ArchiveCheck.members(of: file)
    // Spooled from a compressed stream it is the same archive.
    let spooled = try ArchiveCheck.members(
      of: InputInMemory(RawZstdFrame.frame(archive), number: 1))
    expect(members == spooled)
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    try ReaderCheck.use(try Source(file.path, options).reader)
  }
}
