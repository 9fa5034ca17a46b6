public import TensorModel

/// A checkpoint of arrays in memory.
public final class MemoryReader: CheckpointReader {
  /// The catalogue.
  public let checkpoint: Checkpoint
  private let contents: [[UInt8]]
  private let failure: (@Sendable (Int) -> CheckpointError?)?

  /// A checkpoint of these tensors.
  ///
  /// - Parameters:
  ///   - tensors: names, types and little-endian bytes.
  ///   - failure: what reading a tensor throws, if it does.
  /// - Throws: `malformed` for two tensors of one name.
  public init(
    _ tensors: [(name: String, type: TensorType, bytes: [UInt8])],
    failure: (@Sendable (Int) -> CheckpointError?)? = nil
  ) throws(CheckpointError) {
    var catalogue: [TensorInfo] = []
    for (name, type, bytes) in tensors {
      let info = try TensorInfo(name: name, dtype: type.dtype, shape: type.shape, file: "memory")
      precondition(bytes.count == info.byteCount)
      catalogue.append(info)
    }
    checkpoint = try Checkpoint(
      format: "memory", layout: "arrays", tensors: catalogue,
      files: [.init(name: "memory", byteCount: nil)])
    contents = tensors.map(\.bytes)
    self.failure = failure
  }

  /// The bytes of a tensor.
  public func bytes(of name: String) -> [UInt8]? {
    checkpoint.position(of: name).map { contents[$0] }
  }

  /// Copies a region, row by row.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    if let error = failure?(position) { throw error }
    let tensor = checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    precondition(geometry.whole.rows.clamped(to: region.rows) == region.rows)
    precondition(geometry.whole.columns.clamped(to: region.columns) == region.columns)
    let runByteCount = region.columns.count * geometry.cellByteCount
    contents[position].withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      for (index, row) in region.rows.enumerated() {
        destination.advanced(rows: index).base.copyMemory(
          from: base + (row * geometry.columns + region.columns.lowerBound)
            * geometry.cellByteCount,
          byteCount: runByteCount)
      }
    }
  }
}

extension CheckpointReader {
  /// All bytes of a stored tensor, in one read.
  ///
  /// - Throws: what `read` throws.
  public func contents(_ position: Int) throws -> [UInt8] {
    let tensor = checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    return try contents(position, geometry.whole)
  }

  /// The bytes of a region of a stored tensor.
  ///
  /// - Throws: what `read` throws.
  public func contents(_ position: Int, _ region: MatrixRegion) throws -> [UInt8] {
    let cell = checkpoint.tensors[position].dtype.blockByteCount
    let rowStride = region.columns.count * cell
    let byteCount = region.rows.count * rowStride
    return try [UInt8](unsafeUninitializedCapacity: max(1, byteCount)) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      try read(position, region, into: MatrixBuffer(base: base, rowStride: rowStride))
      count = byteCount
    }
  }
}
