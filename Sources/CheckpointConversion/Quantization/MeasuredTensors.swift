import Quantization
import TensorModel

/// What other types were measured to make of a model's tensors in a run, beside those that they have.
public struct MeasuredTensors: Sendable {
  /// Bytes and error of a tensor in a type.
  struct Figures: Sendable {
    let byteCount: Int
    let relativeRmse: Double
  }

  private struct Key: Hashable {
    let name: ExactName
    let type: WeightType
  }

  private var figures: [Key: Figures] = [:]

  /// Nothing.
  init() {}

  /// What is known of a tensor in a type; nil if it wasn't measured.
  subscript(name: String, type: WeightType) -> Figures? {
    figures[Key(name: ExactName(name), type: type)]
  }

  /// Takes in what was measured of a tensor.
  mutating func add(_ name: String, _ type: WeightType, byteCount: Int, relativeRmse: Double) {
    figures[Key(name: ExactName(name), type: type)] = Figures(
      byteCount: byteCount, relativeRmse: relativeRmse)
  }

  /// Takes in what a scheme makes of all tensors.
  mutating func add(_ report: QuantizationReport) {
    for tensor in report.tensors {
      guard let errors = tensor.errors else { continue }
      add(
        tensor.name, tensor.dtype, byteCount: tensor.byteCount, relativeRmse: errors.relativeRmse)
    }
  }
}
