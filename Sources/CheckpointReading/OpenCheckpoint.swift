import CheckpointFormats
import FileContainers
import TensorEvaluation
@_exported public import TensorModel

extension Checkpoint {
  /// Opens a checkpoint to read its tensors: safetensors, GGUF, PyTorch's, Flax's and Keras's files, Mesh-Transformer's shards, npz, stores, archives.
  ///
  /// Only headers are read. Tensors have the names of Hugging Face's models where the family is known, whatever the format calls them;
  /// those of quantized weights have the values that the codes stand for.
  ///
  ///     let checkpoint = try Checkpoint.open("gpt-j-6b")
  ///     let norm = try checkpoint.floats("transformer.ln_f.weight")
  ///
  /// - Parameters:
  ///   - path: a file, a directory or an archive.
  ///   - configuration: of the model, where the checkpoint has none: the path of a `config.json`, or of Mesh-Transformer's JSON.
  ///   - command: the path of the command `weighbridge`, which lists Keras's files in a process of its own; without it they aren't read.
  /// - Returns: the checkpoint, whose files stay open.
  /// - Throws: `missing`, `inputOutput`; `malformed` and `unsupported` for files that can't be read, with a hint.
  public static func open(
    _ path: String, configuration: String? = nil, command: String? = nil
  ) throws(CheckpointError) -> OpenCheckpoint {
    var options = OpenOptions()
    options.datasets = command.map { DatasetProcess(executable: $0) }
    if let configuration {
      options.configuration = try InputFile.contents(
        of: configuration, limit: OpenOptions.maximumConfigurationByteCount, recordedIn: nil)
      options.configurationName = configuration
    }
    return try OpenCheckpoint(Source(path, options))
  }
}

/// A checkpoint whose tensors can be read, by name, from any number of threads.
public struct OpenCheckpoint: Sendable {
  /// Names, dtypes and shapes, in the model's order.
  public let tensors: [Tensor]
  /// What is in the files: their format, their own names for the tensors, findings of opening them.
  public let contents: Checkpoint
  private let reader: any CheckpointReader
  private let source: Source
  private let canonical: [ExactName: CanonicalTensor]

  /// A tensor that can be read.
  public struct Tensor: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// The dtype of its elements as they are stored, or of the values of its codes.
    public let dtype: DType
    /// Its extents; row-major, the last changes fastest.
    public let shape: Shape
  }

  init(_ source: Source) throws(CheckpointError) {
    self.source = source
    reader = source.reader
    contents = source.checkpoint
    let model = try source.model()
    try model.requireValues()
    tensors = model.tensors.map { Tensor(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    canonical = Dictionary(
      model.tensors.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The tensor of a name; nil if there is none.
  public subscript(name: String) -> Tensor? {
    canonical[ExactName(name)].map { Tensor(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
  }

  /// The values of a tensor as `Float`: BF16 and F16 exactly, F64 and integers rounded to nearest.
  ///
  /// - Parameters:
  ///   - name: of the tensor.
  ///   - rows: along the first axis; nil reads all of it. A scalar has one row.
  /// - Returns: the values, row-major.
  /// - Throws: `corrupt` if a checksum fails, which is checked where all rows are read; `usage` for names and rows that aren't there; `unsupported` for dtypes that are no numbers; what reading throws.
  public func floats(_ name: String, rows: Range<Int>? = nil) throws(CheckpointError) -> [Float] {
    let bytes = try read(name, as: .f32, rows)
    return [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      count = bytes.count / 4
    }
  }

  /// The elements of a tensor in its own dtype, little-endian.
  ///
  /// - Parameters:
  ///   - name: of the tensor.
  ///   - rows: along the first axis; nil reads all of it. A scalar has one row.
  /// - Returns: the bytes, row-major.
  /// - Throws: `corrupt` if a checksum fails, which is checked where all rows are read; `usage` for names and rows that aren't there; what reading throws.
  public func bytes(_ name: String, rows: Range<Int>? = nil) throws(CheckpointError) -> [UInt8] {
    try read(name, as: nil, rows)
  }

  /// Makes sure that no file has changed since the checkpoint was opened.
  ///
  /// - Throws: `inputOutput` if one has.
  public func confirm() throws(CheckpointError) { try source.confirm() }

  private func read(
    _ name: String, as dtype: DType?, _ rows: Range<Int>?
  ) throws(CheckpointError) -> [UInt8] {
    guard let tensor = canonical[ExactName(name)] else {
      let near = nearNames(name, among: tensors.map(\.name))
      let question = near.isEmpty ? "" : "did you mean \(alternatives(near))? "
      throw CheckpointError(
        .usage, "there is no such tensor", file: source.path, tensor: name,
        expected: (near.first ?? tensors.first?.name).map { "such as \($0)" },
        hint: "\(question)`tensors` has the names of all \(tensors.count)")
    }
    do throws(CheckpointError) {
      let exact = try tensor.expression.type { contents.type(of: $0) }
      let wanted = dtype ?? tensor.dtype
      let expression: TensorExpression =
        exact.dtype == wanted ? tensor.expression : .cast(tensor.expression, wanted)
      let compiled = try CompiledExpression(expression, in: reader.checkpoint)
      let bytes = try read(compiled, try region(of: compiled, tensor, rows))
      // Checksums are of whole tensors.
      if rows == nil {
        for part in tensor.expression.sources {
          guard let position = reader.checkpoint.position(of: part) else { continue }
          try reader.confirm(position)
        }
      }
      return bytes
    } catch { throw error.in(tensor: name) }
  }

  /// The rows of the evaluator's matrix that rows along the tensor's first axis are.
  private func region(
    of expression: CompiledExpression, _ tensor: CanonicalTensor, _ rows: Range<Int>?
  ) throws(CheckpointError) -> MatrixRegion {
    let geometry = expression.geometry
    guard let rows else { return geometry.whole }
    let count = tensor.shape.dimensions.first ?? 1
    guard rows.lowerBound >= 0, rows.upperBound <= count else {
      throw CheckpointError(
        .usage, "rows that the tensor doesn't have", expected: "rows in 0..<\(count)",
        found: "\(rows)", hint: "count rows along the first axis, from 0")
    }
    guard geometry.rows == count else {
      throw CheckpointError(
        .unsupported, "its blocks can't be cut into rows", hint: "read all of it, or its floats")
    }
    return MatrixRegion(rows: rows, columns: 0..<geometry.columns)
  }

  private func read(
    _ expression: CompiledExpression, _ region: MatrixRegion
  ) throws(CheckpointError) -> [UInt8] {
    let evaluator = TensorEvaluator(reader)
    let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
    let geometry = expression.geometry
    let rowByteCount = region.columns.count * geometry.cellByteCount
    var failure: CheckpointError?
    let byteCount = region.rows.count * rowByteCount
    let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = 0
      guard let base = buffer.baseAddress, byteCount > 0 else { return }
      do throws(CheckpointError) {
        // Piece by piece, as everywhere: intermediate results stay small.
        let step = max(1, TensorEvaluator.standardTileByteCount / max(1, rowByteCount))
        for first in stride(from: region.rows.lowerBound, to: region.rows.upperBound, by: step) {
          let rows = first..<min(first + step, region.rows.upperBound)
          _ = try evaluator.evaluate(
            expression, MatrixRegion(rows: rows, columns: region.columns),
            into: MatrixBuffer(
              base: base + (first - region.rows.lowerBound) * rowByteCount,
              rowStride: rowByteCount), scratch: scratch)
        }
        count = byteCount
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }
}
