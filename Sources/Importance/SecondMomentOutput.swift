import CTensorKernels
public import FileContainers
import ModelArchitectures
import Quantization
public import TensorModel

/// A file of second moments under way (`SecondMomentFile`): matrices are written one after the other, the header last, into room that was left for it.
public final class SecondMomentOutput {
  private let output: SingleOutput
  private let headerByteCount: Int
  private var position: Int
  private var tensors: [(name: String, columns: Int, start: Int)] = []
  private var weights: [(name: String, matrix: String)] = []
  /// Matrices that were written.
  public var matrixCount: Int { tensors.count }
  /// Weights that have one.
  public var weightNames: [String] { weights.map(\.name) }

  private static let opening =
    #"{"__metadata__":{"weighbridge.second_moments":"mean over tokens of x[i] x[j]""#
  /// What headers have room for: as much as the model's layers may need.
  private static let headerByteCounts = (0...10).map { 16384 << $0 }
  /// What a layer may have in the header.
  private static let layerByteCount = 4096

  /// For messages, and what such files begin with.
  public static let kind = SingleOutput.Kind(
    title: "a file of second moments",
    beginnings: headerByteCounts.map { length(of: $0) + Array(opening.utf8) })

  private static func length(of headerByteCount: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: (headerByteCount - 8) >> (8 * $0)) }
  }

  /// Creates the file beside its place.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - replaces: whether another of its kind may stand there.
  ///   - inputs: what is read, which it may not replace.
  ///   - layers: of the model.
  /// - Throws: what `SingleOutput` throws; `unsupported` for models of more layers than there are.
  public init(
    _ path: String, replaces: Bool, besides inputs: ReadFiles, layers: Int
  ) throws(CheckpointError) {
    let needed = (layers + 1) * Self.layerByteCount
    guard let room = Self.headerByteCounts.first(where: { $0 >= needed }) else {
      throw CheckpointError(.unsupported, "too many layers for a file of second moments")
    }
    headerByteCount = room
    position = room
    output = try SingleOutput(path, Self.kind, replaces: replaces, besides: inputs)
  }

  /// Writes the matrix of an input.
  ///
  /// - Parameters:
  ///   - matrix: its sums.
  ///   - names: of the weights that it is multiplied with.
  /// - Throws: `malformed` where the model computes no numbers, `noSpace`, `inputOutput`.
  func append(_ matrix: SecondMomentSums.Matrix, _ names: [String]) throws(CheckpointError) {
    guard let first = names.first, matrix.rowCount > 0 else { return }
    let suffix = ".weight"
    let name = (first.hasSuffix(suffix) ? String(first.dropLast(suffix.count)) : first) + ".input"
    let (columns, count) = (matrix.columns, Double(matrix.rowCount))
    tensors.append((name, columns, position))
    weights += names.map { ($0, name) }
    let rowByteCount = columns * MemoryLayout<Float>.stride
    let row = try ScratchArena(byteCount: ScratchArena.rounded(rowByteCount))
    for place in 0..<columns {
      let isFinite = try row.withPiece(byteCount: rowByteCount) {
        (piece) throws(CheckpointError) -> Bool in
        let values = piece.assumingMemoryBound(to: Float.self)
        guard wb_moments_row(matrix.tiles, columns, place, count, values) else { return false }
        try output.file.write(at: position, from: piece, count: rowByteCount)
        return true
      }
      guard isFinite else {
        throw CheckpointError(
          .malformed, "the model computes no numbers (NaN or infinity)", tensor: first,
          hint:
            "weighbridge inspect --statistics says which tensors have NaN or infinite values")
      }
      position += rowByteCount
    }
  }

  /// Writes the header and gives the file its name.
  ///
  /// - Parameters:
  ///   - tokenCount: how many tokens were run.
  ///   - datasets: on which texts.
  /// - Throws: `unsupported` for names that there is no room for, `noSpace`, `inputOutput`.
  public func finish(tokenCount: Int, datasets: [String]) throws(CheckpointError) {
    var text = Self.opening
    for (key, value) in [
      (SecondMomentFile.Key.tokens, "\(tokenCount)"),
      (SecondMomentFile.Key.datasets, datasets.joined(separator: "\n")),
    ] + weights.map({ ($0.name, $0.matrix) }) {
      text += ",\(JSONValue.quoted(key)):\(JSONValue.quoted(value))"
    }
    text += "}"
    for (name, columns, start) in tensors {
      let begin = start - headerByteCount
      text +=
        ",\(JSONValue.quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(columns),\(columns)],\"data_offsets\":[\(begin),\(begin + columns * columns * 4)]}"
    }
    text += "}"
    let header = Self.length(of: headerByteCount) + Array(text.utf8)
    guard header.count <= headerByteCount else {
      throw CheckpointError(
        .unsupported, "names of weights are too long for the header", found: "\(header.count) bytes"
      )
    }
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: headerByteCount - header.count)
    try output.file.write(at: 0, header + padding)
    try output.finish()
  }
}
