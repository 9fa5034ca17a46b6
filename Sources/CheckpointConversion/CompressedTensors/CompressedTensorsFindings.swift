import CheckpointFormats
import Quantization
import TensorModel

/// What a person should know of a model that is written for vLLM and transformers.
struct CompressedTensorsFindings {
  /// All tensors of the model.
  let candidates: [CompressedTensorsCandidate]
  /// What they are made of.
  let checkpoint: Checkpoint

  /// All that is said.
  var all: [Finding] { fusion() + loading() + experts() }

  private func experts() -> [Finding] {
    let stacked = candidates.filter(\.isOfStackedExperts)
    let (blocks, floats) = (
      stacked.filter(\.tensor.expression.isOfMXFP4),
      stacked.filter { !$0.tensor.expression.isOfMXFP4 }
    )
    let fact = "experts that are one tensor for all of a layer are no linear layers"
    var findings: [Finding] = []
    if let first = floats.first {
      findings.append(
        Finding(
          .warning, "experts-unquantized", "\(fact): they stay floats", tensor: first.tensor.name))
    }
    if let first = blocks.first {
      let sources = Set(blocks.flatMap(\.tensor.expression.sources).map { ExactName($0) })
      let before = checkpoint.tensors.reduce(0) {
        $0 + (sources.contains(ExactName($1.name)) ? $1.byteCount : 0)
      }
      let after = blocks.reduce(0) { total, candidate in
        total + candidate.type.geometry.rows * candidate.type.geometry.rowByteCount
      }
      findings.append(
        Finding(
          .warning, "experts-unquantized",
          "\(fact): \(counted(blocks.count, "tensor")) of MXFP4 \(blocks.count == 1 ? "becomes" : "become") \(first.type.dtype.rawValue), \(humanSize(after)) instead of \(humanSize(before)); GGUF keeps the blocks",
          tensor: first.tensor.name))
    }
    return findings
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
