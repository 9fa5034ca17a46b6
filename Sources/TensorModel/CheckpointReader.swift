/// An open checkpoint: its catalogue, and reading regions of its tensors.
///
/// Conformers are shared between threads; `read` is called concurrently.
public protocol CheckpointReader: AnyObject, Sendable {
  /// What is in it. Complete when the reader exists; tensor data has not been read.
  var checkpoint: Checkpoint { get }

  /// Copies a region of a stored tensor, little-endian.
  ///
  /// Cells arrive row by row, rows of the region `rowStride` bytes apart in `destination`. Implementations use positioned reads and hold
  /// no more than a few hundred kilobytes of their own. What can be checked about the tensor's bytes as a whole (a zip member's CRC-32) is
  /// certain only when `confirm` has returned.
  ///
  /// - Parameters:
  ///   - position: the tensor's place in `checkpoint.tensors`.
  ///   - region: rows and columns of `MatrixGeometry(dtype:shape:)`.
  ///   - destination: room for the region.
  /// - Throws: `inputOutput` if the file can't be read, `corrupt` if a checksum fails.
  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError)

  /// Makes sure that what was read of a tensor is what the file should hold, as far as its format can tell.
  ///
  /// - Throws: `corrupt` if a checksum fails, `inputOutput`.
  func confirm(_ position: Int) throws(CheckpointError)

  /// Makes sure of what is in the files beside the tensors of the catalogue, as far as its format can tell.
  ///
  /// - Throws: `corrupt` if a checksum fails, `inputOutput`.
  func confirmUnlisted() throws(CheckpointError)

  /// Why a tensor's bytes have another digest than the checkpoint records, where that is known.
  ///
  /// - Parameter position: the tensor's place; all of it was read.
  /// - Returns: nil where they were changed, as far as can be told.
  /// - Throws: what reading throws.
  func cause(ofWrongDigestAt position: Int) throws(CheckpointError) -> CheckpointError?

  /// The model's tensors under canonical names, in canonical order.
  ///
  /// - Throws: `usage` if the configuration that the names depend on is missing; `unsupported` for a layout that can be listed but not
  ///   mapped.
  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor]

  /// Checks that need tensor data and say whether the weights are as training leaves them.
  ///
  /// - Throws: what `read` throws.
  func contentFindings() throws(CheckpointError) -> [Finding]

  /// `config.json` in Hugging Face's form, where the format has to make it from something else; nil where the source's own serves.
  ///
  /// - Throws: `usage` if something in it is neither stored nor given, with a configuration to complete as hint.
  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]?
}

extension CheckpointReader {
  /// There are no checksums.
  public func confirm(_ position: Int) {}

  /// The stored tensors under their own names.
  public func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] { storedTensors }

  /// The stored tensors that are weights, under their own names.
  public var storedTensors: [CanonicalTensor] {
    var canonical: [CanonicalTensor] = []
    canonical.reserveCapacity(checkpoint.tensors.count)
    for tensor in checkpoint.tensors where tensor.role == .weight {
      canonical.append(
        CanonicalTensor(
          name: tensor.name, shape: tensor.shape, dtype: tensor.dtype,
          expression: .stored(tensor.name)))
    }
    return canonical
  }

  /// They were changed.
  public func cause(ofWrongDigestAt position: Int) -> CheckpointError? { nil }

  /// There is nothing else, or it has no checksums.
  public func confirmUnlisted() {}

  /// Nothing to check.
  public func contentFindings() -> [Finding] { [] }

  /// The source's own serves.
  public func makeHuggingFaceConfiguration() -> [UInt8]? { nil }
}

/// Rows of bytes in memory that somebody else owns and keeps alive for the duration of a call.
///
/// `@unchecked Sendable`: the evaluator hands each buffer to one thread at a time.
public struct MatrixBuffer: @unchecked Sendable {
  /// The first byte of the first row.
  public let base: UnsafeMutableRawPointer
  /// Bytes from the beginning of a row to that of the next.
  public let rowStride: Int

  /// A view of memory with room for every row that will be written.
  public init(base: UnsafeMutableRawPointer, rowStride: Int) {
    self.base = base
    self.rowStride = rowStride
  }

  /// The view that begins so many rows and bytes further on.
  public func advanced(rows: Int, bytes: Int = 0) -> MatrixBuffer {
    MatrixBuffer(base: base + (rows * rowStride + bytes), rowStride: rowStride)
  }
}
