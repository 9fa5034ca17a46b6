// A file of second moments: safetensors, F32 or F64.
//
//   MATRIX: [in, in], the mean over tokens of x[i] · x[j] for the inputs x of linear layers
//   __metadata__: the name of a weight in a GGUF file of the model (`blk.0.attn_q.weight`): the MATRIX of its inputs, for every weight that has one;
//     weighbridge.second_moments.tokens: how many tokens were run; weighbridge.second_moments.datasets: on which texts, a name a line
//
// Without an entry in the metadata a matrix counts that has the weight's own name.

import CheckpointFormats
public import FileContainers
public import TensorModel

/// How the inputs of a model's linear layers go together, as `weighbridge importance --hessian` measured it.
public struct SecondMomentFile: Sendable {
  /// The file's name, without its folders.
  public var fileName: String
  /// SHA-256 of the file.
  public let digest: Digest
  /// The texts that the model read.
  public let datasets: [String]
  /// How many tokens it read; nil if the file doesn't say.
  public let tokenCount: Int?
  private let reader: any CheckpointReader
  private let places: [ExactName: Int]

  /// Keys of the metadata that are about no weight.
  public enum Key {
    /// How many tokens were run.
    public static let tokens = "weighbridge.second_moments.tokens"
    /// On which texts, a name a line.
    public static let datasets = "weighbridge.second_moments.datasets"
  }

  /// Opens a file; matrices are read when they are needed.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - inputs: takes the file in as an input; nil for what is only looked at.
  /// - Throws: `malformed` for files that are damaged, or name matrices that they don't have; `unsupported` for other files; `missing`, `inputOutput`.
  public init(path: String, recordedIn inputs: ReadFiles?) throws(CheckpointError) {
    do throws(CheckpointError) {
      let file = try PinnedFiles(recordedIn: inputs).open(path)
      guard try SafetensorsFormat.recognises(file: file.region) else {
        throw CheckpointError(
          .unsupported, "no file of second moments", expected: "safetensors",
          hint: "name the file that weighbridge importance --hessian has written")
      }
      fileName = path.split(separator: "/").last.map { String($0) } ?? path
      reader = try SafetensorsFormat.open(file: file.region, name: fileName, OpenOptions())
      let checkpoint = reader.checkpoint
      var places: [ExactName: Int] = [:]
      for (place, tensor) in checkpoint.tensors.enumerated() {
        places[ExactName(tensor.name)] = place
      }
      for (weight, matrix) in checkpoint.metadata where weight.text.hasSuffix(".weight") {
        guard let place = checkpoint.position(of: matrix) else {
          throw CheckpointError(
            .malformed, "the matrix of a weight is missing", tensor: weight.text, expected: matrix)
        }
        places[weight] = place
      }
      self.places = places
      tokenCount = checkpoint.metadata[ExactName(Key.tokens)].flatMap { Int($0) }
      datasets =
        checkpoint.metadata[ExactName(Key.datasets)]?.split(separator: "\n").map(String.init) ?? []
      digest = try Digest(ofFile: file)
    } catch { throw error.in(file: path) }
  }

  /// The names that it has matrices for, sorted by their bytes.
  public var names: [String] { places.keys.sorted().map(\.text) }

  /// The second moments of a weight's inputs.
  ///
  /// - Parameters:
  ///   - name: the weight's name in a GGUF file of the model.
  ///   - columns: of the weight.
  /// - Returns: nil if there are none for this weight.
  /// - Throws: `usage` if they are of another number of columns, `unsupported` for other dtypes.
  public func moments(of name: String, columns: Int) throws(CheckpointError) -> SecondMoments? {
    guard let place = places[ExactName(name)] else { return nil }
    let matrix = reader.checkpoint.tensors[place]
    guard matrix.shape == [columns, columns] else {
      throw CheckpointError(
        .usage, "second moments of another number of columns", file: fileName, tensor: name,
        expected: "\(Shape([columns, columns]))", found: "\(matrix.shape)",
        hint: "the file must be of the same model: make one with weighbridge importance --hessian")
    }
    guard [.f32, .f64].contains(matrix.dtype) else {
      throw CheckpointError(
        .unsupported, "second moments of another dtype", file: fileName, tensor: matrix.name,
        expected: "F32 or F64", found: matrix.dtype.rawValue)
    }
    return SecondMoments(
      origin: "\(digest) \(matrix.name)", columnCount: columns,
      rows: Rows(reader: reader, place: place, fileName: fileName))
  }

  /// Reads a matrix, some rows at a time.
  private struct Rows: SecondMomentRows {
    let reader: any CheckpointReader
    let place: Int
    let fileName: String

    private static let pieceByteCount = 1 << 20

    func forEach(
      _ body: (Int, UnsafePointer<Float>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
      let matrix = reader.checkpoint.tensors[place]
      let (columns, width) = (matrix.shape.dimensions[1], matrix.dtype.blockByteCount)
      let rowByteCount = columns * width
      let step = max(1, Self.pieceByteCount / max(1, rowByteCount))
      let pages = try ScratchArena(
        byteCount: ScratchArena.rounded(step * rowByteCount) + ScratchArena.rounded(columns * 4))
      for first in stride(from: 0, to: columns, by: step) {
        let rows = first..<min(columns, first + step)
        try pages.withPiece(byteCount: step * rowByteCount) { (piece) throws(CheckpointError) in
          try reader.read(
            place, MatrixRegion(rows: rows, columns: 0..<columns),
            into: MatrixBuffer(base: piece, rowStride: rowByteCount))
          try pages.withPiece(byteCount: columns * 4) { (spare) throws(CheckpointError) in
            let floats = spare.assumingMemoryBound(to: Float.self)
            for row in rows {
              let stored = piece + (row - first) * rowByteCount
              for column in 0..<columns {
                floats[column] =
                  width == 8
                  ? Float(
                    Double(
                      bitPattern: UInt64(
                        littleEndian: stored.load(fromByteOffset: column * 8, as: UInt64.self))))
                  : Float(
                    bitPattern: UInt32(
                      littleEndian: stored.load(fromByteOffset: column * 4, as: UInt32.self)))
              }
              try body(row, floats)
            }
          }
        }
      }
    }
  }
}

extension SecondMomentFile: Hashable {
  /// Whether both are the same file's.
  public static func == (a: SecondMomentFile, b: SecondMomentFile) -> Bool {
    a.digest == b.digest
  }

  /// Takes in which file it is.
  public func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
