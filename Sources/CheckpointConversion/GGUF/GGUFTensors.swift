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
  private let moments: SecondMomentChoice

  /// Takes all tensors of the model, which has been found to be sound.
  ///
  /// - Throws: what `Planner.expression` throws; `usage` for schemes and patterns that don't fit.
  init(_ planner: Planner, _ graph: GGUFGraph) throws(CheckpointError) {
    self.planner = planner
    self.graph = graph
    importances = planner.settings.quantization.flatMap { request in
      request.importance.map { GGUFImportances($0, request.quality) }
    }
    moments = try SecondMomentChoice(planner.settings.quantization, planner.resources)
    let model = try planner.source.model()
    let dimensions = graph.configuration.dimensions
    let headPlace = DecoderPlace(.weight(.head))
    let stacks = model.stacks
    let hasHead = model.placed[headPlace] != nil || graph.table.repeatsTiedHead
    if let request = planner.settings.quantization {
      types = try GGUFTypes(request, graph, hasHead: hasHead)
    }
    for expected in graph.architecture.tensors(dimensions, model.spelling) {
      if expected.isStackedInGGUF {
        // All of a layer stand in one tensor; the first stands for them.
        guard expected.number ?? 0 == 0 else { continue }
        for role in expected.row.role.ggufRoles {
          guard let stack = try stacks.stack(role, expected.layer) else { continue }
          try append(
            CanonicalTensor(
              name: expected.name, shape: stack.type.shape, dtype: stack.type.dtype,
              expression: stack.expression), role, expected.layer)
        }
      } else if let tensor = model.placed[expected.place], expected.place != headPlace {
        try append(tensor, expected.row.role, expected.layer)
      }
    }
    // A head that is stored although it is tied counts; a graph that needs one gets the embedding.
    let embedding =
      graph.table.repeatsTiedHead ? model.placed[DecoderPlace(.tokenEmbedding)] : nil
    if let head = model.placed[headPlace] ?? embedding { try append(head, .weight(.head), nil) }
    appendZeroBiases()
    appendRotaryDivisors()
    if !hasHead, dimensions.conditions.contains(.untiedHead) {
      findings.append(
        Finding(
          .warning, "gguf-headless",
          "the model has no head that makes logits: llama.cpp takes the embedding for one"))
    }
    if let request = planner.settings.quantization {
      findings += try ChoiceFindings(request).findings(
        zip(outputs, quantizations).map { ($0.name, $1) }, remedy: Self.remedy)
    }
    if let importances { findings += try importances.findings(outputs) }
    findings += try moments.findings(outputs.map { ($0.name, $0.expression) })
    let used = Set(model.placed.values.map { ExactName($0.name) })
    let unused = model.tensors.map { ExactName($0.name) }.filter { !used.contains($0) }
    if let first = unused.min() {
      findings.append(
        Finding(
          .warning, "tensor-left-out",
          "left out: \(counted(unused.count, "tensor")) that the graph has no place for",
          tensor: first.text))
    }
  }

  /// `general.file_type`: what most weights are, by llama.cpp's numbers (llama.h, `llama_ftype`); of the mixes those with one type alone.
  var fileType: Int {
    if let fileType = planner.settings.quantization?.scheme.fileType { return fileType }
    var counts: [DType: Int] = [:]
    for output in outputs where output.type.shape.rank > 1 {
      counts[output.type.dtype, default: 0] += output.type.shape.elementCount
    }
    let main = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key
    // Of the schemes that give most weights the type, those with more for others have higher numbers.
    let fileTypes = QuantizationScheme.all.filter { $0.type == main.map { .dtype($0) } }
      .compactMap(\.fileType)
    return fileTypes.min() ?? main.flatMap { Self.otherFileTypes[$0] } ?? 0
  }

  /// Of types that no scheme has.
  private static let otherFileTypes: [DType: Int] = [.mxfp4: 38, .nvfp4: 39]

  /// Types whose blocks rows of these shapes fill.
  private static func remedy(_ shapes: [Shape]) -> String {
    let fits = shapes.allSatisfy {
      ($0.dimensions.last ?? 0).isMultiple(of: DType.q8_0.blockElementCount)
    }
    let scheme = fits ? QuantizationScheme.q8_0 : .f16
    return "choose types whose blocks fit, such as those of \(scheme.name)"
  }

  private mutating func append(
    _ tensor: CanonicalTensor, _ role: DecoderRole, _ layer: Int?
  ) throws(CheckpointError) {
    var expression = tensor.expression
    var (own, shape) = (tensor.dtype, tensor.shape)
    if let permutation = role.projection.flatMap({
      graph.table.permutation($0, graph.configuration)
    }) {
      expression = .permuteRows(expression, permutation)
    }
    if role.isTransposedInGGUF {
      expression = expression.transposed
      shape = Shape(shape.dimensions.reversed())
    }
    if let blocks = expression.uncastBlocks(planner.source.checkpoint.type) {
      (expression, own) = blocks
    }
    let name = graph.table.name(of: role, layer: layer, graph.configuration.dimensions)
    if graph.configuration.addsOneToNorms, case .normScale = role {
      expression = expression.adding(1, shape)
    }
    let choice = try types?.choice(name, role, layer: layer, shape)
    let dtype = choice?.dtype ?? self.dtype(TensorType(own, shape), role)
    let mapped = CanonicalTensor(
      name: tensor.name, shape: shape, dtype: dtype, expression: expression)
    if let repacked = try repacked(expression, shape, dtype) {
      expression = repacked
    } else {
      expression = try Planner.expression(of: mapped, as: dtype, in: planner.source.checkpoint)
    }
    if let choice {
      expression = try importances?.weighted(expression, name, shape) ?? expression
      expression = try expression.made(
        with: planner.settings.quantization?.quality ?? .plain, moments, name, shape)
      quantizations.append(.init(choice: choice, values: TensorType(own, shape)))
    }
    outputs.append(
      Planner.Output(name: name, type: TensorType(dtype, shape), expression: expression))
  }

  /// Blocks whose codes and scales the source has in other parts; nil where values have to be quantized.
  private func repacked(
    _ values: TensorExpression, _ shape: Shape, _ dtype: DType
  ) throws(CheckpointError) -> TensorExpression? {
    guard let blocks = BlockParts(dtype),
      let repacking = Repacking.blocks(
        values, shape, blocks, type: planner.source.checkpoint.type),
      try repacking.condition.holds(planner.source.reader, planner.resources)
    else { return nil }
    return repacking.expression
  }

  /// Vectors, norms, positions and what chooses experts are F32, as llama.cpp wants them; matrices what was asked for.
  private func dtype(_ own: TensorType, _ role: DecoderRole) -> DType {
    guard role.isMatrix, own.shape.rank > 1 else { return .f32 }
    let kept = own.dtype == .f64 ? .f32 : own.dtype
    return planner.settings.dtype ?? kept
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
          graph.table.name(of: .bias(projection), layer: layer, dimensions), [count],
          .fill(FillValue(0), TensorType(.f32, [count])))
      }
    }
  }

  /// What the graph divides rotary frequencies by.
  private mutating func appendRotaryDivisors() {
    for (name, divisors) in GGUFRotaryTensors.made(for: graph.configuration) {
      appendConstant(
        name, [divisors.count],
        .concatenate(
          divisors.map { .fill(FillValue(Double($0)), TensorType(.f32, [1])) }, axis: 0))
    }
  }

  /// Numbers that the graph needs and the source's model doesn't have as a tensor.
  private mutating func appendConstant(
    _ name: String, _ shape: Shape, _ expression: TensorExpression
  ) {
    outputs.append(
      Planner.Output(name: name, type: TensorType(.f32, shape), expression: expression))
    if types != nil {
      quantizations.append(
        .init(
          choice: .unquantized(.f32), values: TensorType(.f32, shape)))
    }
  }
}
