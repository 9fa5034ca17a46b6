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
  ///   - takesPreset: whether the smallest scheme that is at least as large is taken where it has the smaller error.
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
    let units = Units(measured)
    let limit = target.byteLimit(weightCount: measured.weightCount)
    let room = limit - measured.fixedByteCount
    guard var best = BudgetSearch(units.options, limit: room) else {
      throw Self.tooSmall(target, measured, units, container)
    }
    var presets: [Preset] = []
    for scheme in container.schemes {
      guard let preset = try Preset(scheme, request, measured, source, job) else { continue }
      presets.append(preset)
      // It may be where no step from the hull leads.
      guard preset.byteCount <= limit, let choice = units.choice(preset.types) else { continue }
      let other = BudgetSearch(units.options, limit: room, from: choice)
      if other.error < best.error { best = other }
    }
    let types = units.types(best.choice)
    let bytes = best.byteCount + measured.fixedByteCount
    let predicted = measured.figures(bytes, measured.squaredError(types) { $0.squaredError })
    let preset = presets.filter { $0.byteCount >= bytes }.min {
      ($0.byteCount, $0.squaredError) < ($1.byteCount, $1.squaredError)
    }
    let figures = preset.map { measured.figures($0.byteCount, $0.squaredError) }
    let isBetter = figures.map { $0.relativeRmse < predicted.relativeRmse } ?? false
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
    _ target: SizeTarget, _ measured: MeasuredTypes, _ units: Units,
    _ container: QuantizationContainer
  ) -> CheckpointError {
    let least =
      measured.fixedByteCount
      + units.options.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) }
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

/// Weights that get one type together.
private struct Units {
  /// Places in the measured weights.
  private var members: [[Int]] = []
  private var typesOfUnits: [[WeightType]] = []
  /// The options of each, as they are measured.
  private(set) var options: [[BudgetSearch.Option]] = []
  private let count: Int

  init(_ measured: MeasuredTypes) {
    count = measured.weights.count
    var layers: [FusedLayer: Int] = [:]
    for (place, weight) in measured.weights.enumerated() {
      if let layer = weight.fused, let unit = layers[layer] {
        members[unit].append(place)
        continue
      }
      if let layer = weight.fused { layers[layer] = members.count }
      members.append([place])
    }
    for unit in members {
      let weights = unit.map { measured.weights[$0] }
      let types = weights[0].entries.map(\.type).filter { type in
        weights.allSatisfy { $0.entries.contains { $0.type == type } }
      }
      typesOfUnits.append(types)
      options.append(
        types.map { type in
          let entries = weights.compactMap { weight in
            weight.entries.first { $0.type == type }.map { (weight, $0) }
          }
          return BudgetSearch.Option(
            byteCount: entries.reduce(0) { $0 + $1.1.byteCount },
            error: entries.reduce(0) { $0 + measured.objective($1.0, $1.1) })
        })
    }
  }

  /// The types of all weights.
  func types(_ choice: [Int]) -> [WeightType] {
    var types = [WeightType](repeating: .dtype(.f32), count: count)
    for (unit, option) in choice.enumerated() {
      for member in members[unit] { types[member] = typesOfUnits[unit][option] }
    }
    return types
  }

  /// The options that weights of these types have; nil where some can't be chosen.
  func choice(_ types: [WeightType]) -> [Int]? {
    var choice: [Int] = []
    for (unit, places) in members.enumerated() {
      guard let option = typesOfUnits[unit].firstIndex(of: types[places[0]]),
        places.allSatisfy({ types[$0] == types[places[0]] })
      else { return nil }
      choice.append(option)
    }
    return choice
  }
}

/// A scheme, by what was measured of its types.
private struct Preset {
  let scheme: QuantizationScheme
  let types: [WeightType]
  let byteCount: Int
  /// Of the format's own way.
  let squaredError: Double

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
      let error = measured.squaredErrorIfKnown(types, { $0.plainSquaredError })
    else { return nil }
    self.scheme = scheme
    self.types = types
    byteCount = plan.groups.reduce(0) { $0 + $1.byteCount }
    squaredError = error
  }
}

extension MeasuredTypes {
  /// Σ (x - y)² of all weights in some types; nil where one wasn't measured.
  fileprivate func squaredErrorIfKnown(
    _ types: [WeightType], _ error: (Entry) -> Double
  ) -> Double? {
    var sum = 0.0
    for (weight, type) in zip(weights, types) {
      guard let entry = weight.entries.first(where: { $0.type == type }) else { return nil }
      sum += error(entry)
    }
    return sum
  }

  /// Σ (x - y)² of all weights in types that were measured.
  fileprivate func squaredError(_ types: [WeightType], _ error: (Entry) -> Double) -> Double {
    squaredErrorIfKnown(types, error) ?? 0
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
