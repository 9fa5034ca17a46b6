import CheckpointFormats
import Quantization
import TensorEvaluation
import TensorModel

/// A search for better scales of whole tensors than 448 · 6 / largest: where the largest scale of a group isn't the largest E4M3, the scales of all groups fall
/// on other numbers.
///
/// Every candidate is tried on all values, with codes and scales of groups as they will be made for it. The plain scale stays unless another one has clearly
/// the smaller sum of squared errors, so that the order of additions decides nothing.
struct TensorScaleSearch {
  /// What plain scales are multiplied with: below 1 the largest scales of groups become smaller than E4M3 allows, above 1 the largest weights are cut off.
  static let factors: [Float] = [1.25, 1.125, 0.9375, 0.875, 0.8125, 0.75, 0.625]
  /// By what share an error has to be smaller.
  static let margin = 1e-4

  /// Weights that have one scale: their places, and the scale.
  struct Unit {
    var members: [Int]
    var scale: Float
  }

  private let matrices: [(CompressedTensorsCandidate, QuantizationMethod)]
  private let planner: Planner

  /// - Parameters:
  ///   - matrices: the weights, and how they will be quantized.
  ///   - planner: of the source.
  init(
    _ matrices: [(CompressedTensorsCandidate, QuantizationMethod)], _ planner: Planner
  ) {
    (self.matrices, self.planner) = (matrices, planner)
  }

  /// The best scale of each unit.
  ///
  /// - Parameter units: with their plain scales; each weight in one.
  /// - Returns: a scale for each.
  /// - Throws: what reading throws.
  func scales(_ units: [Unit]) throws(CheckpointError) -> [Float] {
    var best = units.map(\.scale)
    var least = try errors(units, best)
    for factor in Self.factors {
      let candidates = units.map { $0.scale * factor }
      guard candidates.allSatisfy({ $0.isFinite && $0 > 0 }) else { continue }
      for (place, error) in try errors(units, candidates).enumerated()
      where error < least[place] * (1 - Self.margin) {
        (best[place], least[place]) = (candidates[place], error)
      }
    }
    return best
  }

  /// Sums of squared errors, weighed where importances are known.
  private func errors(_ units: [Unit], _ scales: [Float]) throws(CheckpointError) -> [Double] {
    var tasks: [EvaluationTask] = []
    for (unit, scale) in zip(units, scales) {
      for member in unit.members {
        let (candidate, method) = matrices[member]
        guard let format = candidate.format else { continue }
        let weight = StoredWeight(
          packing: candidate.expression, candidate.type, format.scaled(by: scale),
          named: candidate.tensor.name, candidate.quantization, method
        ) { candidate.name(of: $0, format) }
        tasks.append(
          EvaluationTask(
            name: weight.name,
            expression: try CompiledExpression(weight.expression, in: planner.source.checkpoint),
            parts: weight.rowParts))
      }
    }
    let results = DigestCollector()
    try EvaluationPipeline(planner.source.reader, planner.resources).run(tasks, results)
    var place = 0
    return units.map { unit in
      unit.members.reduce(0) { sum, _ in
        let errors = results[place]?.report.quantization
        place += 1
        return sum + (errors?.weighted?.squaredError ?? errors?.squaredError ?? 0)
      }
    }
  }
}
