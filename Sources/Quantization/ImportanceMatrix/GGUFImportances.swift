// An importance matrix as a GGUF file (llama.cpp, tools/imatrix/imatrix.cpp; read as common/imatrix-loader.cpp and tools/quantize/quantize.cpp do):
//
//   general.type "imatrix"; imatrix.datasets, texts; imatrix.chunk_count and imatrix.chunk_size, uint32; none may be missing
//   NAME.in_sum2: F32, [experts, columns], sums of the squares of a column's inputs
//   NAME.counts:  F32, [experts, 1], how many tokens were summed
//
// Extents of 1 are left out where they are the outermost ones. Other tensors are ignored, as llama.cpp does: later versions may add some.

import FileContainers
import TensorModel

/// Reads an importance matrix from a GGUF file.
enum GGUFImportances {
  private static let sumsSuffix = ".in_sum2"
  private static let countsSuffix = ".counts"

  /// The importances of all weights, in the order of the file.
  ///
  /// - Throws: `malformed`, `unsupported` for models and other GGUF files, `inputOutput`.
  static func read(_ file: FileRegion) throws(CheckpointError) -> ImportanceTable {
    let header = try GGUFHeader(file)
    let type = header["general.type"]?.text
    guard type == "imatrix" else {
      throw CheckpointError(
        .unsupported, "a GGUF file that is no importance matrix",
        expected: "general.type imatrix", found: type ?? "none",
        hint: "name the file that llama-imatrix has written")
    }
    guard header.trailingByteCount == 0 else {
      throw CheckpointError(
        .malformed, "bytes after the last tensor", found: "\(header.trailingByteCount)")
    }
    var table = ImportanceTable()
    table.datasets = try datasets(header)
    table.chunkCount = try number("imatrix.chunk_count", header)
    _ = try number("imatrix.chunk_size", header)
    var sums: [(name: String, tensor: GGUFHeader.Tensor)] = []
    var counts: [ExactName: GGUFHeader.Tensor] = [:]
    for tensor in header.tensors {
      if let name = weight(tensor.name, sumsSuffix) {
        sums.append((name, tensor))
      } else if let name = weight(tensor.name, countsSuffix) {
        counts[ExactName(name)] = tensor
      }
    }
    guard !sums.isEmpty, sums.count <= ImportanceTable.maximumEntryCount else {
      throw CheckpointError(
        .malformed, "an importance matrix of too few or too many weights",
        expected: "1 to \(ImportanceTable.maximumEntryCount)", found: "\(sums.count)")
    }
    for (name, tensor) in sums {
      do throws(CheckpointError) {
        guard let counts = counts.removeValue(forKey: ExactName(name)) else {
          throw CheckpointError(.malformed, "sums without \(name)\(countsSuffix)")
        }
        try table.add(name, entry(sums: tensor, counts: counts, file, header))
      } catch { throw error.in(tensor: name) }
    }
    if let name = counts.keys.min() {
      throw CheckpointError(
        .malformed, "counts without \(name.text)\(sumsSuffix)", tensor: name.text)
    }
    return table
  }

  /// The name of the weight that a tensor is about; nil if it is another kind of tensor.
  private static func weight(_ name: String, _ suffix: String) -> String? {
    let count = name.utf8.count - suffix.utf8.count
    guard count > 0, name.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else {
      return nil
    }
    return String(decoding: name.utf8.prefix(count), as: UTF8.self)
  }

  private static func entry(
    sums: GGUFHeader.Tensor, counts: GGUFHeader.Tensor, _ file: FileRegion, _ header: GGUFHeader
  ) throws(CheckpointError) -> ImportanceEntry {
    guard sums.dtype == .f32, counts.dtype == .f32 else {
      throw CheckpointError(
        .malformed, "sums or counts of another dtype", expected: "F32 and F32",
        found: "\(sums.dtype.rawValue) and \(counts.dtype.rawValue)")
    }
    let (total, expertCount) = (sums.shape.elementCount, counts.shape.elementCount)
    guard expertCount > 0, total > 0, total % expertCount == 0 else {
      throw CheckpointError(
        .malformed, "sums and counts that don't belong together",
        expected: "a count for each run of columns", found: "\(sums.shape) and \(counts.shape)")
    }
    var importances = try file.floats(
      at: sums.range.lowerBound, count: total, isBigEndian: header.isBigEndian)
    let tokens = try file.floats(
      at: counts.range.lowerBound, count: expertCount, isBigEndian: header.isBigEndian)
    let columnCount = total / expertCount
    for (expert, count) in tokens.enumerated() {
      // As lround: halves away from zero.
      let rounded = count.rounded(.toNearestOrAwayFromZero)
      guard rounded >= 0, rounded < Float(sign: .plus, exponent: 63, significand: 1) else {
        throw CheckpointError(.malformed, "a number of tokens that can't be", found: "\(count)")
      }
      for column in expert * columnCount..<(expert + 1) * columnCount {
        // An expert that no token came to: all columns matter the same.
        importances[column] = rounded > 0 ? importances[column] / rounded : 1
      }
    }
    return ImportanceEntry(importances: importances, expertCount: expertCount)
  }

  private static func datasets(_ header: GGUFHeader) throws(CheckpointError) -> [String] {
    guard let texts = header["imatrix.datasets"]?.array?.texts else {
      throw CheckpointError(
        .malformed, "imatrix.datasets is missing, or no texts",
        hint: "llama-quantize refuses such a file, too")
    }
    return texts
  }

  private static func number(
    _ key: String, _ header: GGUFHeader
  ) throws(CheckpointError) -> Int {
    guard let value = header[key], value.type == .uint32, let number = value.integer else {
      throw CheckpointError(
        .malformed, "\(key) is missing, or no uint32",
        hint: "llama-quantize refuses such a file, too")
    }
    return number
  }
}
