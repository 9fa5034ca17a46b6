import CheckpointFormats
import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// Results of the tensors, by their place in the plan.
final class TensorResults: Sendable {
  private let claims: Mutex<[Journal.Claim?]>

  init(count: Int) { claims = Mutex(Array(repeating: nil, count: count)) }

  func set(_ claim: Journal.Claim) { claims.withLock { $0[claim.tensor] = claim } }

  subscript(place: Int) -> Journal.Claim? { claims.withLock { $0[place] } }
}

/// Writes evaluated tensors to their places and records them.
struct TensorWriter: EvaluationConsumer {
  let plan: ConversionPlan
  /// The tasks' places in the plan.
  let places: [Int]
  let files: [OutputFile]
  let journal: Journal
  let results: TensorResults
  let reader: any CheckpointReader
  let progress: @Sendable (Int) -> Void

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    guard let base = slab.bytes.baseAddress, !slab.bytes.isEmpty else { return true }
    let tensor = plan.tensors[places[slab.index]]
    let isWritten = try files[tensor.file].append(
      at: tensor.byteOffset + slab.byteOffset, from: base, count: slab.bytes.count,
      waiting: waiting)
    if isWritten { progress(slab.bytes.count) }
    return isWritten
  }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    let place = places[tensor.index]
    if tensor.report.overflowCount > 0 && !plan.settings.allowOverflow {
      throw try overflowError(plan.tensors[place], tensor.report)
    }
    let claim = Journal.Claim(
      tensor: place, digest: tensor.digest, rounded: tensor.report.roundedCount,
      ulp: tensor.report.largestErrorUlp, overflows: tensor.report.overflowCount)
    try journal.record(claim)
    results.set(claim)
  }

  private func overflowError(
    _ tensor: ConversionPlan.PlannedTensor, _ report: CastReport
  ) throws(CheckpointError) -> CheckpointError {
    let first = try Overflow.first(in: tensor.expression, reader)
    let place = first.map { "[\($0.index.map(String.init).joined(separator: ", "))]" } ?? "?"
    let value =
      first.map {
        $0.value == $0.value.rounded() && abs($0.value) < 1e15
          ? String(Int($0.value)) : String($0.value)
      } ?? "?"
    let dtype = tensor.type.dtype
    return CheckpointError(
      .overflow,
      "\(report.overflowCount) value\(report.overflowCount == 1 ? "" : "s") would become infinite in \(dtype.rawValue); the first is \(value) at \(place)",
      tensor: tensor.name,
      hint: "\(remedy(dtype, first?.value)); --allow-overflow writes infinities"
    )
  }

  /// A dtype that the value fits, for the hint.
  private func remedy(_ dtype: DType, _ value: Double?) -> String {
    let size = abs(value ?? .infinity)
    if dtype == .f16 && size < 3.38e38 { return "--dtype bf16 or f32 has room for it" }
    if dtype != .f32 && size <= Double(Float.greatestFiniteMagnitude) {
      return "--dtype f32 has room for it"
    }
    return "--dtype keep leaves it as it is"
  }
}
