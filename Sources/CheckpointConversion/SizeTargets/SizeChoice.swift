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
  ///   - job: what the conversion is; with a validator kinds of weight and then several choices are run beside the source, and the preset.
  ///   - takesPreset: whether the smallest scheme that is at least as large is taken where it costs less, or is expected to.
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
    var presets: [MeasuredPreset] = []
    for scheme in container.schemes {
      guard let preset = try MeasuredPreset(scheme, request, measured, source, job) else {
        continue
      }
      presets.append(preset)
    }
    // What was measured is the source as it was opened.
    try source.confirm()
    let fitting = presets.filter { $0.byteCount <= limit }
    var choices = Self.choices(fitting, request, units, others: [], room: room)
    var kinds: KindTrial?
    if job.request.validator != nil {
      kinds = try KindTrial(
        units, around: choices[0], measured, request, job.request, progress)
      let others = (kinds.map { [$0.factors] } ?? []) + Self.otherEnds.map(measured.ends)
      choices = Self.choices(
        fitting, request, units, others: others.map { ChoiceUnits(measured, $0) }, room: room)
    }
    func preset(_ choice: [Int]) -> MeasuredPreset? {
      let bytes = units.byteCount(choice) + measured.fixedByteCount
      return presets.filter { $0.byteCount >= bytes }.min {
        ($0.byteCount, $0.cost) < ($1.byteCount, $1.cost)
      }
    }
    var trial: SizeTrial?
    if job.request.validator != nil {
      var requests: [QuantizationRequest] = []
      for choice in choices { requests.append(try request.giving(units.types(choice), measured)) }
      trial = try SizeTrial(
        requests, presets: choices.compactMap(preset).map { request.plain($0.scheme) },
        job.request, progress)
    }
    let best = choices[trial?.best ?? 0]
    let types = units.types(best)
    let bytes = units.byteCount(best) + measured.fixedByteCount
    let predicted = measured.figures(bytes, measured.squaredError(types))
    let preset = preset(best)
    let figures = preset.map { measured.figures($0.byteCount, $0.squaredError) }
    let presetDivergence = preset.flatMap { trial?.divergence(of: $0.scheme) }
    let isBetter =
      if let trial, let presetDivergence {
        presetDivergence < trial.choices[trial.best]
      } else {
        preset.map { $0.cost < units.cost(best) } ?? false
      }
    var (wantedBits, wantedBytes): (Double?, Int?) = (nil, nil)
    switch target {
    case .bitsPerWeight(let bits): wantedBits = bits
    case .byteCount(let count): wantedBytes = count
    }
    let record = SizeTargetRecord(
      wantedBitsPerWeight: wantedBits, wantedByteCount: wantedBytes, predicted: predicted,
      preset: zipped(preset, figures).map { preset, figures in
        let expected = units.cost(best)
        return .init(
          scheme: preset.scheme.name, figures: figures,
          relativeCost: expected > 0 ? (preset.cost / expected).sixDigits : nil)
      },
      trials: trial.map { Self.trials($0, choices, units, measured, preset, presetDivergence) },
      sensitivities: kinds?.record, isPresetBetter: isBetter,
      isPresetTaken: isBetter && takesPreset,
      excessByteCount: preset.flatMap { preset in
        isBetter && takesPreset && preset.byteCount > limit ? preset.byteCount - limit : nil
      })
    var chosen = request
    if let preset, isBetter, takesPreset {
      chosen.scheme = preset.scheme
    } else {
      chosen = try request.giving(types, measured)
    }
    self.request = chosen
    expectation = SizeExpectation(
      record: record, weights: measured.weights.map(SizeExpectation.Weight.init),
      points: Self.points(presets, preset, presetDivergence, units, measured))
  }

  /// What is tried for embeddings and heads, whose part differs most between models.
  private static let otherEnds = [4, 0.25]

  /// Choices of types within the limit, the one that is taken without a trial first.
  ///
  /// - Parameters:
  ///   - presets: that are no larger.
  ///   - request: what was asked for.
  ///   - units: what gets one type together.
  ///   - others: the same by other costs, where several choices are going to be tried; else none.
  ///   - room: bytes that types may add up to.
  /// - Returns: at least one.
  private static func choices(
    _ presets: [MeasuredPreset], _ request: QuantizationRequest, _ units: ChoiceUnits,
    others: [ChoiceUnits], room: Int
  ) -> [[Int]] {
    let fitting = presets.sorted { ($0.byteCount, $1.cost) > ($1.byteCount, $0.cost) }
      .compactMap { units.choice($0.types) }
    // Importances say what errors do; without them the sum of squared errors is all that is known for certain.
    let isBounded = request.importance == nil
    var choices = [units.search(limit: room, from: fitting, isBounded: isBounded)]
    guard !others.isEmpty else { return choices }
    let further =
      others.map { $0.search(limit: room, from: fitting, isBounded: isBounded) }
      + [units.search(limit: room, from: fitting, isBounded: !isBounded)] + fitting.prefix(1)
    for other in further where !choices.contains(other) { choices.append(other) }
    return choices
  }

  private static func trials(
    _ trial: SizeTrial, _ choices: [[Int]], _ units: ChoiceUnits, _ measured: MeasuredTypes,
    _ preset: MeasuredPreset?, _ presetDivergence: Double?
  ) -> [SizeTargetRecord.Trial] {
    func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    let own = zip(choices, trial.choices).enumerated().map { place, choice in
      SizeTargetRecord.Trial(
        scheme: nil, byteCount: units.byteCount(choice.0) + measured.fixedByteCount,
        klDivergence: finite(choice.1), isBest: place == trial.best)
    }
    return own
      + (preset.map {
        [
          SizeTargetRecord.Trial(
            scheme: $0.scheme.name, byteCount: $0.byteCount,
            klDivergence: finite(presetDivergence), isBest: false)
        ]
      } ?? [])
  }

  /// What is closest within how many sizes.
  private static let sizeCount = 32

  /// Schemes, the closest choices for sizes up to the largest of theirs, and the preset beside the choice.
  private static func points(
    _ schemes: [MeasuredPreset], _ preset: MeasuredPreset?, _ presetDivergence: Double?,
    _ units: ChoiceUnits, _ measured: MeasuredTypes
  ) -> [SizeCurve.Point] {
    func point(
      _ role: SizeCurve.Point.Role, _ scheme: QuantizationScheme?,
      _ figures: SizeTargetRecord.Figures
    ) -> SizeCurve.Point {
      SizeCurve.Point(
        role: role, scheme: scheme?.name, byteCount: figures.byteCount,
        bitsPerWeight: figures.bitsPerWeight, relativeRmse: figures.relativeRmse)
    }
    let schemes = schemes.filter(\.scheme.type.isQuantized)
    var points = schemes.map {
      point(.scheme, $0.scheme, measured.figures($0.byteCount, measured.squaredError($0.types)))
    }
    let smallest = units.leastByteCount
    let largest = (schemes.map(\.byteCount).max() ?? 0) - measured.fixedByteCount
    let step = Double(max(0, largest - smallest)) / Double(sizeCount - 1)
    let limits = (0..<sizeCount).map { smallest + Int((Double($0) * step).rounded(.up)) }
    var last: Int?
    for choice in units.closest(limits: limits) {
      let byteCount = units.byteCount(choice)
      guard byteCount != last else { continue }
      last = byteCount
      points.append(
        point(
          .choice, nil,
          measured.figures(
            byteCount + measured.fixedByteCount, measured.squaredError(units.types(choice)))))
    }
    if let preset {
      var point = point(
        .preset, preset.scheme, measured.figures(preset.byteCount, preset.squaredError))
      point.klDivergence = presetDivergence.flatMap { $0.isFinite ? $0 : nil }
      points.append(point)
    }
    return points
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

extension QuantizationRequest {
  /// A scheme as the format's own tool has it.
  fileprivate func plain(_ scheme: QuantizationScheme) -> QuantizationRequest {
    var request = self
    request.scheme = scheme
    request.isStrict = false
    request.quality = .plain
    if !scheme.container.heedsImportance { request.importance = nil }
    return request
  }

  /// The same with types for weights, as `--tensor-type` gives them.
  func giving(
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
