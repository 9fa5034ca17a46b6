// Llama 3.1's rotary frequencies for long sequences: those of long waves are divided by a factor, those of short ones kept, those between mixed
// (transformers' modeling_rope_utils.py). GGUF files hold what each frequency is divided by (llama.cpp's conversion/llama.py).

import Foundation

/// How Llama 3.1 scales rotary frequencies.
public struct Llama3Scaling: Sendable, Hashable {
  /// What frequencies of long waves are divided by.
  public var factor: Double
  /// Waves longer than the original length divided by this are long.
  public var lowFrequencyFactor: Double
  /// Waves shorter than the original length divided by this are short.
  public var highFrequencyFactor: Double
  /// The length of the sequences before, in tokens.
  public var originalLength: Double

  /// The numbers of `rope_scaling` in `config.json`.
  public init(
    factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalLength: Double
  ) {
    self.factor = factor
    self.lowFrequencyFactor = lowFrequencyFactor
    self.highFrequencyFactor = highFrequencyFactor
    self.originalLength = originalLength
  }

  /// What the models are published with: Llama 3.1 and 3.3, then Llama 3.2.
  public static let published = [8.0, 32.0].map {
    Llama3Scaling(
      factor: $0, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192)
  }

  /// A scaled frequency, in radians per position.
  func scaled(_ frequency: Double) -> Double {
    let wavelength = 2 * Double.pi / frequency
    if wavelength < originalLength / highFrequencyFactor { return frequency }
    if wavelength > originalLength / lowFrequencyFactor { return frequency / factor }
    let smooth =
      (originalLength / wavelength - lowFrequencyFactor)
      / (highFrequencyFactor - lowFrequencyFactor)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }

  /// What each frequency is divided by, as `rope_freqs.weight` has it.
  ///
  /// Every step is rounded to binary32, reciprocals and products where PyTorch has them: the bits are those of llama.cpp's converter, which takes
  /// 8192 for every model's original length.
  ///
  /// - Parameters:
  ///   - dimensions: of a head that are rotated.
  ///   - base: of the frequencies.
  /// - Returns: `[dimensions / 2]`.
  public func divisors(dimensions: Int, base: Double) -> [Float] {
    (0..<dimensions / 2).map { pair in
      let exponent = Float(2 * pair) / Float(dimensions)
      let frequency = 1 / Float(pow(Double(Float(base)), Double(exponent)))
      let wavelength = 1 / frequency * Float(2 * Double.pi)
      if wavelength < Float(originalLength / highFrequencyFactor) { return 1 }
      if wavelength > Float(originalLength / lowFrequencyFactor) { return Float(factor) }
      let smooth =
        (1 / wavelength * Float(originalLength) - Float(lowFrequencyFactor))
        / Float(highFrequencyFactor - lowFrequencyFactor)
      return 1 / ((1 - smooth) / Float(factor) + smooth)
    }
  }
}
