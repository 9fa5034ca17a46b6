// Rotary frequencies as transformers reads and computes them (modeling_rope_utils.py): default, linear, llama3, yarn, longrope and dynamic up to the original length.

import FileContainers
import Foundation
import TensorModel

/// How a family's class spells rotary positions beside `rope_parameters`.
struct RotarySpelling {
  /// The key of the base.
  var base = "rope_theta"
  /// The base where nothing says it.
  var standardBase = 10000.0
  /// The key of the fraction of a head that is rotated.
  var fraction = "partial_rotary_factor"
  /// That fraction where nothing says it; nil for classes that rotate whole heads and look at a fraction only for scaled frequencies.
  var standardFraction: Double?
  /// Whether the class rotates a pair more where an odd number of dimensions is asked for.
  var roundsUpPairs = false

  /// What says how positions enter where the configuration doesn't.
  var standardParameters: JSONValue = .object([])
  /// The key of the base in layers with a window, and its default; nil where all layers have the same.
  var slidingBase: (key: String, standard: Double)?

  /// The spelling for layers with a window; nil where all layers have the same.
  var ofSlidingLayers: RotarySpelling? {
    slidingBase.map {
      RotarySpelling(base: $0.key, standardBase: $0.standard, standardFraction: standardFraction)
    }
  }

  /// The keys that a class of this spelling reads, for its `ClassSettings`.
  var defaults: [String: JSONValue] {
    var keys: [String: JSONValue] = [
      base: .null, fraction: .null, "rope_scaling": .null, "rope_parameters": .null,
      "original_max_position_embeddings": .null,
    ]
    if let slidingBase { keys[slidingBase.key] = .null }
    return keys
  }
}

extension DecoderConfiguration.Rotary {
  /// Reads `rope_parameters`, or the keys of older configurations; `rope_scaling` wins over it, as in transformers.
  ///
  /// - Parameters:
  ///   - settings: of the model.
  ///   - spelling: of the family.
  ///   - headWidth: the width of a head.
  ///   - layout: of the family.
  ///   - positionLimit: the longest sequence.
  ///   - kind: of the layers, in families whose kinds of layers have rotary positions of their own.
  /// - Throws: `usage` or `unsupported`.
  init(
    _ settings: inout SettingsReader, _ spelling: RotarySpelling, headWidth: Int, layout: Layout,
    positionLimit: Int, of kind: LayerKind? = nil
  ) throws(CheckpointError) {
    let theta = try settings.number(spelling.base, default: spelling.standardBase)
    let outerFraction = try settings.optionalNumber(spelling.fraction) ?? spelling.standardFraction
    let outerLength = try settings.optionalNumber("original_max_position_embeddings")
    var scaling = try Self.parameters(&settings, spelling, of: kind)
    let base = try scaling.number("rope_theta", default: theta)
    let fraction = try scaling.optionalNumber("partial_rotary_factor") ?? outerFraction
    let type = try scaling.text("rope_type", default: scaling.text("type", default: "default"))
    let isPartial = spelling.standardFraction != nil || type != "default"
    let part = isPartial ? fraction ?? 1 : 1
    let baseSetting = Setting(scaling, "rope_theta", beside: settings, spelling.base)
    guard base > 0 else { throw baseSetting.misfit("a number over 0") }
    guard base > 1 else { throw baseSetting.unsupported("a number over 1") }
    let fractionSetting = Setting(
      scaling, "partial_rotary_factor", beside: settings, spelling.fraction)
    guard let dimensions = Int(exactly: (Double(headWidth) * part).rounded(.towardZero)),
      dimensions > 0, dimensions <= headWidth,
      dimensions % 2 == 0
        || spelling.roundsUpPairs && type == "default" && dimensions < headWidth
    else {
      throw fractionSetting.unsupported(
        "a part of the head's \(headWidth) dimensions that is an even number of them")
    }
    guard spelling.standardFraction != nil || dimensions == headWidth else {
      throw fractionSetting.unsupported(
        "1 for this family where '\(scaling.path("rope_type"))' scales positions")
    }
    self.layout = layout
    self.base = base
    self.dimensions = dimensions
    let plain = Self.frequencies(dimensions, base)
    unscaledFrequencies = plain
    frequencies = plain
    factor = 1
    func originalLength() throws(CheckpointError) -> Double {
      let inner = try scaling.optionalNumber("original_max_position_embeddings")
      let length = outerLength ?? inner ?? Double(positionLimit)
      guard length > 0 else {
        throw outerLength == nil
          ? scaling.misfit("original_max_position_embeddings", "a number over 0")
          : settings.misfit("original_max_position_embeddings", "a number over 0")
      }
      return length
    }
    switch type {
    case "default": break
    case "linear":
      let factor = try scaling.divisor("factor")
      self.scaling = .linear(factor: factor)
      frequencies = plain.map { $0 / factor }
    case "dynamic":
      // Beyond the original length the base changes with every token; up to it nothing does.
      _ = try scaling.number("factor")
      guard dimensions > 2 else { throw scaling.unsupported("rope_type", expected: "wider heads") }
      self.scaling = .dynamic
      dynamicFrom = positionLimit
    case "llama3":
      let llama3 = Llama3Scaling(
        factor: try scaling.divisor("factor"),
        lowFrequencyFactor: try scaling.divisor("low_freq_factor"),
        highFrequencyFactor: try scaling.divisor("high_freq_factor"),
        originalLength: try originalLength())
      self.scaling = .llama3(llama3)
      frequencies = plain.map(llama3.scaled)
    case "yarn":
      let yarn = try YarnScaling(
        &scaling, Double(positionLimit), originalLength: try originalLength())
      self.scaling = .yarn(yarn)
      frequencies = yarn.frequencies(plain, base: base)
      factor = yarn.attentionFactor
    case "longrope":
      let longrope = try LongropeScaling(
        &scaling, pairs: plain.count, Double(positionLimit), originalLength: try originalLength())
      self.scaling = .longrope(longrope)
      frequencies = zip(plain, longrope.shortFactors).map { $0 / $1 }
      factor = longrope.attentionFactor
      dynamicFrom = Int(exactly: longrope.originalLength.rounded(.down))
    default:
      throw scaling.unsupported(
        scaling.document["rope_type"] == nil ? "type" : "rope_type",
        expected: "default, linear, dynamic, llama3, yarn or longrope")
    }
  }

  /// Where a number stands: in the object that says how positions enter, or beside it.
  private struct Setting {
    private let reader: SettingsReader
    private let key: String

    init(
      _ scaling: SettingsReader, _ inner: String, beside settings: SettingsReader, _ outer: String
    ) {
      let isInner = scaling.document[inner] != nil
      (reader, key) = isInner ? (scaling, inner) : (settings, outer)
    }

    func misfit(_ expected: String) -> CheckpointError { reader.misfit(key, expected) }

    func unsupported(_ expected: String) -> CheckpointError {
      reader.unsupported(key, expected: expected)
    }
  }

  /// The object that says how positions enter.
  private static func parameters(
    _ settings: inout SettingsReader, _ spelling: RotarySpelling, of kind: LayerKind?
  ) throws(CheckpointError) -> SettingsReader {
    if let kind { return try parameters(&settings, ofLayers: kind) }
    let older = try settings.value("rope_scaling")
    let newer = try settings.value("rope_parameters")
    let isOlder = older.map { !$0.isNothing } ?? false
    let (key, found) = isOlder ? ("rope_scaling", older) : ("rope_parameters", newer)
    let value = found ?? spelling.standardParameters
    guard let members = value.members else { throw settings.misfit(key, "an object") }
    guard !members.contains(where: { $0.value.members != nil }) else {
      throw settings.unsupported(key, expected: "one kind of rotary positions for all layers")
    }
    return SettingsReader(value, place: "\(key).")
  }

  /// The object that says how positions enter layers of a kind; `rope_scaling` is of those that see everything, and wins key by key.
  private static func parameters(
    _ settings: inout SettingsReader, ofLayers kind: LayerKind
  ) throws(CheckpointError) -> SettingsReader {
    let older = kind == .full ? try settings.value("rope_scaling") : nil
    let newer = try settings.value("rope_parameters")
    for (key, value) in [("rope_scaling", older), ("rope_parameters", newer)] {
      guard value == nil || value?.members != nil else { throw settings.misfit(key, "an object") }
    }
    let nested = newer?[kind.rawValue] ?? .null
    guard nested == .null || nested.members != nil else {
      throw settings.misfit("rope_parameters", "an object for '\(kind.rawValue)'")
    }
    let own = older?.members ?? []
    let members =
      (nested.members ?? []).filter { member in !own.contains { $0.key == member.key } } + own
    return SettingsReader(
      .object(members),
      place: own.isEmpty ? "rope_parameters.\(kind.rawValue)." : "rope_scaling.")
  }

  /// The frequencies of the original paper; of an odd number of dimensions one more than there are pairs.
  static func frequencies(_ dimensions: Int, _ base: Double) -> [Double] {
    (0..<(dimensions + 1) / 2).map { pow(base, -2 * Double($0) / Double(dimensions)) }
  }
}
