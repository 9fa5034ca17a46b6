import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// Which types the weights of a GGUF file get where they are quantized.
struct GGUFTypes {
  private let request: QuantizationRequest
  private let rules: QuantizationRules

  /// Types for a model.
  ///
  /// - Parameters:
  ///   - request: the scheme and what it is to leave to others.
  ///   - graph: of the model.
  ///   - hasHead: whether the head has weights of its own in the file.
  /// - Throws: `usage` for a scheme that needs importances where there are none.
  init(
    _ request: QuantizationRequest, _ graph: GGUFGraph, hasHead: Bool
  ) throws(CheckpointError) {
    if request.scheme == .q2KS && request.importance == nil {
      throw CheckpointError(
        .usage, "\(request.scheme.name) is of no use without an importance matrix",
        hint: "name one by --imatrix, or choose --scheme q2_k")
    }
    self.request = request
    let configuration = graph.configuration
    rules = QuantizationRules(
      request,
      QuantizationRules.Model(
        graph.table, layers: configuration.dimensions.layers,
        queriesPerKey: configuration.heads / max(1, configuration.keyHeads), hasHead: hasHead,
        experts: configuration.dimensions.experts))
  }

  /// The type of a tensor, and why.
  ///
  /// - Throws: `usage` for a pattern that takes too long.
  func choice(
    _ name: String, _ role: DecoderRole, layer: Int?, _ shape: Shape
  ) throws(CheckpointError) -> TypeChoice {
    try rules.choice(name, role, layer: layer, shape)
  }

  /// What a person should know of the choices.
  ///
  /// - Throws: `unsupported` for substituted types where that is forbidden, `usage` for patterns that fit no tensor.
  func findings(
    _ quantizations: [ConversionPlan.Quantization], _ outputs: [Planner.Output]
  ) throws(CheckpointError) -> [Finding] {
    let all = zip(quantizations.map(\.choice), outputs).map { (choice: $0, output: $1) }
    try requireMatches(all.filter { $0.choice.reason != .unquantized }.map(\.output.name))
    var findings: [Finding] = []
    let substituted = all.filter(\.choice.isSubstitution)
    if let first = substituted.first {
      let columns = first.output.type.shape.dimensions.last ?? 0
      guard !request.isStrict else {
        throw CheckpointError(
          .unsupported,
          "\(Self.tensors(substituted.count)) can't get the type that is wanted for them, and --strict allows no other",
          tensor: first.output.name,
          expected:
            "rows of a multiple of \(first.choice.wanted.blockElementCount) for \(first.choice.wanted.rawValue)",
          found: "\(columns) columns",
          hint:
            "choose types whose blocks fit, such as those of \(Self.fittingScheme(substituted.map(\.output)).name), or leave out --strict"
        )
      }
      let weights = all.reduce(0) { $0 + $1.output.type.shape.elementCount }
      let share = substituted.reduce(0) { $0 + $1.output.type.shape.elementCount }
      findings.append(
        Finding(
          .warning, "type-substituted",
          "\(Self.tensors(substituted.count)), \(share * 100 / max(1, weights)) % of the weights, given another type because rows don't fill blocks: \(Self.pairs(substituted.map(\.choice)))",
          tensor: first.output.name))
    }
    if zip(quantizations, outputs).contains(where: {
      $0.values.dtype.isBlockQuantized && $1.type.dtype != $0.values.dtype
    }) {
      findings.append(
        Finding(
          .warning, "quantized-again",
          "weights that were quantized before are quantized again: better start from the original"))
    }
    return findings
  }

  /// `Q4_K → Q5_0, Q6_K → Q8_0`.
  private static func pairs(_ choices: [TypeChoice]) -> String {
    Set(choices.map { "\($0.wanted.rawValue) → \($0.type.rawValue)" }).sorted()
      .joined(separator: ", ")
  }

  /// A scheme whose blocks the rows of all these tensors fill.
  private static func fittingScheme(_ outputs: [Planner.Output]) -> QuantizationScheme {
    let fits = outputs.allSatisfy {
      ($0.type.shape.dimensions.last ?? 0).isMultiple(of: DType.q8_0.blockElementCount)
    }
    return fits ? .q8_0 : .f16
  }

  /// `1 tensor`, `2 tensors`.
  private static func tensors(_ count: Int) -> String {
    counted(count, "tensor")
  }

  private func requireMatches(_ names: [String]) throws(CheckpointError) {
    for override in request.overrides {
      var isFound = false
      for name in names where try override.pattern.matches(name) {
        isFound = true
        break
      }
      guard !isFound else { continue }
      throw CheckpointError(
        .usage, "--tensor-type fits no tensor that is quantized",
        expected: "such as \(names.first ?? "")", found: override.pattern.text,
        hint: "--dry-run lists the names; vectors, norms and positions stay F32")
    }
  }
}
