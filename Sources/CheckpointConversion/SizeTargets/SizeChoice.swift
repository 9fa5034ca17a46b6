import CheckpointFormats
public import Quantization
public import TensorModel

/// Types for the weights of a model, chosen so that the result is no larger than it may be and its measured error is small.
public struct SizeChoice: Sendable {
  /// What gives weights these types.
  public let request: QuantizationRequest
  /// What was asked for, what it should come to, and what is needed to say what it came to.
  public let expectation: SizeExpectation

  /// Measures every type of the container on every weight, and chooses.
  ///
  /// The source is read, and nothing is written.
  ///
  /// - Parameters:
  ///   - target: what the result may have.
  ///   - request: with a scheme of the container, whichever, the quality, importances, and types that are given.
  ///   - job: what the conversion is.
  ///   - takesPreset: whether the smallest scheme that is at least as large is taken where it is expected to cost less.
  ///   - progress: told of bytes that were made.
  /// - Throws: `usage` for a target that is too small; what opening, planning and reading throw.
  public init(
    _ target: SizeTarget, _ request: QuantizationRequest, _ job: ConversionJob, takesPreset: Bool,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    // What is wrong with the source or the destination is said before anything is measured.
    let (source, _) = try job.plan()
    let container = request.scheme.container
    let measured = try MeasuredTypes(
      container.chosenTypes, request, source, job, progress)
    let units = ChoiceUnits(measured)
    let limit = target.byteLimit(weightCount: measured.weightCount)
    let room = limit - measured.fixedByteCount
    guard units.leastByteCount <= room else {
      throw Self.tooSmall(target, measured, units, container)
    }
    var presets: [Preset] = []
    for scheme in container.schemes {
      guard let preset = try Preset(scheme, request, measured, source, job) else { continue }
      presets.append(preset)
    }
    // What was measured is the source as it was opened.
    try source.confirm()
    let fitting = presets.filter { $0.byteCount <= limit }.compactMap { units.choice($0.types) }
    // Importances say what errors do; without them the sum of squared errors is all that is known for certain.
    let best = units.search(
      limit: room, from: fitting, isBounded: request.importance == nil)
    let types = units.types(best)
    let bytes = units.byteCount(best) + measured.fixedByteCount
    let predicted = measured.figures(bytes, measured.squaredError(types))
    let preset = presets.filter { $0.byteCount >= bytes }.min {
      ($0.byteCount, $0.cost) < ($1.byteCount, $1.cost)
    }
    let figures = preset.map { measured.figures($0.byteCount, $0.squaredError) }
    let isBetter = preset.map { $0.cost < units.cost(best) } ?? false
    var (wantedBits, wantedBytes): (Double?, Int?) = (nil, nil)
    switch target {
    case .bitsPerWeight(let bits): wantedBits = bits
    case .byteCount(let count): wantedBytes = count
    }
    let record = SizeTargetRecord(
      wantedBitsPerWeight: wantedBits, wantedByteCount: wantedBytes, predicted: predicted,
      preset: zipped(preset, figures).map { .init(scheme: $0.scheme.name, figures: $1) },
      isPresetBetter: isBetter, isPresetTaken: isBetter && takesPreset)
    var chosen = request
    if let preset, isBetter, takesPreset {
      chosen.scheme = preset.scheme
    } else {
      chosen = try request.giving(types, measured)
    }
    self.request = chosen
    expectation = SizeExpectation(
      record: record,
      weights: measured.weights.map { .init(name: $0.name, squaredValues: $0.squaredValues) })
  }

  private static func tooSmall(
    _ target: SizeTarget, _ measured: MeasuredTypes, _ units: ChoiceUnits,
    _ container: QuantizationContainer
  ) -> CheckpointError {
    let least = measured.fixedByteCount + units.leastByteCount
    let bits = Double(least * 8) / Double(max(1, measured.weightCount))
    let found =
      switch target {
      case .bitsPerWeight(let bits): "\(bits) bits per weight"
      case .byteCount(let count): "\(count) bytes"
      }
    return CheckpointError(
      .usage, "the smallest types of \(container.title) don't make the model so small",
      expected: "at least \(bits.sixDigits) bits per weight, \(least) bytes", found: found,
      hint: "ask for more")
  }
}

/// Both or nothing.
private func zipped<One, Other>(_ one: One?, _ other: Other?) -> (One, Other)? {
  guard let one, let other else { return nil }
  return (one, other)
}

/// A scheme, by what was measured of its types.
private struct Preset {
  let scheme: QuantizationScheme
  let types: [WeightType]
  let byteCount: Int
  /// Of the format's own way.
  let squaredError: Double
  /// What that is expected to do to predictions.
  let cost: Double

  /// Nil for schemes that the model can't have, and for those with types that weren't measured.
  init?(
    _ scheme: QuantizationScheme, _ request: QuantizationRequest, _ measured: MeasuredTypes,
    _ source: Source, _ job: ConversionJob
  ) throws(CheckpointError) {
    var request = request
    request.scheme = scheme
    request.isStrict = false
    guard
      let plan = try ifUsable({ () throws(CheckpointError) in
        try job.plan(source, quantizing: request)
      })
    else { return nil }
    let chosen = Dictionary(
      plan.groups.compactMap { group in
        group.quantization.map { (ExactName(group.name), $0.choice.type) }
      }, uniquingKeysWith: { first, _ in first })
    let types = measured.weights.compactMap { chosen[ExactName($0.name)] }
    guard types.count == measured.weights.count,
      let error = measured.sumIfKnown(types, { $1.plainSquaredError }),
      let cost = measured.sumIfKnown(types, measured.plainCost)
    else { return nil }
    self.scheme = scheme
    self.types = types
    byteCount = plan.groups.reduce(0) { $0 + $1.byteCount }
    squaredError = error
    self.cost = cost
  }
}

extension MeasuredTypes {
  /// A sum over all weights in some types; nil where one wasn't measured.
  fileprivate func sumIfKnown(
    _ types: [WeightType], _ error: (Weight, Entry) -> Double
  ) -> Double? {
    var sum = 0.0
    for (weight, type) in zip(weights, types) {
      guard let entry = weight.entries.first(where: { $0.type == type }) else { return nil }
      sum += error(weight, entry)
    }
    return sum
  }

  /// Σ (x - y)² of all weights in types that were measured.
  fileprivate func squaredError(_ types: [WeightType]) -> Double {
    sumIfKnown(types) { $1.squaredError } ?? 0
  }

  fileprivate func figures(_ byteCount: Int, _ squaredError: Double) -> SizeTargetRecord.Figures {
    let values = weights.reduce(0) { $0 + $1.squaredValues }
    return SizeTargetRecord.Figures(
      byteCount: byteCount, bitsPerWeight: Double(byteCount * 8) / Double(max(1, weightCount)),
      relativeRmse: (values > 0 ? (squaredError / values).squareRoot() : 0).sixDigits)
  }
}

extension QuantizationRequest {
  /// The same with types for weights, as `--tensor-type` gives them.
  fileprivate func giving(
    _ types: [WeightType], _ measured: MeasuredTypes
  ) throws(CheckpointError) -> QuantizationRequest {
    let container = scheme.container
    var counts: [WeightType: Int] = [:]
    for (weight, type) in zip(measured.weights, types) {
      counts[type, default: 0] += weight.elementCount
    }
    var request = self
    let main = counts.max { ($0.value, $1.key.name) < ($1.value, $0.key.name) }?.key
    if let scheme = container.schemes.first(where: { $0.type == main }) { request.scheme = scheme }
    for type in container.types where counts[type] != nil {
      let names = zip(measured.weights, types).filter { $0.1 == type }.map {
        $0.0.name.escapedForPatterns
      }
      request.overrides.append(
        try TensorTypeOverride(
          "^(\(names.joined(separator: "|")))$=\(type.name.lowercased())", container))
    }
    return request
  }
}

extension String {
  /// A pattern that fits the text alone.
  fileprivate var escapedForPatterns: String {
    reduce(into: "") { text, character in
      if !character.isLetter && !character.isNumber && !"_-/".contains(character) { text += "\\" }
      text.append(character)
    }
  }
}

extension QuantizationContainer {
  /// Types that can be chosen for size: those that schemes have, and none by which activations are quantized, too.
  fileprivate var chosenTypes: [WeightType] {
    var types: [WeightType] = []
    for scheme in schemes where !types.contains(scheme.type) && scheme.type.isOfWeightsAlone {
      types.append(scheme.type)
    }
    return types + self.types.filter { !$0.isQuantized && !types.contains($0) }
  }
}

extension WeightType {
  /// Whether programs compute with activations as they are.
  fileprivate var isOfWeightsAlone: Bool {
    guard case .packed(let format) = self, format.arithmetic == .compressedTensors else {
      return true
    }
    return format.coding != .fp8 && format.codes != .i8
  }
}
