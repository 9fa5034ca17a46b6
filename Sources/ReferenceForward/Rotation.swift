import Foundation
import ModelArchitectures

/// Rotates queries and keys by their positions; angles in f64.
struct Rotation: Sendable {
  private let rotary: DecoderConfiguration.Rotary
  private let headWidth: Int

  init(_ rotary: DecoderConfiguration.Rotary, headWidth: Int) {
    self.rotary = rotary
    self.headWidth = headWidth
  }

  /// Rotates the heads of a row.
  ///
  /// - Parameters:
  ///   - row: `[heads, headWidth]`.
  ///   - heads: how many.
  ///   - position: of the row's token, from 0.
  func apply(_ row: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
    for (pair, frequency) in rotary.frequencies.enumerated() {
      let angle = frequency * Double(position)
      let cosine = Float(cos(angle) * rotary.factor)
      let sine = Float(sin(angle) * rotary.factor)
      let (first, second) =
        rotary.layout == .interleaved
        ? (2 * pair, 2 * pair + 1) : (pair, pair + rotary.frequencies.count)
      for head in 0..<heads {
        let base = row + head * headWidth
        let (a, b) = (base[first], base[second])
        base[first] = a * cosine - b * sine
        base[second] = b * cosine + a * sine
      }
    }
  }
}
