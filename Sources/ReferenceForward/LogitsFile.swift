import FileContainers
public import TensorModel

/// Logits as a numpy array: f32 `[tokens, vocabulary]`, or `[rows, tokens, vocabulary]` for several rows.
public final class LogitsFile {
  private let file: OutputFile
  private let path: String
  private var offset: Int

  /// Creates the file beside its name, which it gets when it is complete.
  ///
  /// - Parameters:
  ///   - path: replaced if it exists.
  ///   - rows: the number of rows of tokens.
  ///   - length: tokens of each.
  ///   - vocabulary: logits of each token.
  /// - Throws: `noSpace` or `inputOutput`.
  public init(
    _ path: String, rows: Int, length: Int, vocabulary: Int
  ) throws(CheckpointError) {
    self.path = path
    if fileExists(path) && FileKind(ofEntry: path) != .file {
      throw CheckpointError(
        .conflict, "is something that can't be replaced", file: path, expected: "a regular file",
        hint: "name a file for the logits")
    }
    let shape = Shape(rows == 1 ? [length, vocabulary] : [rows, length, vocabulary])
    let header = try NPYHeader(dtype: .f32, shape: shape).bytes
    try Directories.removeTree("\(path).partial")
    file = try OutputFile(
      creating: "\(path).partial", byteCount: header.count + shape.elementCount * 4)
    try file.write(at: 0, header)
    offset = header.count
  }

  /// Appends rows of logits.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func append(_ logits: FloatBuffer, count: Int) throws(CheckpointError) {
    try file.write(at: offset, from: logits.base, count: count * 4)
    offset += count * 4
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func finish() throws(CheckpointError) {
    try file.synchronise()
    try Directories.removeTree(path)
    try Directories.rename("\(path).partial", to: path)
  }
}
