import CHDF5
public import TensorModel

/// How a dtype is stored in HDF5.
///
/// F16 is IEEE binary16, BF16 a float of 1+8+7 bits, C64 a compound `{r, i}` as h5py reads and writes complex numbers. The 8-bit and smaller floats are
/// unsigned bytes: as HDF5 floats their NaN and top codes would read wrongly. BOOL is an unsigned byte, 0 or 1. The attribute `dtype` has the
/// name.
public enum HDF5Storage {
  /// The extents of the dataset: those of the tensor, or one of whole bytes for packed floats.
  public static func extents(_ dtype: DType, _ shape: Shape) -> [Int] {
    guard dtype.blockElementCount > 1 else { return shape.dimensions }
    return [shape.elementCount / dtype.blockElementCount * dtype.blockByteCount]
  }

  /// Bytes of one element of the dataset.
  public static func elementByteCount(_ dtype: DType) -> Int {
    dtype.blockElementCount > 1 ? 1 : dtype.blockByteCount
  }

  /// A type identifier of its own for a dtype.
  static func type(_ dtype: DType, _ path: String) throws(CheckpointError) -> HDF5Identifier {
    switch dtype {
    case .f16: return try float(precision: 16, exponent: 5, fraction: 10, bias: 15, path)
    case .bf16: return try float(precision: 16, exponent: 8, fraction: 7, bias: 127, path)
    case .c64:
      let compound = try HDF5Identifier(
        H5Tcreate(H5T_COMPOUND, 8), "create a type in", path, release: H5Tclose)
      for (offset, name) in ["r", "i"].enumerated() {
        try HDF5.check(
          H5Tinsert(compound.value, name, offset * 4, wb_h5_ieee_f32le()), "create a type in", path)
      }
      return compound
    default:
      return try HDF5Identifier(
        H5Tcopy(standardType(dtype)), "create a type in", path, release: H5Tclose)
    }
  }

  private static func standardType(_ dtype: DType) -> hid_t {
    switch dtype {
    case .f32: wb_h5_ieee_f32le()
    case .f64: wb_h5_ieee_f64le()
    case .i8: wb_h5_i8le()
    case .i16: wb_h5_i16le()
    case .i32: wb_h5_i32le()
    case .i64: wb_h5_i64le()
    case .u16: wb_h5_u16le()
    case .u32: wb_h5_u32le()
    case .u64: wb_h5_u64le()
    default: wb_h5_u8le()
    }
  }

  /// A little-endian float with its sign in the highest bit, made from binary32 by shrinking it.
  private static func float(
    precision: Int, exponent: Int, fraction: Int, bias: Int, _ path: String
  ) throws(CheckpointError) -> HDF5Identifier {
    let type = try HDF5Identifier(
      H5Tcopy(wb_h5_ieee_f32le()), "create a type in", path, release: H5Tclose)
    let fields = H5Tset_fields(type.value, precision - 1, fraction, exponent, 0, fraction)
    let results = [
      fields, H5Tset_precision(type.value, precision), H5Tset_size(type.value, precision / 8),
      H5Tset_ebias(type.value, bias),
    ]
    for result in results { try HDF5.check(result, "create a type in", path) }
    return type
  }
}
