import Foundation
import Quantization
import TensorModel

/// How much errors in each kind of weight count, measured.
///
/// The model is run beside the source with one kind after another in the types of a choice, and all else as exact as it can be. What that costs predictions, over
/// what it was expected to cost, says how much the kind counts. Divergences of small errors that have nothing to do with each other add up, as squares of errors
/// do; so what each kind costs alone says what a choice costs.
struct KindTrial {
  /// What expected costs of each kind are to be multiplied by; 1 on average.
  let factors: [WeightKind: Double]

  /// The same for people and programs, in the order of the file.
  let record: [SizeTargetRecord.Sensitivity]

  /// Beyond this a kind's factor says more of what was run than of the kind.
  private static let largestFactor = 1000.0

  /// Runs the kinds; nil where there is nothing to compare: a single kind, or a model that computes no numbers.
  ///
  /// - Parameters:
  ///   - units: whose costs are estimates.
  ///   - choice: of their options.
  ///   - measured: the model.
  ///   - request: what was asked for.
  ///   - job: whose validator runs them.
  ///   - progress: told of bytes that are made.
  /// - Throws: what planning, reading and running throw.
  init?(
    _ units: ChoiceUnits, around choice: [Int], _ measured: MeasuredTypes,
    _ request: QuantizationRequest, _ job: ConversionRequest, _ progress: WorkProgress
  ) throws(CheckpointError) {
    let exact = units.exact
    let kinds = units.kinds.filter { units.cost(units.quantizing($0, around: choice)) > 0 }
    guard kinds.count > 1 else { return nil }
    let choices = kinds.map { units.quantizing($0, around: choice) } + [exact]
    var requests: [QuantizationRequest] = []
    for choice in choices {
      let types = units.types(choice)
      var trial = try request.giving(types, measured)
      // Importances that nothing heeds would be refused as those of another model.
      if !measured.hasImportances(types) { trial.importance = nil }
      requests.append(trial)
    }
    let divergences = try SizeTrial(requests, presets: [], job, progress).choices
    // What is quantized already can't be exact.
    let least = divergences[kinds.count]
    guard least.isFinite else { return nil }
    var ratios: [WeightKind: Double] = [:]
    for (place, kind) in kinds.enumerated() {
      let expected = units.cost(choices[place]) - units.cost(exact)
      let ratio = (divergences[place] - least) / expected
      if ratio.isFinite, ratio > 0 { ratios[kind] = ratio }
    }
    let factors = Self.scaled(ratios)
    guard factors.count > 1 else { return nil }
    self.factors = factors
    record = kinds.compactMap { kind in
      factors[kind].map { factor in
        SizeTargetRecord.Sensitivity(
          kind: kind.purpose.rawValue, firstLayer: kind.layers?.first, lastLayer: kind.layers?.last,
          factor: factor.sixDigits)
      }
    }
  }

  /// The same with a geometric mean of 1.
  static func scaled(_ ratios: [WeightKind: Double]) -> [WeightKind: Double] {
    // In one order, so that sums are the same.
    let mean = exp(
      ratios.values.map { log($0) }.sorted().reduce(0, +) / Double(max(1, ratios.count)))
    return ratios.mapValues { min(max($0 / mean, 1 / largestFactor), largestFactor) }
  }
}
