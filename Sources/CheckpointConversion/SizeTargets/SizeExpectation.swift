import FileContainers
import TensorModel

/// What a choice of types for a size should come to, and what is needed to say what it came to.
public struct SizeExpectation: Sendable, Codable, Hashable {
  /// What was asked for, and what it should come to.
  public let record: SizeTargetRecord
  let weights: [Weight]

  /// A weight that a type was chosen for.
  struct Weight: Sendable, Codable, Hashable {
    let name: String
    /// Σ x².
    let squaredValues: Double
  }

  /// The record with what was measured of the result.
  ///
  /// - Parameter report: of the conversion.
  /// - Returns: the record.
  public func measured(_ report: QuantizationReport) -> SizeTargetRecord {
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
