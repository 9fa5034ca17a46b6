import Quantization
import TensorModel

/// What a person should know of the types that weights are given.
struct ChoiceFindings {
  private let request: QuantizationRequest

  /// A weight: what it is called, and how it is quantized.
  typealias Weight = (name: String, quantization: ConversionPlan.Quantization)

  /// For a request.
  init(_ request: QuantizationRequest) { self.request = request }

  /// Looks at all choices.
  ///
  /// - Parameters:
  ///   - weights: of the model.
  ///   - remedy: says which scheme's groups would fit, given the rows of those that are substituted; nil if none is known.
  /// - Returns: findings.
  /// - Throws: `unsupported` for substituted types where that is forbidden, `usage` for patterns that fit no tensor.
  func findings(
    _ weights: some Collection<Weight>, remedy: ([Shape]) -> String?
  ) throws(CheckpointError) -> [Finding] {
    if !request.overrides.isEmpty {
      try requireMatches(
        weights.filter { $0.quantization.choice.reason != .unquantized }.map(\.name))
    }
    var findings: [Finding] = []
    let substituted = weights.filter(\.quantization.choice.isSubstitution)
    if let first = substituted.first {
      let (choice, shape) = (first.quantization.choice, first.quantization.values.shape)
      guard !request.isStrict else {
        throw CheckpointError(
          .unsupported,
          "\(counted(substituted.count, "tensor")) can't get the type that is wanted for them, and --strict allows no other",
          tensor: first.name,
          expected:
            "rows of a multiple of \(choice.wanted.groupSize ?? 1) for \(choice.wanted.name)",
          found: "\(shape.dimensions.last ?? 0) columns",
          hint: remedy(substituted.map(\.quantization.values.shape)).map {
            "\($0), or leave out --strict"
          } ?? "leave out --strict: what fits no groups stays floats")
      }
      let total = weights.reduce(0) { $0 + $1.quantization.values.shape.elementCount }
      let share = substituted.reduce(0) { $0 + $1.quantization.values.shape.elementCount }
      findings.append(
        Finding(
          .warning, "type-substituted",
          "\(counted(substituted.count, "tensor")), \(share * 100 / max(1, total)) % of the weights, given another type because rows don't fill blocks: \(Self.pairs(substituted.map(\.quantization.choice)))",
          tensor: first.name))
    }
    return findings
  }

  /// `Q4_K → Q5_0, Q6_K → Q8_0`.
  private static func pairs(_ choices: [TypeChoice]) -> String {
    Set(choices.map { "\($0.wanted.name) → \($0.type.name)" }).sorted().joined(separator: ", ")
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
        hint: "--dry-run lists the names, and what becomes of each tensor")
    }
  }
}
