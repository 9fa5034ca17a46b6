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
  /// The importances of all weights: means, as llama-quantize makes them.
  ///
  /// - Throws: `malformed`, `unsupported` for models and other GGUF files, `inputOutput`.
  static func read(_ file: FileRegion) throws(CheckpointError) -> ImportanceTable {
    let header = try GGUFHeader(file)
    let contents = try contents(file, header, of: .standard)
    var table = ImportanceTable()
    table.datasets = contents.datasets
    table.chunkCount = contents.chunkCount
    for (name, entry) in contents.entries.sorted(by: { $0.key < $1.key }) {
      try table.add(name.text, means(entry))
    }
    return table
  }

  /// The sums of all weights; of those with a prior what was met.
  ///
  /// - Throws: as `read`.
  static func sums(
    _ file: FileRegion, _ header: GGUFHeader
  ) throws(CheckpointError) -> ImportanceSums {
    var sums = try contents(file, header, of: .standard)
    let met = try contents(file, header, of: .met)
    sums.entries.merge(met.entries) { $1 }
    for name in sums.unusableNames {
      throw CheckpointError(.malformed, "sums of squares that can't be", tensor: name.text)
    }
    return sums
  }

  /// What a file has under names that end so.
  private static func contents(
    _ file: FileRegion, _ header: GGUFHeader, of suffixes: ImportanceSums.Suffixes
  ) throws(CheckpointError) -> ImportanceSums {
    let type = header[ImportanceSums.Key.type]?.text
    guard type == ImportanceSums.Key.typeValue else {
      throw CheckpointError(
        .unsupported, "a GGUF file that is no importance matrix",
        expected: "general.type imatrix", found: type ?? "none",
        hint: "name the file that llama-imatrix or weighbridge importance has written")
    }
    guard header.trailingByteCount == 0 else {
      throw CheckpointError(
        .malformed, "bytes after the last tensor", found: "\(header.trailingByteCount)")
    }
    var contents = ImportanceSums()
    contents.datasets = try datasets(header)
    contents.chunkCount = try number(ImportanceSums.Key.chunkCount, header)
    contents.chunkSize = try number(ImportanceSums.Key.chunkSize, header)
    var sums: [(name: String, tensor: GGUFHeader.Tensor)] = []
    var counts: [ExactName: GGUFHeader.Tensor] = [:]
    for tensor in header.tensors {
      if let name = weight(tensor.name, suffixes.sums) {
        sums.append((name, tensor))
      } else if let name = weight(tensor.name, suffixes.counts) {
        counts[ExactName(name)] = tensor
      }
    }
    guard !sums.isEmpty || suffixes == .met, sums.count <= ImportanceTable.maximumEntryCount else {
      throw CheckpointError(
        .malformed, "an importance matrix of too few or too many weights",
        expected: "1 to \(ImportanceTable.maximumEntryCount)", found: "\(sums.count)")
    }
    for (name, tensor) in sums {
      do throws(CheckpointError) {
        guard let counts = counts.removeValue(forKey: ExactName(name)) else {
          throw CheckpointError(.malformed, "sums without \(name)\(suffixes.counts)")
        }
        let entry = try entry(sums: tensor, counts: counts, file, header)
        guard contents.entries.updateValue(entry, forKey: ExactName(name)) == nil else {
          throw CheckpointError(.malformed, "importances of the same weight twice")
        }
      } catch { throw error.in(tensor: name) }
    }
    if let name = counts.keys.min() {
      throw CheckpointError(
        .malformed, "counts without \(name.text)\(suffixes.sums)", tensor: name.text)
    }
    return contents
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
  ) throws(CheckpointError) -> ImportanceSums.Entry {
    guard [.f32, .f64].contains(sums.dtype), counts.dtype == sums.dtype else {
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
    let tokens = try numbers(counts, file, header)
    for count in tokens {
      // As lround: halves away from zero.
      let rounded = count.rounded(.toNearestOrAwayFromZero)
      guard rounded >= 0, rounded < Double(sign: .plus, exponent: 63, significand: 1) else {
        throw CheckpointError(.malformed, "a number of tokens that can't be", found: "\(count)")
      }
    }
    return ImportanceSums.Entry(sums: try numbers(sums, file, header), counts: tokens)
  }

  private static func numbers(
    _ tensor: GGUFHeader.Tensor, _ file: FileRegion, _ header: GGUFHeader
  ) throws(CheckpointError) -> [Double] {
    let (start, count) = (tensor.range.lowerBound, tensor.shape.elementCount)
    if tensor.dtype == .f64 {
      return try file.doubles(at: start, count: count, isBigEndian: header.isBigEndian)
    }
    return try file.floats(at: start, count: count, isBigEndian: header.isBigEndian).map {
      Double($0)
    }
  }

  /// Means of the sums of each expert, in f32 as llama.cpp computes them.
  private static func means(_ entry: ImportanceSums.Entry) -> ImportanceEntry {
    var importances = entry.sums.map { Float($0) }
    for (expert, count) in entry.counts.enumerated() {
      let rounded = Float(count).rounded(.toNearestOrAwayFromZero)
      for column in expert * entry.columnCount..<(expert + 1) * entry.columnCount {
        // An expert that no token came to: all columns matter the same.
        importances[column] = rounded > 0 ? importances[column] / rounded : 1
      }
    }
    return ImportanceEntry(importances: importances, expertCount: entry.counts.count)
  }

  private static func datasets(_ header: GGUFHeader) throws(CheckpointError) -> [String] {
    guard let texts = header[ImportanceSums.Key.datasets]?.array?.texts else {
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
