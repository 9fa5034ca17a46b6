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

  /// The keys that a class of this spelling reads, for its `ClassSettings`.
  var defaults: [String: JSONValue] {
    [
      base: .null, fraction: .null, "rope_scaling": .null, "rope_parameters": .null,
      "original_max_position_embeddings": .null,
    ]
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
  /// - Throws: `usage` or `unsupported`.
  init(
    _ settings: inout SettingsReader, _ spelling: RotarySpelling, headWidth: Int, layout: Layout,
    positionLimit: Int
  ) throws(CheckpointError) {
    let theta = try settings.number(spelling.base, default: spelling.standardBase)
    let outerFraction = try settings.optionalNumber(spelling.fraction) ?? spelling.standardFraction
    let outerLength = try settings.optionalNumber("original_max_position_embeddings")
    var scaling = try Self.parameters(&settings)
    let base = try scaling.number("rope_theta", default: theta)
    let fraction = try scaling.optionalNumber("partial_rotary_factor") ?? outerFraction
    let kind = try scaling.text("rope_type", default: scaling.text("type", default: "default"))
    let isPartial = spelling.standardFraction != nil || kind != "default"
    let part = isPartial ? fraction ?? 1 : 1
    guard let dimensions = Int(exactly: (Double(headWidth) * part).rounded(.towardZero)),
      dimensions > 0, dimensions % 2 == 0, dimensions <= headWidth, base > 1
    else {
      throw CheckpointError(
        .unsupported, "rotary positions that aren't computed here", file: "config.json",
        expected:
          "'\(spelling.fraction)' of an even number of at most \(headWidth) dimensions, '\(spelling.base)' over 1",
        found: "\(part) and \(base)",
        hint: "conversions that keep names and shapes (--to safetensors, store, npz) don't need it")
    }
    guard spelling.standardFraction != nil || dimensions == headWidth else {
      throw scaling.unsupported("partial_rotary_factor", expected: "1 for this family")
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
      return outerLength ?? inner ?? Double(positionLimit)
    }
    switch kind {
    case "default": break
    case "linear":
      let factor = try scaling.number("factor")
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
        factor: try scaling.number("factor"),
        lowFrequencyFactor: try scaling.number("low_freq_factor"),
        highFrequencyFactor: try scaling.number("high_freq_factor"),
        originalLength: try originalLength())
      self.scaling = .llama3(llama3)
      frequencies = plain.map(llama3.scaled)
    case "yarn":
      self.scaling = .yarn
      (frequencies, factor) = try Self.yarn(
        plain, base, &scaling, Double(positionLimit), originalLength: try originalLength())
    case "longrope":
      self.scaling = .longrope
      let original = try originalLength()
      (frequencies, factor) = try Self.longrope(
        plain, &scaling, Double(positionLimit), originalLength: original)
      dynamicFrom = Int(exactly: original.rounded(.down))
    default:
      throw scaling.unsupported(
        scaling.document["rope_type"] == nil ? "type" : "rope_type",
        expected: "default, linear, dynamic, llama3, yarn or longrope")
    }
  }

  /// The object that says how positions enter.
  private static func parameters(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> SettingsReader {
    let older = try settings.value("rope_scaling")
    let newer = try settings.value("rope_parameters")
    let isOlder = older.map { !$0.isNothing } ?? false
    let (key, found) = isOlder ? ("rope_scaling", older) : ("rope_parameters", newer)
    let value = found ?? .object([])
    guard let members = value.members else { throw settings.misfit(key, "an object") }
    guard !members.contains(where: { $0.value.members != nil }) else {
      throw settings.unsupported(key, expected: "one kind of rotary positions for all layers")
    }
    return SettingsReader(value, place: "\(key).")
  }

  /// The frequencies of the original paper.
  static func frequencies(_ dimensions: Int, _ base: Double) -> [Double] {
    (0..<dimensions / 2).map { pow(base, -2 * Double($0) / Double(dimensions)) }
  }

  /// Up to the original length; beyond it `long_factor` would count, for all positions.
  private static func longrope(
    _ plain: [Double], _ scaling: inout SettingsReader, _ positionLimit: Double,
    originalLength original: Double
  ) throws(CheckpointError) -> ([Double], Double) {
    let factor = try scaling.optionalNumber("factor") ?? positionLimit / original
    let standard = factor <= 1 ? 1 : (1 + log(factor) / log(original)).squareRoot()
    let attention = try scaling.optionalNumber("attention_factor") ?? standard
    var divisors: [Double] = []
    for key in ["long_factor", "short_factor"] {
      divisors = try scaling.value(key)?.elements?.compactMap(\.double) ?? []
      guard divisors.count == plain.count, divisors.allSatisfy({ $0 != 0 }) else {
        throw scaling.misfit(key, "\(plain.count) numbers, one for each pair of rotated dimensions")
      }
    }
    return (zip(plain, divisors).map { $0 / $1 }, attention)
  }

  private static func yarn(
    _ plain: [Double], _ base: Double, _ scaling: inout SettingsReader, _ positionLimit: Double,
    originalLength original: Double
  ) throws(CheckpointError) -> ([Double], Double) {
    // A null is a factor that follows from the lengths; without the key transformers fails.
    let isDerived = scaling.document["factor"] == .null
    let factor = try scaling.number("factor", default: isDerived ? positionLimit / original : nil)
    func nonzero(_ key: String) throws(CheckpointError) -> Double? {
      try scaling.optionalNumber(key).flatMap { $0 == 0 ? nil : $0 }
    }
    let (fast, slow) = (try nonzero("beta_fast") ?? 32, try nonzero("beta_slow") ?? 1)
    func magnitude(_ scale: Double = 1) -> Double {
      factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
    }
    var standard = magnitude()
    if let scale = try nonzero("mscale"), let all = try nonzero("mscale_all_dim") {
      standard = magnitude(scale) / magnitude(all)
    }
    let attention = try scaling.number("attention_factor", default: standard)
    let truncates = try scaling.flag("truncate", default: scaling.document["truncate"] == nil)
    let dimensions = Double(2 * plain.count)
    func place(_ rotations: Double) -> Double {
      dimensions * log(original / (rotations * 2 * .pi)) / (2 * log(base))
    }
    var (low, high) = (place(fast), place(slow))
    if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    low = max(low, 0)
    high = min(high, dimensions - 1)
    if low == high { high += 0.001 }
    let frequencies = plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return frequency / factor * ramp + frequency * (1 - ramp)
    }
    return (frequencies, attention)
  }
}
