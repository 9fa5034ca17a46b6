// seeds: Tests/Fuzzing/Seeds/DatasetCatalogue/*
// words: Sources/FileContainers/HDF5 Sources/CheckpointFormats/Keras

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// What a process says of an HDF5 file, and the file: so many bytes of the first as four bytes say, little-endian.
@main struct DatasetCatalogueTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    guard input.count >= 4 else { return }
    let wanted = input[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    let message = Array(input.dropFirst(4).prefix(wanted))
    let catalogue = try DatasetMessage.catalogue(in: message)
    let sent = DatasetMessage.bytes(of: catalogue)
    expect(try DatasetMessage.catalogue(in: sent) == catalogue)
    let file = try InputInMemory(Array(input.dropFirst(4 + message.count))).region
    try ReaderCheck.use(try KerasFormat.open(file: file, name: "x.h5", catalogue))
  }
}
