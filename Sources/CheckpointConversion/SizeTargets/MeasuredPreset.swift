import CheckpointFormats
import Quantization
import TensorModel

/// A scheme, by what was measured of its types.
struct MeasuredPreset {
  let scheme: QuantizationScheme
  let types: [WeightType]
  let byteCount: Int
  /// Of the format's own way.
  let squaredError: Double
  /// What that is expected to do to predictions.
  let cost: Double

  /// Nil for schemes that the model can't have, and for those with types that weren't measured.
  init?(
    _ scheme: QuantizationScheme, _ request: QuantizationRequest, _ measured: MeasuredTypes,
    _ source: Source, _ job: ConversionJob
  ) throws(CheckpointError) {
    var request = request
    request.scheme = scheme
    request.isStrict = false
    guard
      let plan = try ifUsable({ () throws(CheckpointError) in
        try job.plan(source, quantizing: request)
      })
    else { return nil }
    let chosen = Dictionary(
      plan.groups.compactMap { group in
        group.quantization.map { (ExactName(group.name), $0.choice.type) }
      }, uniquingKeysWith: { first, _ in first })
    let types = measured.weights.compactMap { chosen[ExactName($0.name)] }
    guard types.count == measured.weights.count,
      let error = measured.sumIfKnown(types, { $1.plainSquaredError }),
      let cost = measured.sumIfKnown(types, measured.plainCost)
    else { return nil }
    self.scheme = scheme
    self.types = types
    byteCount = plan.groups.reduce(0) { $0 + $1.byteCount }
    squaredError = error
    self.cost = cost
  }
}

extension MeasuredTypes {
  /// A sum over all weights in some types; nil where one wasn't measured.
  fileprivate func sumIfKnown(
    _ types: [WeightType], _ error: (Weight, Entry) -> Double
  ) -> Double? {
    var sum = 0.0
    for (weight, type) in zip(weights, types) {
      guard let entry = weight.entries.first(where: { $0.type == type }) else { return nil }
      sum += error(weight, entry)
    }
    return sum
  }

  /// Σ (x - y)² of all weights in types that were measured.
  func squaredError(_ types: [WeightType]) -> Double {
    sumIfKnown(types) { $1.squaredError } ?? 0
  }

  /// Size and error of the whole model.
  func figures(_ byteCount: Int, _ squaredError: Double) -> SizeTargetRecord.Figures {
    let values = weights.reduce(0) { $0 + $1.squaredValues }
    return SizeTargetRecord.Figures(
      byteCount: byteCount, bitsPerWeight: Double(byteCount * 8) / Double(max(1, weightCount)),
      relativeRmse: (values > 0 ? (squaredError / values).squareRoot() : 0).sixDigits)
  }
}
