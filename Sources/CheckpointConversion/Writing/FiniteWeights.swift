import CTensorKernels
import TensorEvaluation
import TensorModel

/// Weights that aren't made blocks where others are: these are looked at as they are written.
enum FiniteWeights {
  /// Makes sure that there are only finite numbers in a slab of floats; infinities may be of a cast's making.
  ///
  /// - Throws: `malformed` with the first that is none.
  static func require(
    _ slab: EvaluatedSlab, _ group: ConversionPlan.OutputGroup
  ) throws(CheckpointError) {
    // What consists of several parts was looked at when it was made.
    guard let quantization = group.quantization, group.parts.count == 1,
      case let tensor = group.parts[0], let type = statisticsType(tensor.type.dtype)
    else { return }
    // Infinities that a cast makes are counted, and allowed or not, where it ends.
    let mayOverflow = tensor.type.dtype != .f32 || quantization.values.dtype == .f64
    let size = tensor.type.dtype.blockByteCount
    var found = wb_statistics()
    wb_statistics_begin(&found)
    wb_statistics_add(type, slab.bytes.baseAddress, slab.bytes.count / size, &found)
    let isFine = mayOverflow ? found.nan_count == 0 : found.finite_count == found.count
    guard !isFine else { return }
    var place = 0
    var one = wb_statistics()
    repeat {
      wb_statistics_begin(&one)
      wb_statistics_add(type, slab.bytes.baseAddress.map { $0 + place * size }, 1, &one)
      place += 1
    } while mayOverflow ? one.nan_count == 0 : one.finite_count == 1
    let index = tensor.type.shape.indexText(of: slab.byteOffset / size + place - 1)
    throw CheckpointError(
      .malformed, "a weight is NaN or infinite", tensor: tensor.name,
      found: "\(one.nan_count > 0 ? "NaN" : "an infinity") at \(index)",
      hint: "the source is damaged, or has weights that were never trained")
  }

  private static func statisticsType(_ dtype: DType) -> wb_stat_type? {
    switch dtype {
    case .f32: WB_STAT_F32
    case .f16: WB_STAT_F16
    case .bf16: WB_STAT_BF16
    default: nil
    }
  }
}
