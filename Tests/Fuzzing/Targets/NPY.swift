// seeds: fixtures/bad/npz/*.npy fixtures/huggingface/*/tokens.npy fixtures/huggingface/*_*/logits.npy
// words: Sources/FileContainers/NPY

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A single npy array.
@main struct NPYTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let file = try InputInMemory(input).region
    let header = try NPYArray(file).header
    let written = try NPYHeader(parsing: NPYHeader(dtype: header.dtype, shape: header.shape).bytes)
    expect(written.dtype == header.dtype && written.shape == header.shape)
    try ReaderCheck.use(try NPZFormat.open(file: file, name: "x.npy", OpenOptions()))
  }
}
