import FileContainers
import Quantization
import TensorEvaluation
import TensorModel

/// What a choice of types for a size should come to, and what is needed to say what it came to.
public struct SizeExpectation: Sendable, Codable, Hashable {
  /// What was asked for, and what it should come to.
  public let record: SizeTargetRecord
  let weights: [Weight]
  /// What was measured of the model, but for what is chosen.
  let points: [SizeCurve.Point]

  /// A weight that a type was chosen for.
  struct Weight: Sendable, Codable, Hashable {
    let name: String
    /// Σ x².
    let squaredValues: Double
    /// Types that make blocks of it.
    let types: [Option]
  }

  /// What a type makes of a weight.
  struct Option: Sendable, Codable, Hashable {
    let type: WeightType
    let byteCount: Int
    let relativeRmse: Double
  }

  /// Puts into a report what the choice came to, and what was measured for it.
  ///
  /// - Parameters:
  ///   - report: of the conversion, or of its plan.
  ///   - isWritten: whether errors of the result are known.
  public func complete(_ report: inout QuantizationReport, isWritten: Bool) {
    let record = isWritten ? measured(report) : record
    let found = record.measured ?? record.predicted
    report.target = record
    for weight in weights {
      for option in weight.types {
        report.measuredTypes.add(
          weight.name, option.type, byteCount: option.byteCount,
          relativeRmse: option.relativeRmse)
      }
    }
    report.curve = SizeCurve(
      .types,
      points + [
        SizeCurve.Point(
          role: .result, scheme: nil, byteCount: found.byteCount,
          bitsPerWeight: found.bitsPerWeight, relativeRmse: found.relativeRmse,
          klDivergence: report.validation?.meanKlDivergence)
      ])
  }

  /// The record with what was measured of the result.
  private func measured(_ report: QuantizationReport) -> SizeTargetRecord {
    let squaredValues = Dictionary(
      weights.map { (ExactName($0.name), $0.squaredValues) },
      uniquingKeysWith: { first, _ in first }
    )
    var record = record
    var (error, values) = (0.0, 0.0)
    for tensor in report.tensors {
      guard let squared = squaredValues[ExactName(tensor.name)] else { continue }
      let relative = tensor.errors?.relativeRmse ?? 0
      error += relative * relative * squared
      values += squared
    }
    record.measured = SizeTargetRecord.Figures(
      byteCount: report.byteCount, bitsPerWeight: report.bitsPerWeight,
      relativeRmse: (values > 0 ? (error / values).squareRoot() : 0).sixDigits)
    return record
  }
}

extension SizeExpectation.Weight {
  /// What was measured of a weight.
  init(_ weight: MeasuredTypes.Weight) {
    self.init(
      name: weight.name, squaredValues: weight.squaredValues,
      types: weight.entries.compactMap { entry in
        entry.errors.map {
          .init(
            type: entry.type, byteCount: entry.byteCount, relativeRmse: $0.relativeRMSE.sixDigits)
        }
      })
  }
}
