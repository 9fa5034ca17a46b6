import TensorEvaluation
import TensorModel

/// What is said when values don't fit the output dtype.
enum OverflowError {
  /// The error, with the first such value and where it stands.
  ///
  /// - Throws: what reading the source throws.
  static func error(
    _ group: ConversionPlan.OutputGroup, _ report: CastReport, _ reader: any CheckpointReader
  ) throws(CheckpointError) -> CheckpointError {
    let first = try Overflow.first(in: group.expression, reader)
    let place = first.map { "[\($0.index.map(String.init).joined(separator: ", "))]" } ?? "?"
    let value =
      first.map {
        $0.value == $0.value.rounded() && abs($0.value) < 1e15
          ? String(Int($0.value)) : String($0.value)
      } ?? "?"
    let dtype = group.castDType
    return CheckpointError(
      .overflow,
      "\(counted(report.overflowCount, "value")) would become infinite in \(dtype.rawValue); the first is \(value) at \(place)",
      tensor: group.name,
      hint:
        "\(group.quantization == nil ? remedy(dtype, first?.value) : "--tensor-type 'NAME=f32' has room for it"); --allow-overflow writes infinities"
    )
  }

  /// A dtype that the value fits, for the hint.
  private static func remedy(_ dtype: DType, _ value: Double?) -> String {
    let size = abs(value ?? .infinity)
    if dtype == .f16 && size < 3.38e38 { return "--dtype bf16 or f32 has room for it" }
    if dtype != .f32 && size <= Double(Float.greatestFiniteMagnitude) {
      return "--dtype f32 has room for it"
    }
    return "--dtype keep leaves it as it is"
  }
}
