import CheckpointFormats
import TensorEvaluation
import TensorModel

/// The scales of whole tensors, which NVFP4 has beside those of groups: with them the largest scale of a group is the largest E4M3.
///
/// They depend on all values, so that these are read once before anything is written. Weights of what vLLM makes one layer of have one scale, the smallest
/// of theirs, as llmcompressor has it. Where better scales are asked for, that of a tensor is searched for, too.
struct TensorScales {
  private var scales: [ExactName: Float] = [:]

  /// Reads matrices.
  ///
  /// - Parameters:
  ///   - matrices: that have such scales.
  ///   - planner: of the source.
  ///   - methods: how each will be quantized.
  /// - Throws: what reading throws.
  init(
    _ matrices: [CompressedTensorsCandidate], _ planner: Planner, _ methods: [QuantizationMethod]
  ) throws(CheckpointError) {
    guard !matrices.isEmpty else { return }
    var tasks: [EvaluationTask] = []
    for matrix in matrices {
      tasks.append(
        EvaluationTask(
          name: matrix.tensor.name,
          expression: try CompiledExpression(matrix.expression, in: planner.source.checkpoint)))
    }
    let values = StatisticsCollector(matrices.map(\.type.dtype))
    try EvaluationPipeline(planner.source.reader, planner.resources).run(
      tasks, DigestCollector(statistics: values))
    var units: [TensorScaleSearch.Unit] = []
    var shared: [FusedLayer: Int] = [:]
    for (place, matrix) in matrices.enumerated() {
      let found = values.statistics(of: place)
      let largest = max(abs(found?.minimum ?? 0), abs(found?.maximum ?? 0))
      let scale = Self.scale(Float(largest), matrix.type.dtype)
      if let layer = matrix.quantization.fused, let unit = shared[layer] {
        units[unit].members.append(place)
        units[unit].scale = min(units[unit].scale, scale)
        continue
      }
      if let layer = matrix.quantization.fused { shared[layer] = units.count }
      units.append(.init(members: [place], scale: scale))
    }
    let best =
      methods.contains { $0.quality != .plain }
      ? try TensorScaleSearch(Array(zip(matrices, methods)), planner).scales(units)
      : units.map(\.scale)
    for (unit, scale) in zip(units, best) {
      for member in unit.members { scales[ExactName(matrices[member].tensor.name)] = scale }
    }
  }

  /// The scale of a tensor; nil for those that have none.
  subscript(name: String) -> Float? { scales[ExactName(name)] }

  /// 448 · 6 / largest, as PyTorch divides a number by a tensor: times the inverse, each rounded to the dtype (compressed-tensors, `generate_gparam`).
  ///
  /// Where that is more than the dtype has it is rounded to F32 only; 1 for a tensor of zeros.
  private static func scale(_ largest: Float, _ dtype: DType) -> Float {
    guard largest > 0 else { return 1 }
    for dtype in [dtype, .f32] {
      let scale = dtype.rounded(dtype.rounded(1 / largest) * (448 * 6))
      if scale.isFinite, scale > 0 { return scale }
    }
    return largest > 1 ? .leastNormalMagnitude : .greatestFiniteMagnitude
  }
}
