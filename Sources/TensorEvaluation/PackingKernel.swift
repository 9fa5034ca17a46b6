import CTensorKernels
import TensorModel

/// The kernels of a packed format, with scales of a dtype.
enum PackingKernel {
  case mlx(wb_mlx_format)
  case compressedTensors(wb_ct_format)

  /// Those of a format; nil for dtypes that aren't packed, and without the tensor's scale where there must be one.
  init?(_ format: PackedFormat, _ dtype: DType) {
    guard let float = dtype.kernelType, float != WB_F64 else { return nil }
    switch format.arithmetic {
    case .mlx:
      guard let mode = format.coding.mlxMode else { return nil }
      self = .mlx(
        wb_mlx_format(
          mode: mode, bits: UInt32(format.bits), group: UInt32(format.groupSize ?? 0),
          dtype: float))
    case .compressedTensors:
      guard let mode = format.coding.compressedTensorsMode,
        format.tensorScale != nil || !format.hasTensorScale
      else { return nil }
      self = .compressedTensors(
        wb_ct_format(
          mode: mode, bits: UInt32(format.bits),
          word_bits: UInt32(format.codes.blockByteCount * 8), group: UInt32(format.groupSize ?? 0),
          rows: UInt32(format.rowCount), dtype: float, tensor_scale: format.tensorScale ?? 1))
    }
  }

  /// Bytes of a packed row of so many weights.
  func rowByteCount(_ columns: Int) -> Int {
    switch self {
    case .mlx(let format): wb_mlx_row_byte_count(format, columns)
    case .compressedTensors(let format): wb_ct_row_byte_count(format, columns)
    }
  }

  /// Packs rows, which are `stride` bytes apart then.
  func quantize(
    _ values: UnsafePointer<Float>, rows: Int, columns: Int, _ packed: UnsafeMutableRawPointer,
    _ stride: Int
  ) {
    switch self {
    case .mlx(let format): wb_mlx_quantize(format, values, rows, columns, packed, stride)
    case .compressedTensors(let format):
      wb_ct_quantize(format, values, rows, columns, packed, stride)
    }
  }

  /// Puts better scales and codes in the stead of those that `quantize` made of the same rows, where there are any.
  func refine(
    _ values: UnsafePointer<Float>, rows: Int, columns: Int, _ importance: ColumnImportance?,
    _ packed: UnsafeMutableRawPointer, _ stride: Int
  ) {
    func refine(_ importance: UnsafePointer<Float>?) {
      switch self {
      case .mlx(let format):
        wb_mlx_refine(wb_best_level(), format, values, rows, columns, importance, packed, stride)
      case .compressedTensors(let format):
        wb_ct_refine(wb_best_level(), format, values, rows, columns, importance, packed, stride)
      }
    }
    guard let importance else { return refine(nil) }
    importance.values.withUnsafeBufferPointer { refine($0.baseAddress) }
  }

  /// The values that a packed row stands for.
  func dequantize(
    _ packed: UnsafeRawPointer, columns: Int, _ values: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .mlx(let format): wb_mlx_dequantize(format, packed, 0, 1, columns, values)
    case .compressedTensors(let format): wb_ct_dequantize(format, packed, 0, 1, columns, values)
    }
  }
}

extension PackedFormat.Coding {
  fileprivate var mlxMode: wb_mlx_mode? {
    switch self {
    case .affine: WB_MLX_AFFINE
    case .mxfp4: WB_MLX_MXFP4
    case .nvfp4: WB_MLX_NVFP4
    case .mxfp8: WB_MLX_MXFP8
    case .symmetric, .fp8: nil
    }
  }

  fileprivate var compressedTensorsMode: wb_ct_mode? {
    switch self {
    case .symmetric: WB_CT_INTEGERS
    case .fp8: WB_CT_E4M3
    case .mxfp4: WB_CT_MXFP4
    case .nvfp4: WB_CT_NVFP4
    case .mxfp8: WB_CT_MXFP8
    case .affine: nil
    }
  }
}

extension PackedFormat {
  /// Whether scales reach as far as values do: floats of 8 bits don't, unless a scale of the tensor does.
  var scalesHaveRange: Bool { coding != .nvfp4 || hasTensorScale }
}
