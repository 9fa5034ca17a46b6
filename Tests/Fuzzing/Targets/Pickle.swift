// seeds: Tests/Fuzzing/Seeds/Pickle/*.pkl
// words: Sources/FileContainers/Pickle Sources/CheckpointFormats/PyTorch

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// The pickle of a PyTorch archive, with some storages beside it.
@main struct PickleTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    var members: [(name: String, bytes: [UInt8])] = [("x/data.pkl", input)]
    for (key, byteCount) in [4, 8, 16, 48, 0].enumerated() {
      members.append(("x/data/\(key)", (0..<UInt8(byteCount)).map { $0 }))
    }
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    let file = try InputInMemory(archive(members)).region
    try ReaderCheck.use(try PyTorchFormat.open(file: file, name: "x.bin", options))
  }

  /// A zip archive of stored members.
  private static func archive(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    var archive: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in members {
      let checks = little(crc(bytes), 4) + little(bytes.count, 4) + little(bytes.count, 4)
      let fields = little(20, 2) + little(0, 8) + checks + little(name.utf8.count, 2)
      directory += [0x50, 0x4b, 1, 2] + little(20, 2) + fields + little(0, 2 + 2 + 2 + 2 + 4)
      directory += little(archive.count, 4) + Array(name.utf8)
      archive += [0x50, 0x4b, 3, 4] + fields + little(0, 2) + Array(name.utf8) + bytes
    }
    let counts = little(members.count, 2) + little(members.count, 2)
    let end = [0x50, 0x4b, 5, 6] + little(0, 4) + counts + little(directory.count, 4)
    return archive + directory + end + little(archive.count, 4) + little(0, 2)
  }

  private static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: value >> (8 * $0)) : 0 }
  }

  /// The CRC-32 of zip files, bit by bit.
  private static func crc(_ bytes: [UInt8]) -> Int {
    var crc: UInt32 = ~0
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return Int(~crc)
  }
}
