import CheckpointFormats
import FileContainers
import Quantization
import TensorModel

/// What a plan says of a quantization that its report needs, before anything is measured.
///
/// Parts of a conversion keep it beside them, so that the report of a merge needs neither the source nor the plan.
public struct QuantizationOutline: Sendable {
  let head: Head
  /// In the order of the file.
  let weights: [Weight]

  /// What there is once.
  struct Head: Sendable, Codable, Hashable {
    let scheme: QuantizationScheme
    let quality: QuantizationQuality
    let importance: QuantizationReport.ImportanceRecord?
    let moments: QuantizationReport.ImportanceRecord?
    let source: QuantizationReport.SourceRecord
  }

  /// A weight, whatever it is stored as.
  struct Weight: Sendable, Codable, Hashable {
    let name: String
    let type: WeightType
    /// What it would be if its rows filled blocks of that; nil where that is its type.
    let wanted: WeightType?
    let sourceDtype: DType
    let sourceCodes: String?
    let reuse: QuantizationReport.Tensor.Reuse?
    let shape: Shape
    /// With the bytes of what is copied beside it.
    var byteCount: Int
    let reason: TypeChoice.Reason
    /// Its tensors, as places among all.
    let tensors: Range<Int>
    /// What has to be of one type with it; nil where nothing has.
    let fused: FusedLayer?
  }

  init(head: Head, weights: [Weight]) {
    self.head = head
    self.weights = weights
  }

  /// The outline of a plan.
  ///
  /// - Parameters:
  ///   - plan: of a quantization.
  ///   - request: what was asked for.
  init(_ plan: ConversionPlan, _ request: QuantizationRequest) {
    // What is copied beside a weight counts as its bytes.
    var weights: [Weight] = []
    for (place, group) in plan.groups.enumerated() {
      if group.isCompanion {
        if !weights.isEmpty { weights[weights.count - 1].byteCount += group.byteCount }
      } else {
        weights.append(Weight(group, plan.places(of: place)))
      }
    }
    self.weights = weights
    head = Head(
      scheme: request.scheme, quality: request.quality,
      importance: request.importance.map { .init(digest: $0.digest, datasets: $0.datasets) },
      moments: request.moments.map { .init(digest: $0.digest, datasets: $0.datasets) },
      source: .init(
        format: plan.source.format, architecture: plan.source.architecture,
        bitsPerWeight: QuantizationReport.bits([
          (
            plan.storedByteCount * 8,
            plan.groups.reduce(0) {
              // What is made of nothing has no bits there.
              $0
                + ($1.isCompanion || $1.expression.sources.isEmpty
                  ? 0 : $1.valueShape.elementCount)
            }
          )
        ])))
  }
}

extension QuantizationOutline.Weight {
  fileprivate init(_ group: ConversionPlan.OutputGroup, _ tensors: Range<Int>) {
    let choice = group.quantization?.choice
    let dtype = group.parts[0].type.dtype
    name = group.name
    type = choice?.type ?? .dtype(dtype)
    wanted = choice.flatMap { $0.isSubstitution ? $0.wanted : nil }
    sourceDtype = group.codes?.dtype ?? group.quantization?.values.dtype ?? dtype
    sourceCodes = group.codes?.name
    if choice?.type.isQuantized == true, !group.isQuantizedAnew {
      reuse = group.parts.contains { $0.expression.isRepacked } ? .repacked : .kept
    } else {
      reuse = nil
    }
    shape = group.valueShape
    byteCount = group.byteCount
    reason = choice?.reason ?? .unquantized
    self.tensors = tensors
    fused = group.quantization?.fused
  }
}
