/// What a checkpoint says about one stored tensor, and where its bytes lie.
public struct TensorInfo: Hashable, Sendable {
  /// The name, unique in its checkpoint.
  public let name: String
  /// The element type.
  public let dtype: DType
  /// The extents, outermost first.
  public let shape: Shape
  /// Bytes of the elements, row-major and packed.
  public let byteCount: Int
  /// The file that holds it, relative to the checkpoint.
  public let file: String
  /// What the tensor is for: weights, or state that only training needs.
  public let role: Role
  /// SHA-256 of the bytes as 64 hexadecimal digits, where the checkpoint says it; reading all of the tensor must give it.
  public let recordedDigest: String?
  /// The first tensor of the checkpoint that lies in the same storage, where it isn't the only one.
  public let sharesStorageWith: String?
  /// Whether neighbours in a row lie farther apart than neighbours in a column, so that few large regions read better than many small ones.
  public let isScattered: Bool

  /// Why a tensor is in the checkpoint.
  public enum Role: String, Sendable, Hashable {
    /// Part of the model.
    case weight
    /// Optimizer moments and counters.
    case optimizer
    /// The training step.
    case step
  }

  /// Describes a stored tensor.
  ///
  /// - Parameters:
  ///   - name: unique in the checkpoint.
  ///   - dtype: the element type.
  ///   - shape: checked extents.
  ///   - file: relative to the checkpoint.
  ///   - role: what it is for.
  ///   - recordedDigest: 64 hexadecimal digits, where the checkpoint has them.
  ///   - sharesStorageWith: the first tensor in the same storage.
  ///   - isScattered: whether rows are gathered from all over the storage.
  /// - Throws: `malformed` if the elements don't fill whole bytes or their size overflows.
  public init(
    name: String, dtype: DType, shape: Shape, file: String, role: Role = .weight,
    recordedDigest: String? = nil, sharesStorageWith: String? = nil, isScattered: Bool = false
  ) throws(CheckpointError) {
    // An extent of 0 doesn't hide an overflow, here either: a row has so many bytes even if there is none. The widest dtype has 8.
    if dtype.isBlockQuantized {
      guard let last = shape.dimensions.last, last % dtype.blockElementCount == 0 else {
        throw CheckpointError(
          .malformed, "rows that don't consist of whole blocks", file: file, tensor: name,
          expected: "a multiple of \(dtype.blockElementCount) columns",
          found: "\(dtype.rawValue) \(shape)")
      }
    }
    let rowElementCount = shape.dimensions.reduce(1) { $0 * max($1, 1) }
    guard let byteCount = dtype.byteCount(elementCount: shape.elementCount),
      rowElementCount <= Int.max / 8
    else {
      throw CheckpointError(
        .malformed, "elements don't fill whole bytes, or too many of them", file: file,
        tensor: name, found: "\(dtype.rawValue) \(shape)")
    }
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.byteCount = byteCount
    self.file = file
    self.role = role
    self.recordedDigest = recordedDigest
    self.sharesStorageWith = sharesStorageWith
    self.isScattered = isScattered
  }
}

/// A tensor seen as rows of cells: how regions of it are addressed.
///
/// Rows are the outermost dimension and a cell is an element. Tensors of rank 0 and 1 have one column; packed dtypes (F4, F6) and block formats
/// have a cell per block and one column, because their rows need not begin at a byte.
public struct MatrixGeometry: Hashable, Sendable {
  /// The number of rows.
  public let rows: Int
  /// Cells in a row.
  public let columns: Int
  /// Bytes of a cell.
  public let cellByteCount: Int

  /// The geometry of a tensor.
  public init(dtype: DType, shape: Shape) {
    cellByteCount = dtype.blockByteCount
    if dtype.blockElementCount > 1 || shape.rank < 2 {
      rows = shape.elementCount / dtype.blockElementCount
      columns = 1
    } else {
      rows = shape.dimensions[0]
      columns = shape.dimensions[1...].reduce(1, *)
    }
  }

  /// Bytes of a row.
  public var rowByteCount: Int { columns * cellByteCount }

  /// All of it.
  public var whole: MatrixRegion { MatrixRegion(rows: 0..<rows, columns: 0..<columns) }
}

/// Some rows and columns of a tensor.
public struct MatrixRegion: Hashable, Sendable {
  /// The rows, from 0.
  public var rows: Range<Int>
  /// The columns, from 0.
  public var columns: Range<Int>

  /// A region.
  public init(rows: Range<Int>, columns: Range<Int>) {
    self.rows = rows
    self.columns = columns
  }

  /// The number of cells in it.
  public var cellCount: Int { rows.count * columns.count }

  /// The same region of the transposed tensor.
  public var transposed: MatrixRegion { MatrixRegion(rows: columns, columns: rows) }
}

extension TensorType {
  /// The extents of the dataset that holds it: its own, or for packed dtypes the number of bytes.
  public var datasetExtents: [Int] {
    dtype.blockElementCount > 1
      ? [shape.elementCount / dtype.blockElementCount * dtype.blockByteCount] : shape.dimensions
  }

  /// Bytes of one element of that dataset.
  public var datasetElementByteCount: Int {
    dtype.blockElementCount > 1 ? 1 : dtype.blockByteCount
  }
}
