public import FileContainers
public import TensorModel

/// Logits as a numpy array: f32 `[tokens, vocabulary]`, or `[rows, tokens, vocabulary]` for several rows.
public final class LogitsFile {
  private let output: SingleOutput
  private var offset: Int

  /// Other arrays, such as tokens, aren't replaced: version 1.0, a header of 118 bytes, and f32 in row order, which is how numpy begins it, too.
  private static let kind = SingleOutput.Kind(
    title: "a numpy array of f32",
    beginning: [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0]
      + Array("{'descr': '<f4', 'fortran_order': False, 'shape': (".utf8))

  /// Creates the file beside its name, which it gets when it is complete.
  ///
  /// - Parameters:
  ///   - path: an array that is there is replaced, anything else isn't.
  ///   - rows: the number of rows of tokens.
  ///   - length: tokens of each.
  ///   - vocabulary: logits of each token.
  ///   - inputs: what is read, and not replaced.
  /// - Throws: `conflict`, `missing`, `noSpace` or `inputOutput`.
  public init(
    _ path: String, rows: Int, length: Int, vocabulary: Int, besides inputs: ReadFiles
  ) throws(CheckpointError) {
    let shape = Shape(rows == 1 ? [length, vocabulary] : [rows, length, vocabulary])
    let header = try NPYHeader(dtype: .f32, shape: shape).bytes
    output = try SingleOutput(
      path, Self.kind, besides: inputs, byteCount: header.count + shape.elementCount * 4)
    try output.file.write(at: 0, header)
    offset = header.count
  }

  /// Appends rows of logits.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func append(_ logits: FloatBuffer, count: Int) throws(CheckpointError) {
    try output.file.write(at: offset, from: logits.base, count: count * 4)
    offset += count * 4
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `noSpace`, `inputOutput`, or `conflict` if something else has appeared there.
  public func finish() throws(CheckpointError) { try output.finish() }
}
