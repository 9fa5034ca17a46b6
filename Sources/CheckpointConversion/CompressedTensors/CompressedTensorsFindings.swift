import Quantization
import TensorModel

/// What a person should know of a model that is written for vLLM and transformers.
struct CompressedTensorsFindings {
  /// All tensors of the model.
  let candidates: [CompressedTensorsCandidate]

  /// All that is said.
  var all: [Finding] { fusion() + loading() + experts() }

  private func experts() -> [Finding] {
    guard let stacked = candidates.first(where: \.isOfStackedExperts) else { return [] }
    return [
      Finding(
        .warning, "experts-unquantized",
        "experts that are one tensor for all of a layer are no linear layers: they stay floats",
        tensor: stacked.tensor.name)
    ]
  }

  /// What transformers doesn't run as it is.
  private func loading() -> [Finding] {
    func first(_ isMeant: (PackedFormat, TensorType) -> Bool) -> String? {
      candidates.first { candidate in
        candidate.format.map { isMeant($0, candidate.type) } ?? false
      }?.tensor.name
    }
    var findings: [Finding] = []
    if let name = first({ $0.scales != nil && $1.dtype != .bf16 }) {
      findings.append(
        Finding(
          .warning, "values-bf16",
          "transformers makes BF16 of this format and doesn't run it in a model of another dtype: convert the model to bf16 before",
          tensor: name))
    }
    if let name = first({ format, type in
      format.rowCount > 1 && !(type.shape.dimensions.last ?? 0).isMultiple(of: format.rowCount)
    }) {
      findings.append(
        Finding(
          .warning, "block-margin",
          "transformers takes activations in groups of 128 here, and doesn't run layers of other widths: fp8 has no groups",
          tensor: name))
    }
    return findings
  }

  /// What vLLM makes one layer of has one format.
  private func fusion() -> [Finding] {
    var types: [FusedLayer: Set<WeightType>] = [:]
    var first: String?
    for candidate in candidates {
      guard let layer = candidate.place.flatMap(FusedLayer.init) else { continue }
      types[layer, default: []].insert(
        candidate.format.map { .packed($0) } ?? .dtype(.f32))
      if types[layer, default: []].count > 1, first == nil { first = candidate.tensor.name }
    }
    guard let first else { return [] }
    return [
      Finding(
        .warning, "fused-layers-differ",
        "queries, keys and values are one layer for vLLM, and so are gate and up, and all experts: it doesn't load what has several types there",
        tensor: first)
    ]
  }
}
