import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorModel

/// The weights of a model as one of mlx-lm's models has them.
struct MLXTensors {
  /// In the order of the family's table.
  private(set) var weights: [StoredWeight] = []
  /// What a person should know.
  private(set) var findings: [Finding] = []

  private let planner: Planner
  private let graph: MLXGraph
  private let types: MLXTypes?
  private let importances: ModelImportances
  private let dtypes: ValueDTypes

  /// Takes all tensors of the model, which has been found to be sound.
  ///
  /// - Throws: what `Planner.expression` throws; `usage` for patterns that don't fit.
  init(_ planner: Planner, _ graph: MLXGraph) throws(CheckpointError) {
    self.planner = planner
    self.graph = graph
    dtypes = try ValueDTypes(planner)
    let model = try planner.source.model()
    let dimensions = graph.configuration.dimensions
    let head = model.placed[DecoderPlace(.weight(.head))]
    importances = try ModelImportances(
      planner.settings.quantization, graph.architecture, dimensions, planner.resources)
    types = planner.settings.quantization.map {
      MLXTypes($0, hasHead: head != nil || graph.model.head == .own)
    }
    let leftOut = try appendTable(of: model, dimensions)
    if graph.model.head == .own, head == nil,
      let embedding = model.placed[DecoderPlace(.tokenEmbedding)],
      let row = graph.architecture.row(.weight(.head))
    {
      try append(embedding, row.name(layer: nil), DecoderPlace(row.role))
    }
    appendZeroBiases(in: model)
    if let request = planner.settings.quantization {
      findings += try ChoiceFindings(request).findings(
        weights.lazy.compactMap { weight in weight.quantization.map { (weight.name, $0) } },
        remedy: Self.remedy)
      findings += try importances.findings(weights)
    }
    if let leftOut { findings.append(leftOut) }
  }

  /// Takes what the family's table has.
  ///
  /// - Returns: what is said of the rest; nil if there is none.
  private mutating func appendTable(
    of model: ModelContents, _ dimensions: Architecture.Dimensions
  ) throws(CheckpointError) -> Finding? {
    var names: Set<ExactName> = []
    let table = graph.architecture.tensors(dimensions, model.spelling)
    let further = graph.architecture.headTensors(dimensions).filter { !table.contains($0) }
    for tensor in [table, further].joined() {
      // What is tied is the embedding's, whatever else is stored.
      let isTiedHead =
        tensor.row.role == .weight(.head) && !dimensions.conditions.contains(.untiedHead)
      guard let found = model.placed[tensor.place], !isTiedHead || graph.model.head == .own else {
        continue
      }
      names.insert(ExactName(found.name))
      try append(found, tensor.name, tensor.place)
    }
    let unused = model.tensors.map { ExactName($0.name) }.filter { !names.contains($0) }
    guard let first = unused.min() else { return nil }
    return Finding(
      .warning, "tensor-left-out",
      "left out: \(counted(unused.count, "tensor")) that mlx-lm's model has no place for",
      tensor: first.text)
  }

  /// A scheme with groups that rows of these shapes fill; nil where they fill none.
  private static func remedy(_ shapes: [Shape]) -> String? {
    ["mlx-q4-g32", "mlx-nvfp4"].first { name in
      guard let type = QuantizationScheme(named: name)?.type else { return false }
      return shapes.allSatisfy { type.fits(columns: $0.dimensions.last ?? 0) }
    }.map { "choose a smaller group, such as that of --scheme \($0)" }
  }

  private mutating func append(
    _ tensor: CanonicalTensor, _ name: String, _ place: DecoderPlace
  ) throws(CheckpointError) {
    let role = place.role
    var (expression, shape) = (tensor.expression, tensor.shape)
    let written = graph.model.name(of: name)
    if graph.model.pairsHalves, let projection = role.projection,
      let permutation = graph.architecture.gguf?.permutation(projection, graph.configuration)
    {
      expression = .permuteRows(expression, permutation)
    }
    if case .weight(_, .inOut) = role {
      expression = expression.transposed
      shape = Shape(shape.dimensions.reversed())
    }
    let kept = dtypes.dtype(of: tensor)
    // MLX has no F64.
    let own: DType = kept == .f64 ? .f32 : kept
    let choice = try types?.choice(tensor.name, written, role, TensorType(own, shape))
    var dtype = own
    if let choice, let asked = choice.dtype { dtype = asked }
    let mapped = CanonicalTensor(
      name: tensor.name, shape: shape, dtype: dtype, expression: expression)
    let blocks = expression.uncastBlocks(planner.source.checkpoint.type)
    let quantization = choice.map {
      ConversionPlan.Quantization(
        choice: $0, values: TensorType(blocks?.dtype ?? tensor.dtype, shape))
    }
    if case .packed(let format) = choice?.type, let quantization,
      let reused = try StoredWeight.reused(
        blocks?.expression ?? expression, format, named: tensor.name, quantization, from: planner,
        partName: { Self.name(of: $0, written) })
    {
      weights.append(reused)
      return
    }
    expression = try Planner.expression(of: mapped, as: dtype, in: planner.source.checkpoint)
    weights.append(
      weight(
        tensor.name, written, expression, TensorType(dtype, shape), quantization,
        try importances.method(
          place, TensorType(dtype, shape), quantization?.choice.type.packedFormat)))
  }

  /// What a part of a weight is called.
  private static func name(of part: PackedFormat.Part, _ written: String) -> String {
    part == .codes ? written : "\(StoredWeight.module(of: written)).\(part.rawValue)"
  }

  private func weight(
    _ name: String, _ written: String, _ expression: TensorExpression, _ type: TensorType,
    _ quantization: ConversionPlan.Quantization?, _ method: QuantizationMethod = .plain
  ) -> StoredWeight {
    guard case .packed(let format) = quantization?.choice.type else {
      return StoredWeight(
        Planner.Output(name: written, type: type, expression: expression), named: name,
        quantization)
    }
    return StoredWeight(packing: expression, type, format, named: name, quantization, method) {
      Self.name(of: $0, written)
    }
  }

  /// Biases that the family doesn't have and mlx-lm's model adds.
  private mutating func appendZeroBiases(in model: ModelContents) {
    let dtype = weights.last?.parts[0].type.dtype ?? .f32
    for layer in 0..<graph.configuration.dimensions.layers {
      for projection in graph.model.zeroBiases {
        guard let row = graph.architecture.row(.weight(projection)),
          let weight = model.placed[DecoderPlace(row.role, layer)],
          let count = weight.shape.dimensions.first
        else { continue }
        let name = "\(StoredWeight.module(of: graph.model.name(of: row.name(layer: layer)))).bias"
        let type = TensorType(dtype, [count])
        weights.append(
          self.weight(
            name, name, .fill(FillValue(0), type), type,
            types.map { _ in .init(choice: .unquantized(dtype), values: type) }))
      }
    }
  }
}
