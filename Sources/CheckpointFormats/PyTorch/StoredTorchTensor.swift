import CTensorKernels
import FileContainers
import TensorModel

/// A tensor of one of PyTorch's files: its entry in a catalogue, and reading regions of it.
struct StoredTorchTensor: Sendable {
  /// What the catalogue says of it.
  let info: TensorInfo
  private let tensor: TorchTensor
  private let storage: any RandomAccessBytes
  private let geometry: MatrixGeometry
  private let isContiguous: Bool
  /// Bytes whose order is reversed; 1 for none.
  private let swappedByteCount: Int

  /// A tensor of a file.
  ///
  /// - Parameters:
  ///   - tensor: a view of a storage.
  ///   - file: that holds it.
  ///   - fileName: the file's name.
  ///   - name: what the catalogue calls it.
  ///   - owner: the first tensor in the same storage, if it is another one.
  /// - Throws: `unsupported` for element types that aren't read; `malformed` for impossible shapes.
  init(
    _ tensor: TorchTensor, of file: TorchFile, _ fileName: String, named name: String,
    sharing owner: String?
  ) throws(CheckpointError) {
    guard let dtype = tensor.element.dtype else {
      throw CheckpointError(.unsupported, "an unknown element type", tensor: name)
    }
    var shape = tensor.shape
    if tensor.element.packing > 1, let last = shape.dimensions.last {
      let (widened, overflow) = last.multipliedReportingOverflow(by: tensor.element.packing)
      guard !overflow else {
        throw CheckpointError(.malformed, "an impossible shape", tensor: name)
      }
      shape = try Shape(checking: shape.dimensions.dropLast() + [widened])
    }
    info = try TensorInfo(
      name: name, dtype: dtype, shape: shape, file: fileName, sharesStorageWith: owner,
      isScattered: tensor.isScattered)
    self.tensor = tensor
    storage = file.storage(of: tensor)
    geometry = MatrixGeometry(dtype: dtype, shape: shape)
    isContiguous = tensor.isContiguous
    swappedByteCount = file.isBigEndian ? (dtype == .c64 ? 4 : dtype.blockByteCount) : 1
  }

  /// The same where elements don't lie one after the other; a scalar is a row.
  private var strided: StridedElements {
    let isScalar = tensor.shape.rank == 0
    return StridedElements(
      storage, byteOffset: tensor.byteOffset, extents: isScalar ? [1] : tensor.shape.dimensions,
      strides: isScalar ? [0] : tensor.strides, elementByteCount: tensor.element.byteCount)
  }

  /// Makes sure that the storage is as it was written.
  ///
  /// - Throws: `corrupt` or `inputOutput`.
  func confirm() throws(CheckpointError) {
    do throws(CheckpointError) { try storage.confirm() } catch {
      throw error.in(file: info.file, tensor: info.name)
    }
  }

  /// Copies a region, little-endian.
  ///
  /// - Throws: what reading the storage throws.
  func read(_ region: MatrixRegion, into destination: MatrixBuffer) throws(CheckpointError) {
    guard region.cellCount > 0 else { return }
    do throws(CheckpointError) {
      if isContiguous {
        try storage.read(
          matrixAt: tensor.byteOffset, geometry, region, into: destination)
      } else {
        try strided.read(region, into: destination)
      }
    } catch { throw error.in(file: info.file, tensor: info.name) }
    if swappedByteCount > 1 {
      wb_swap_rows(
        destination.base, destination.rowStride, region.rows.count,
        region.columns.count * geometry.cellByteCount, swappedByteCount)
    }
  }
}
