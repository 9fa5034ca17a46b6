import CHDF5
import FileContainers
import TensorModel

/// How tensors are stored in HDF5: names, types and extents.
///
/// F16 is IEEE binary16, BF16 a float of 1+8+7 bits, C64 a compound `{r, i}` as h5py reads and writes complex numbers; all are
/// little-endian. The 8-bit and smaller floats are unsigned bytes: as HDF5 floats their NaN and top codes would read wrongly. BOOL is an
/// unsigned byte, 0 or 1. The attribute `dtype` of a dataset tells them apart.
public enum HDF5Storage {
  /// The group that holds all datasets.
  public static let groupName = "tensors"
  /// The group that holds datasets of differences to a base, of which no reader takes them for weights.
  public static let differenceGroupName = "differences"

  /// The longest name of a tensor, in bytes: object headers have room for attributes of 64 KiB.
  public static let maximumNameByteCount = 32 << 10
  /// The longest name of a link, in bytes: with `/tensors/` and a file's name, external links have room for 64 KiB.
  public static let maximumLinkNameByteCount = 60 << 10

  /// The name of a tensor's link in the group.
  public static func linkName(for tensorName: String) -> String { TensorLink.name(for: tensorName) }

  /// An identifier of its own for a dtype's type.
  static func type(_ dtype: DType, _ attempt: HDF5Attempt) throws(CheckpointError) -> HDF5Identifier
  {
    switch dtype {
    case .f16: return try float(precision: 16, exponent: 5, fraction: 10, bias: 15, attempt)
    case .bf16: return try float(precision: 16, exponent: 8, fraction: 7, bias: 127, attempt)
    case .c64:
      let compound = try attempt.own(H5Tcreate(H5T_COMPOUND, 8), H5Tclose)
      try attempt.check(H5Tinsert(compound.value, "r", 0, wb_h5_ieee_f32le()))
      try attempt.check(H5Tinsert(compound.value, "i", 4, wb_h5_ieee_f32le()))
      return compound
    default:
      return try attempt.own(H5Tcopy(standardType(dtype)), H5Tclose)
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

  /// A float with its sign in the highest bit, made from binary32 by shrinking it: first the fields, then what holds them.
  private static func float(
    precision: Int, exponent: Int, fraction: Int, bias: Int, _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> HDF5Identifier {
    let type = try attempt.own(H5Tcopy(wb_h5_ieee_f32le()), H5Tclose)
    try attempt.check(H5Tset_fields(type.value, precision - 1, fraction, exponent, 0, fraction))
    try attempt.check(H5Tset_precision(type.value, precision))
    try attempt.check(H5Tset_size(type.value, precision / 8))
    try attempt.check(H5Tset_ebias(type.value, bias))
    return type
  }
}
