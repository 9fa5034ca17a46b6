import CheckpointConversion
import Foundation
import ModelArchitectures
import Quantization
import TensorModel

extension QuantizationPage {
  /// A tensor, as tables show it.
  struct TensorRow {
    /// The row's id in the table of all tensors; nil where nothing points to it.
    let anchor: String?
    let name: String
    let type: String
    let source: String
    let shape: String
    let bits: String
    let why: String
    let error: String
    let plain: String
    let ratio: String
    let largest: String
    let place: String
    let cosine: String
    let zeros: String

    /// A tensor's row.
    ///
    /// - Parameters:
    ///   - tensor: what it shows.
    ///   - place: the tensor's in the file.
    ///   - scheme: of the quantization.
    ///   - substitution: the type that was wanted; nil if the tensor has it.
    ///   - isLinked: whether other tables point to it.
    init(
      _ tensor: QuantizationReport.Tensor, _ place: Int, _ scheme: QuantizationScheme,
      _ substitution: QuantizationReport.Substitution?, isLinked: Bool
    ) {
      anchor = isLinked ? "t\(place)" : nil
      name = tensor.name
      type = tensor.dtype.name
      source = tensor.sourceType
      shape = tensor.shape.dimensions.map(String.init).joined(separator: " × ")
      bits = Self.bits(tensor.byteCount, tensor.shape.elementCount)
      why =
        substitution.map { "instead of \($0.wanted.name)" }
        ?? QuantizationText.reason(tensor, scheme)
      let errors = tensor.errors
      error =
        errors.map { threeDigitsInColumn($0.relativeRmse) }
        ?? tensor.largestErrorUlp.map { $0 == 0 ? "exact" : "\(threeDigits($0)) ulp" } ?? ""
      plain = errors?.defaultRelativeRmse.map(threeDigitsInColumn) ?? ""
      ratio = errors?.signalToNoiseDb.map { String(format: "%.1f", $0) } ?? ""
      largest = errors.map { threeDigitsInColumn($0.largestError) } ?? ""
      self.place =
        errors.map { $0.largestErrorIndex.map(String.init).joined(separator: ", ") } ?? ""
      cosine = errors.map { String(format: "%.6f", $0.cosine) } ?? ""
      zeros =
        errors.map { errors in
          errors.flushedBlockCount == 0
            ? grouped(errors.zeroBlockCount)
            : "\(grouped(errors.zeroBlockCount)), \(grouped(errors.flushedBlockCount)) flushed"
        } ?? ""
    }

    /// Bits for each of some weights.
    static func bits(_ byteCount: Int, _ count: Int) -> String {
      count == 0 ? "" : String(format: "%.4g", Double(byteCount) * 8 / Double(count))
    }
  }

  /// Tensors of a kind that get the same type instead of the same other one.
  struct SubstitutionRow {
    let name: String
    let layers: String
    let tensors: String
    let wanted: String
    let type: String
    let columns: String
    let block: String

    private struct Key: Hashable {
      let kind: String
      let isLayered: Bool
      let wanted: WeightType
      let type: WeightType
      let columns: Int
    }

    /// Substitutions, those of a kind together, in the order of the file.
    static func rows(_ substitutions: [QuantizationReport.Substitution]) -> [SubstitutionRow] {
      var order: [Key] = []
      var members: [Key: [QuantizationReport.Substitution]] = [:]
      for substitution in substitutions {
        let place = WeightPlace(named: substitution.name)
        let key = Key(
          kind: place.kind, isLayered: place.layer != nil, wanted: substitution.wanted,
          type: substitution.dtype, columns: substitution.columns)
        if members[key, default: []].isEmpty { order.append(key) }
        members[key, default: []].append(substitution)
      }
      return order.map { key in
        let group = members[key] ?? []
        return SubstitutionRow(
          name: key.kind, layers: ranges(group.compactMap { WeightPlace(named: $0.name).layer }),
          tensors: grouped(group.count), wanted: key.wanted.name, type: key.type.name,
          columns: grouped(key.columns), block: "\(key.wanted.groupSize ?? key.columns)")
      }
    }
  }
}
