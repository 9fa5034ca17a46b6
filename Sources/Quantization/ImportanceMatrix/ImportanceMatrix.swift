// Importance matrices of llama.cpp: for each weight of a model, the mean square of what its columns were multiplied by when the model read some text.
// Recognised by content: GGUF by its magic number, everything else is taken for the older form.

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
  ///   - count: how many columns it has: its innermost extent.
  /// - Returns: finite numbers of 0 or more; nil if the matrix has none for this weight.
  /// - Throws: `usage` if they are of another number of columns, `unsupported` if they are of several experts.
  public func columns(of name: String, count: Int) throws(CheckpointError) -> [Float]? {
    guard let entry = entries[ExactName(name)] else { return nil }
    guard entry.expertCount == 1 else {
      throw CheckpointError(
        .unsupported, "importances for several experts", file: fileName, tensor: name,
        expected: "1 expert", found: "\(entry.expertCount)")
    }
    guard entry.importances.count == count else {
      throw CheckpointError(
        .usage, "importances for another number of columns", file: fileName, tensor: name,
        expected: "\(count)", found: "\(entry.importances.count)",
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
