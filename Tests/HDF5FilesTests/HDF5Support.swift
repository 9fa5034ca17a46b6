import Foundation
import HDF5Files
import TensorModel
import TestSupport

/// A type that our own code made up.
func type(_ dtype: DType, _ shape: Shape) -> TensorType { TensorType(dtype, shape) }

extension HDF5Volume {
  /// Creates a dataset under the tensor's own link name.
  func create(
    _ tensor: String, _ type: TensorType, _ encoding: Encoding? = nil
  ) throws -> Dataset {
    try createDataset(HDF5Storage.linkName(for: tensor), tensor: tensor, type, encoding)
  }

  func write(_ bytes: [UInt8], in dataset: Dataset) throws {
    try bytes.withUnsafeBytes { try writeContiguous($0, in: dataset) }
  }

  func writeChunk(
    at start: [Int], _ bytes: [UInt8], skippedFilters: UInt32 = 0, in dataset: Dataset
  ) throws -> Int {
    try bytes.withUnsafeBytes {
      try writeChunk(at: start, $0, skippedFilters: skippedFilters, in: dataset)
    }
  }
}

extension HDF5Catalogue {
  subscript(linkName: String) -> Dataset? { datasets.first { $0.linkName == linkName } }
}

/// The bytes of a tensor that has nothing to say.
func contents(_ type: TensorType, seed: UInt64 = 1) -> [UInt8] {
  var random = FixedRandom(seed: seed)
  return random.bytes(type.dtype.byteCount(elementCount: type.shape.elementCount) ?? 0)
}

/// Writes a bit of everything: contiguous and chunked datasets of many sizes, in an order that mixes them.
func writeSample(_ path: String) throws {
  let volume = try HDF5Volume(creating: path)
  var random = FixedRandom(seed: 1)
  for (index, dtype) in DType.allCases.enumerated() {
    // Rows of whole blocks.
    let columns = dtype.isBlockQuantized ? dtype.blockElementCount : 3 + index
    let whole = type(dtype, [4, columns])
    try volume.write(contents(whole), in: volume.create("whole.\(dtype.rawValue)", whole))
    let chunked = try volume.create(
      "chunked/\(dtype.rawValue)", type(.bf16, [10, 7]),
      HDF5Volume.Encoding(chunk: [3, 7], shuffles: index.isMultiple(of: 2), level: 3))
    for row in stride(from: 0, to: 10, by: 3) {
      _ = try volume.writeChunk(
        at: [row, 0], random.bytes(1 + index * 13 + row), skippedFilters: UInt32(row & 1),
        in: chunked)
    }
  }
  try volume.close()
}
