// Formulas as transformers 5.23 has them (modeling_rope_utils.py, `_compute_yarn_parameters` and `_compute_longrope_parameters`).

import FileContainers
import Foundation
import TensorModel

/// Frequencies that are divided by a factor where they turn seldom, and left alone where they turn often (https://arxiv.org/abs/2309.00071).
public struct YarnScaling: Sendable, Hashable {
  /// What slow frequencies are divided by.
  public let factor: Double
  /// The length that the model was trained for at first.
  public let originalLength: Double
  /// Frequencies that turn more often over that length stay as they are.
  public let fast: Double
  /// Those that turn less often are divided.
  public let slow: Double
  /// Whether the range between them is widened to whole dimensions.
  public let truncates: Bool
  /// What cosines and sines are multiplied with.
  public let attentionFactor: Double

  /// What that is where nothing is said.
  var standardAttention: Double { Self.magnitude(factor) }

  /// 0.1 ln factor + 1.
  static func magnitude(_ factor: Double, _ scale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  init(
    _ scaling: inout SettingsReader, _ positionLimit: Double, originalLength: Double
  ) throws(CheckpointError) {
    // A null is a factor that follows from the lengths; without the key transformers fails.
    let isDerived = scaling.document["factor"] == .null
    factor = try scaling.divisor(
      "factor", default: isDerived ? positionLimit / originalLength : nil)
    self.originalLength = originalLength
    func nonzero(_ key: String) throws(CheckpointError) -> Double? {
      try scaling.optionalNumber(key).flatMap { $0 == 0 ? nil : $0 }
    }
    func rotations(_ key: String) throws(CheckpointError) -> Double? {
      guard let number = try nonzero(key) else { return nil }
      guard number > 0 else { throw scaling.misfit(key, "a number over 0") }
      return number
    }
    fast = try rotations("beta_fast") ?? 32
    slow = try rotations("beta_slow") ?? 1
    var standard = Self.magnitude(factor)
    if let scale = try nonzero("mscale"), let all = try nonzero("mscale_all_dim") {
      standard = Self.magnitude(factor, scale) / Self.magnitude(factor, all)
    }
    attentionFactor = try scaling.number("attention_factor", default: standard)
    truncates = try scaling.flag("truncate", default: scaling.document["truncate"] == nil)
  }

  /// The scaled frequencies.
  ///
  /// - Parameters:
  ///   - plain: one for each pair of rotated dimensions.
  ///   - base: that they are powers of.
  /// - Returns: as many.
  func frequencies(_ plain: [Double], base: Double) -> [Double] {
    let dimensions = Double(2 * plain.count)
    func place(_ rotations: Double) -> Double {
      dimensions * log(originalLength / (rotations * 2 * .pi)) / (2 * log(base))
    }
    var (low, high) = (place(fast), place(slow))
    if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    low = max(low, 0)
    high = min(high, dimensions - 1)
    if low == high { high += 0.001 }
    return plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return frequency / factor * ramp + frequency * (1 - ramp)
    }
  }
}

/// Frequencies that are divided by factors of their own, others up to a length than beyond it (https://arxiv.org/abs/2402.13753).
public struct LongropeScaling: Sendable, Hashable {
  /// One for each pair, up to the original length.
  public let shortFactors: [Double]
  /// One for each pair, beyond it, for all positions.
  public let longFactors: [Double]
  /// The length that the model was trained for at first.
  public let originalLength: Double
  /// What cosines and sines are multiplied with.
  public let attentionFactor: Double

  init(
    _ scaling: inout SettingsReader, pairs: Int, _ positionLimit: Double, originalLength: Double
  ) throws(CheckpointError) {
    self.originalLength = originalLength
    let factor = try scaling.optionalNumber("factor") ?? positionLimit / originalLength
    let standard = factor <= 1 ? 1 : (1 + log(factor) / log(originalLength)).squareRoot()
    attentionFactor = try scaling.optionalNumber("attention_factor") ?? standard
    var lists: [[Double]] = []
    for key in ["long_factor", "short_factor"] {
      let list = try scaling.value(key)?.elements?.compactMap(\.double) ?? []
      guard list.count == pairs, list.allSatisfy({ $0 != 0 }) else {
        throw scaling.misfit(key, "\(pairs) numbers, one for each pair of rotated dimensions")
      }
      lists.append(list)
    }
    (longFactors, shortFactors) = (lists[0], lists[1])
  }
}
