import CheckpointFormats
import Quantization
import TensorModel

/// What a person should know of what a quantization makes of a source, and what `--strict` doesn't allow.
struct QuantizationFindings {
  private let request: QuantizationRequest
  private let quantized: QuantizedWeights?
  private let planner: Planner
  private let groups: [ConversionPlan.OutputGroup]

  /// - Parameters:
  ///   - request: what was asked for.
  ///   - model: the source's.
  ///   - planner: of the source.
  ///   - groups: of the plan.
  init(
    _ request: QuantizationRequest, _ model: ModelContents, _ planner: Planner,
    _ groups: [ConversionPlan.OutputGroup]
  ) {
    self.request = request
    quantized = model.quantized
    self.planner = planner
    self.groups = groups
  }

  /// All that is said.
  ///
  /// - Throws: `unsupported` for the first of it, where the request is strict, and what reading the source throws.
  func all() throws(CheckpointError) -> [Finding] {
    let told = [twice, again, try rounded(), nothing].compactMap { $0 }
    guard request.isStrict, let first = told.first else { return told.map(\.finding) }
    throw CheckpointError(
      .unsupported, "\(first.fact), and --strict doesn't allow it", tensor: first.finding.tensor,
      hint: "\(first.remedy), or leave out --strict")
  }

  /// What is so, and what is said of it.
  private struct Told {
    let fact: String
    let remedy: String
    let finding: Finding

    /// - Parameters:
    ///   - check: the finding's.
    ///   - fact: what is so.
    ///   - consequence: of that; empty if it says all.
    ///   - remedy: what to do.
    ///   - tensor: one that it is true of.
    init(_ check: String, _ fact: String, _ consequence: String, remedy: String, _ tensor: String?)
    {
      self.fact = fact
      self.remedy = remedy
      finding = Finding(.warning, check, "\(fact)\(consequence); \(remedy)", tensor: tensor)
    }
  }

  /// Codes with scales beside them whose values are quantized another time.
  private var twice: Told? {
    let weights = groups.filter { $0.isQuantizedAnew && isOfCodes($0.expression) }
    guard let first = weights.first, let quantized else { return nil }
    return Told(
      "quantized-twice",
      "\(Self.named(weights)) quantized a second time, after \(quantized.method)",
      ": what that lost is lost, and this loses more",
      remedy: "start from the weights before, if there are any", first.name)
  }

  /// Blocks whose values become codes another time, in whatever order they are read.
  private var again: Told? {
    let weights = groups.filter {
      $0.isQuantizedAnew && !isOfCodes($0.expression)
        && ($0.expression.readsBlocks(planner.source.checkpoint.type) || $0.expression.isOfMXFP4)
    }
    guard let first = weights.first else { return nil }
    return Told(
      "quantized-again", "\(Self.named(weights)) quantized again, from blocks", "",
      remedy: "better start from the original", first.name)
  }

  /// Blocks that aren't quantized in the result, and whose values its floats don't hold although nobody asked for these.
  private func rounded() throws(CheckpointError) -> Told? {
    guard planner.settings.dtype == nil else { return nil }
    var weights: [ConversionPlan.OutputGroup] = []
    for group in groups where try isRounded(group) { weights.append(group) }
    guard let first = weights.first else { return nil }
    let dtype = first.castDType.rawValue
    return Told(
      "values-rounded", "\(Self.named(weights)) rounded to \(dtype)",
      ": the scheme doesn't quantize them, and values of blocks have more bits",
      remedy: "--tensor-type 'NAME=f32' keeps all values of a weight", first.name)
  }

  private func isRounded(_ group: ConversionPlan.OutputGroup) throws(CheckpointError) -> Bool {
    guard let choice = group.quantization?.choice, !choice.type.isQuantized,
      choice.reason == .unquantized || choice.isSubstitution,
      case .cast(let values, let dtype) = group.expression, [.f16, .bf16].contains(dtype),
      values.readsBlocks(planner.source.checkpoint.type)
    else { return false }
    let difference = TensorExpression.combine(
      .difference, .cast(group.expression, .f32), .cast(values, .f32))
    return try !ZeroThroughout([difference]).holds(planner.source.reader, planner.resources)
  }

  /// Whether it reads codes with scales beside them.
  private func isOfCodes(_ expression: TensorExpression) -> Bool {
    guard let parts = quantized?.parts else { return false }
    return expression.sources.contains { parts.contains(ExactName($0)) }
  }

  /// No weight has the type that most should have.
  private var nothing: Told? {
    guard request.scheme.type.isQuantized,
      !groups.contains(where: { $0.quantization?.choice.type.isQuantized == true })
    else { return nil }
    return Told(
      "nothing-quantized",
      "no weight is quantized: \(request.scheme.name) takes none of the model's tensors", "",
      remedy: "choose another scheme", nil)
  }

  /// How many, what the first of them are called, and that they are what follows.
  private static func named(_ weights: [ConversionPlan.OutputGroup]) -> String {
    let names = weights.prefix(3).map(\.name).joined(separator: ", ")
    return
      "\(counted(weights.count, "weight")) (\(names)\(weights.count > 3 ? ", …" : "")) \(weights.count == 1 ? "is" : "are")"
  }
}
