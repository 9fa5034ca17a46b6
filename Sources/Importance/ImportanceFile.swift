import CheckpointFormats
public import FileContainers
import Quantization
public import TensorModel

/// An importance matrix as a GGUF file, as llama-imatrix writes them and llama-quantize reads them.
///
/// Tensors are sorted by name. Of weights of experts with a prior the file has what was met beside it, under names that other programs ignore.
public struct ImportanceFile: Sendable {
  private let contents: ImportanceSums
  private let met: [ExactName: ImportanceSums.Entry]
  private let dtype: DType
  private let extraEntries: [(key: String, value: GGUFValue)]

  /// The file of sums, with priors for experts that few tokens came to.
  ///
  /// - Parameter prior: the sums and what was met.
  public init(_ prior: ExpertPrior) {
    contents = prior.sums
    met = prior.met
    dtype = .f32
    extraEntries = []
  }

  /// Sums as they are, in full precision, with keys of their own.
  init(exactly sums: ImportanceSums, _ entries: [(key: String, value: GGUFValue)]) {
    contents = sums
    met = [:]
    dtype = .f64
    extraEntries = entries
  }

  private var metadata: [(key: String, value: GGUFValue)] {
    [
      (ImportanceSums.Key.type, .text(ImportanceSums.Key.typeValue)),
      (ImportanceSums.Key.datasets, .array(GGUFArray(contents.datasets))),
      (ImportanceSums.Key.chunkCount, .count(contents.chunkCount)),
      (ImportanceSums.Key.chunkSize, .count(contents.chunkSize)),
    ] + extraEntries
  }

  /// Writes the file.
  ///
  /// - Parameter file: empty.
  /// - Throws: `noSpace`, `inputOutput`; `unsupported` for names that are too long for GGUF.
  public func write(to file: OutputFile) throws(CheckpointError) {
    var tensors: [(name: String, type: TensorType, values: [Double])] = []
    for (entries, suffixes) in [
      (contents.entries, ImportanceSums.Suffixes.standard), (met, .met),
    ] {
      for (name, entry) in entries {
        let count = entry.counts.count
        tensors.append(
          (
            name.text + suffixes.sums,
            TensorType(dtype, count == 1 ? [entry.columnCount] : [count, entry.columnCount]),
            entry.sums
          ))
        tensors.append(
          (
            name.text + suffixes.counts, TensorType(dtype, count == 1 ? [1] : [count, 1]),
            entry.counts
          ))
      }
    }
    tensors.sort { ExactName($0.name) < ExactName($1.name) }
    let layout = try GGUFLayout.layout(
      tensors.map { ($0.name, $0.type) }, metadata: metadata)
    for run in layout.frame { try file.write(at: run.byteOffset, run.bytes) }
    for (tensor, place) in zip(tensors, layout.places) {
      try file.write(at: place.byteOffset, bytes(tensor.values))
    }
  }

  private func bytes(_ values: [Double]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(values.count * dtype.blockByteCount)
    for value in values {
      if dtype == .f64 {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
      } else {
        withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { bytes += $0 }
      }
    }
    return bytes
  }
}
