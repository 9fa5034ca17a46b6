// Rotary frequencies as transformers computes them (modeling_rope_utils.py): default, linear, llama3, yarn, dynamic up to the original length.

import FileContainers
import Foundation
import TensorModel

extension DecoderConfiguration.Rotary {
  /// Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older configurations.
  ///
  /// - Parameters:
  ///   - settings: of the model.
  ///   - headWidth: the width of a head.
  ///   - fraction: of it that is rotated where the configuration doesn't say; nil if all is.
  ///   - thetaKey: older configurations' name of the base.
  ///   - fractionKey: older configurations' name of the fraction.
  ///   - layout: of the family.
  ///   - positionLimit: the longest sequence.
  /// - Throws: `usage` or `unsupported`.
  init(
    _ settings: inout SettingsReader, headWidth: Int, fraction: Double? = nil,
    thetaKey: String = "rope_theta", fractionKey: String = "partial_rotary_factor",
    layout: Layout, positionLimit: Int
  ) throws(CheckpointError) {
    let theta = try settings.number(thetaKey, default: 10000)
    let fraction = try settings.number(fractionKey, default: fraction ?? 1)
    let older = settings.value("rope_scaling")
    let newer = settings.value("rope_parameters")
    guard older == nil || newer == nil else {
      throw settings.unsupported("rope_scaling", expected: "nothing beside 'rope_parameters'")
    }
    var scaling = SettingsReader(
      newer ?? older ?? .object([]), place: newer == nil ? "rope_scaling." : "rope_parameters.")
    let base = try scaling.number("rope_theta", default: theta)
    let part = try scaling.number("partial_rotary_factor", default: fraction)
    let older2 = try scaling.text("type", default: "default")
    let kind = try scaling.text("rope_type", default: older2)
    guard let dimensions = Int(exactly: (Double(headWidth) * part).rounded(.towardZero)),
      dimensions > 0, dimensions % 2 == 0, dimensions <= headWidth, base > 1
    else {
      throw CheckpointError(
        .usage, "rotary dimensions come in pairs within a head", file: "config.json",
        found: "\(part) of \(headWidth)")
    }
    self.layout = layout
    self.base = base
    self.dimensions = dimensions
    let plain = Self.frequencies(dimensions, base)
    unscaledFrequencies = plain
    factor = 1
    switch kind {
    case "default": frequencies = plain
    case "linear":
      let factor = try scaling.number("factor")
      self.scaling = .linear(factor: factor)
      frequencies = plain.map { $0 / factor }
    case "dynamic":
      // Beyond the original length the base changes with every token; up to it nothing does.
      _ = try scaling.number("factor")
      self.scaling = .dynamic
      frequencies = plain
      dynamicFrom = positionLimit
    case "llama3":
      let llama3 = try Llama3Scaling(&scaling)
      self.scaling = .llama3(llama3)
      frequencies = plain.map(llama3.scaled)
    case "yarn":
      self.scaling = .yarn
      (frequencies, factor) = try Self.yarn(plain, base, &scaling, positionLimit)
    default: throw scaling.unsupported("rope_type", expected: "default, linear, llama3, yarn")
    }
    try scaling.expectNothingElse(harmless: ["max_position_embeddings"])
  }

  /// The frequencies of the original paper.
  static func frequencies(_ dimensions: Int, _ base: Double) -> [Double] {
    (0..<dimensions / 2).map { pow(base, -2 * Double($0) / Double(dimensions)) }
  }

  private static func yarn(
    _ plain: [Double], _ base: Double, _ scaling: inout SettingsReader, _ positionLimit: Int
  ) throws(CheckpointError) -> ([Double], Double) {
    let factor = try scaling.number("factor")
    let original = try scaling.number(
      "original_max_position_embeddings", default: Double(positionLimit))
    let fast = try scaling.number("beta_fast", default: 32)
    let slow = try scaling.number("beta_slow", default: 1)
    let attention = try scaling.number(
      "attention_factor", default: factor <= 1 ? 1 : 0.1 * log(factor) + 1)
    let truncates = try scaling.flag("truncate", default: true)
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

extension Llama3Scaling {
  fileprivate init(_ settings: inout SettingsReader) throws(CheckpointError) {
    self.init(
      factor: try settings.number("factor"),
      lowFrequencyFactor: try settings.number("low_freq_factor"),
      highFrequencyFactor: try settings.number("high_freq_factor"),
      originalLength: try settings.number("original_max_position_embeddings"))
  }
}
