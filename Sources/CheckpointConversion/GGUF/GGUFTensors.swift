import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// The tensors of a model as one of llama.cpp's graphs has them.
struct GGUFTensors {
  /// In the order of the family's table.
  private(set) var outputs: [Planner.Output] = []
  /// What each is quantized to and why, if that was asked for.
  private(set) var quantizations: [ConversionPlan.Quantization] = []
  /// Tensors that the graph has no place for.
  private(set) var findings: [Finding] = []

  private let planner: Planner
  private let graph: GGUFGraph
  private var types: GGUFTypes?
  /// How much columns matter; nil if everywhere the same.
  let importances: GGUFImportances?

  /// Finds all tensors of the model.
  ///
  /// - Throws: `missing` for tensors that aren't there, `malformed` for others than the configuration says.
  init(_ planner: Planner, _ graph: GGUFGraph) throws(CheckpointError) {
    self.planner = planner
    self.graph = graph
    importances = planner.settings.quantization?.importance.map(GGUFImportances.init)
    var unused: [ExactName: CanonicalTensor] = [:]
    for tensor in try planner.source.model().tensors { unused[ExactName(tensor.name)] = tensor }
    let placed = graph.architecture.placedTensors(graph.configuration.dimensions)
    let head = graph.architecture.rows.first { $0.role == .weight(.head) }?.name
    if let request = planner.settings.quantization {
      let hasHead =
        graph.table.architecture == "gptneox" || placed.contains { $0.name == head }
        || head.map { unused[ExactName($0)] != nil } ?? false
      types = try GGUFTypes(request, graph, hasHead: hasHead)
    }
    for (name, shape, row, layer) in placed {
      let spelling = graph.architecture.spellings(of: name).first { unused[ExactName($0)] != nil }
      guard let spelling, let tensor = unused.removeValue(forKey: ExactName(spelling)) else {
        throw CheckpointError(
          .missing, "the model needs a tensor that the source doesn't have", tensor: name,
          expected: "\(shape)")
      }
      try append(tensor, row.role, layer)
    }
    try appendHead(&unused, placed.map(\.name))
    appendZeroBiases()
    appendRotaryDivisors()
    if let types { findings += try types.findings(quantizations, outputs) }
    if let importances { findings += try importances.findings(outputs) }
    if let first = unused.keys.min() {
      findings.append(
        Finding(
          .warning, "tensor-left-out",
          "left out: \(unused.count) tensors that the graph has no place for", tensor: first.text))
    }
  }

  /// `general.file_type`: what most weights are, by llama.cpp's numbers (llama.h, `llama_ftype`); of the mixes those with one type alone.
  var fileType: Int {
    if let scheme = planner.settings.quantization?.scheme { return scheme.fileType }
    var counts: [DType: Int] = [:]
    for output in outputs where output.type.shape.rank > 1 {
      counts[output.type.dtype, default: 0] += output.type.shape.elementCount
    }
    let main = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key
    // The schemes with a type of their own come first, mixes of it after.
    let scheme = QuantizationScheme.allCases.first { $0.type == main }
    return scheme?.fileType ?? main.flatMap { Self.otherFileTypes[$0] } ?? 0
  }

  /// Of types that no scheme has.
  private static let otherFileTypes: [DType: Int] = [.mxfp4: 38, .nvfp4: 39]

  private mutating func append(
    _ tensor: CanonicalTensor, _ role: DecoderRole, _ layer: Int?
  ) throws(CheckpointError) {
    var expression = tensor.expression
    var shape = tensor.shape
    if let permutation = role.projection.flatMap({
      graph.table.permutation($0, graph.configuration)
    }) {
      expression = .permuteRows(expression, permutation)
    }
    if role.isTransposedInGGUF {
      expression = expression.transposed
      shape = Shape(shape.dimensions.reversed())
    }
    let name = role.ggufName(layer: layer)
    let choice = try types?.choice(name, role, layer: layer, shape)
    let dtype = choice?.type ?? self.dtype(of: tensor, role)
    let mapped = CanonicalTensor(
      name: tensor.name, shape: shape, dtype: dtype, expression: expression)
    expression = try Planner.expression(of: mapped, as: dtype, in: planner.source.checkpoint)
    if let choice {
      expression = try importances?.weighted(expression, name, shape) ?? expression
      quantizations.append(.init(choice: choice, source: tensor.dtype))
    }
    outputs.append(
      Planner.Output(name: name, type: TensorType(dtype, shape), expression: expression))
  }

  /// Vectors, norms and positions are F32, as llama.cpp wants them; matrices what was asked for.
  private func dtype(of tensor: CanonicalTensor, _ role: DecoderRole) -> DType {
    guard tensor.shape.rank > 1, role != .positionEmbedding else { return .f32 }
    let kept = tensor.dtype == .f64 ? .f32 : tensor.dtype
    return planner.settings.dtype ?? kept
  }

  /// A head that is stored although it is tied counts; a graph that needs one gets the embedding.
  private mutating func appendHead(
    _ unused: inout [ExactName: CanonicalTensor], _ known: [String]
  ) throws(CheckpointError) {
    let role = DecoderRole.weight(.head)
    guard let row = graph.architecture.rows.first(where: { $0.role == role }),
      !known.contains(row.name)
    else { return }
    if let stored = unused.removeValue(forKey: ExactName(row.name)) {
      try append(stored, role, nil)
    } else if graph.table.architecture == "gptneox" {
      let embedding = graph.architecture.rows.first { $0.role == .tokenEmbedding }
      let tensors = try planner.source.model().tensors
      if let tensor = tensors.first(where: { $0.name == embedding?.name }) {
        try append(tensor, role, nil)
      }
    }
  }

  private mutating func appendZeroBiases() {
    let (configuration, dimensions) = (graph.configuration, graph.configuration.dimensions)
    for layer in 0..<dimensions.layers {
      for projection in graph.table.zeroBiases {
        let count =
          switch projection {
          case .query: dimensions.queries
          case .key, .value: configuration.keyHeads * configuration.headWidth
          default: dimensions.model
          }
        appendConstant(
          DecoderRole.bias(projection).ggufName(layer: layer), [count],
          .fill(FillValue(0), TensorType(.f32, [count])))
      }
    }
  }

  /// What the graph divides rotary frequencies by.
  private mutating func appendRotaryDivisors() {
    guard let rotary = graph.configuration.rotary, case .llama3(let scaling) = rotary.scaling else {
      return
    }
    let divisors = scaling.divisors(dimensions: rotary.dimensions, base: rotary.base)
    appendConstant(
      GGUFRotaryKeys.divisors, [divisors.count],
      .concatenate(divisors.map { .fill(FillValue(Double($0)), TensorType(.f32, [1])) }, axis: 0))
  }

  /// Numbers that the graph needs and the source's model doesn't have as a tensor.
  private mutating func appendConstant(
    _ name: String, _ shape: Shape, _ expression: TensorExpression
  ) {
    outputs.append(
      Planner.Output(name: name, type: TensorType(.f32, shape), expression: expression))
    if types != nil {
      quantizations.append(
        .init(choice: TypeChoice(.f32, wanted: .f32, .unquantized), source: .f32))
    }
  }
}
