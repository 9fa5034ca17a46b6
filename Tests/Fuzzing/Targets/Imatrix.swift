// seeds: fixtures/quantization/imatrix/imatrix.*
// words: Sources/Quantization/ImportanceMatrix

import Fuzzing
import Quantization
import TensorModel

/// An importance matrix of llama.cpp: what is read of it are numbers that weights can be quantized with.
@main struct ImatrixTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    attempt { () throws(CheckpointError) in
      // Of GGUF files the sums, to be added to others.
      let sums = try ImportanceSums(path: InputInMemory(input).path, recordedIn: nil)
      for entry in sums.entries.values {
        expect(entry.sums.count == entry.counts.count * entry.columnCount)
        expect(entry.sums.allSatisfy { $0.isFinite && $0 >= 0 })
      }
    }
    let matrix = try ImportanceMatrix(path: InputInMemory(input).path)
    expect(!matrix.names.isEmpty)
    for name in matrix.names {
      for shape in (1...16).flatMap({ [Shape([1, $0]), Shape([2, 1, $0])] }) {
        attempt { () throws(CheckpointError) in
          guard let columns = try matrix.columns(of: name, shape) else {
            return expect(false, "a name without importances")
          }
          let count = shape.rank == 3 ? 2 * shape.dimensions[2] : shape.dimensions[1]
          expect(columns.count == count && columns.allSatisfy { $0.isFinite && $0 >= 0 })
        }
      }
    }
  }
}
