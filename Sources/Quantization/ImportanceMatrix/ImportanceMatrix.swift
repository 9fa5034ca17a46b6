// Importance matrices of llama.cpp: for each weight of a model, the mean square of what its columns were multiplied by when the model read some text.
// Recognised by content: GGUF by its magic number, everything else is taken for the older form.

import CheckpointFormats
public import FileContainers
public import TensorModel

/// How much each column of a model's weights matters, as llama-imatrix measured it.
public struct ImportanceMatrix: Sendable {
  /// The file's name, without its folders.
  public var fileName: String
  /// SHA-256 of the file.
  public let digest: Digest
  /// The texts that the model read, as paths on the machine where it did; unknown to older files.
  public let datasets: [String]
  /// How many chunks of text it read; nil if the file doesn't say.
  public let chunkCount: Int?
  private let entries: [ExactName: ImportanceEntry]

  /// Matrices of the largest models have some hundred megabytes.
  static let maximumByteCount = 2_000_000_000

  /// Reads a file, and keeps its numbers in memory.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - inputs: takes the file in as an input.
  /// - Throws: `malformed` for files that are damaged and importances that can't be, with the weight's name; `unsupported` for other files; `missing`,
  ///   `inputOutput`.
  public init(path: String, recordedIn inputs: ReadFiles? = nil) throws(CheckpointError) {
    do throws(CheckpointError) {
      let file = try PinnedFiles(recordedIn: inputs).open(path)
      guard file.byteCount <= Self.maximumByteCount else {
        throw CheckpointError(
          .unsupported, "too large for an importance matrix",
          expected: "at most \(Self.maximumByteCount) bytes", found: "\(file.byteCount)")
      }
      guard try !SafetensorsFormat.recognises(file: file.region) else {
        throw CheckpointError(
          .unsupported, "no importance matrix", expected: "GGUF, or llama.cpp's older .dat",
          found: "safetensors, as second moments are",
          hint:
            "second moments are for --hessian with --quality max; weighbridge importance --output makes an importance matrix"
        )
      }
      let isGGUF = try file.region.head(GGUFHeader.magic.count) == GGUFHeader.magic
      let table = isGGUF ? try GGUFImportances.read(file.region) : try .init(legacy: file.region)
      digest = try Digest(ofFile: file)
      fileName = path.split(separator: "/").last.map { String($0) } ?? path
      datasets = table.datasets
      chunkCount = table.chunkCount
      entries = table.entries
    } catch { throw error.in(file: path) }
  }

  /// The names of the weights that it has importances for, sorted by their bytes.
  public var names: [String] { entries.keys.sorted().map(\.text) }

  /// The importances of a weight's columns: of each the mean square of its inputs.
  ///
  /// - Parameters:
  ///   - name: the weight's name in a GGUF file of the model.
  ///   - shape: of the weight, `[out, in]`, or `[experts, out, in]`.
  /// - Returns: finite numbers of 0 or more, `[in]` or `[experts, in]`; nil if the matrix has none for this weight.
  /// - Throws: `usage` if they are of another number of columns or experts.
  public func columns(of name: String, _ shape: Shape) throws(CheckpointError) -> [Float]? {
    guard let entry = entries[ExactName(name)] else { return nil }
    let columnCount = shape.dimensions.last ?? 0
    let expertCount = shape.rank == 3 ? shape.dimensions[0] : 1
    // The older form doesn't say how many experts there are.
    guard entry.importances.count == columnCount * expertCount,
      [1, expertCount].contains(entry.expertCount)
    else {
      throw CheckpointError(
        .usage, "importances for another number of columns or experts", file: fileName,
        tensor: name, expected: "[\(expertCount),\(columnCount)]",
        found: "[\(entry.expertCount),\(entry.importances.count / entry.expertCount)]",
        hint: "the importance matrix must be of the same model")
    }
    return entry.importances
  }
}

extension ImportanceMatrix: Hashable {
  /// Whether both are the same file's.
  public static func == (a: ImportanceMatrix, b: ImportanceMatrix) -> Bool { a.digest == b.digest }

  /// Takes in which file it is.
  public func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
