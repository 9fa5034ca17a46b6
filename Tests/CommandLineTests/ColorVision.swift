import Foundation

/// How colours look, and how far apart they are.
///
/// Colour blindness is simulated with the matrices of Machado, Oliveira and Fernandes (A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009,
/// severity 1) on linear sRGB; distances are CIEDE2000 (Sharma, Wu and Dalal, 2005), contrast is that of WCAG 2.
enum ColorVision: String, CaseIterable {
  case full, protanopia, deuteranopia, tritanopia

  private var matrix: [[Double]] {
    switch self {
    case .full: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    case .protanopia:
      [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
      ]
    case .deuteranopia:
      [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
      ]
    case .tritanopia:
      [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
      ]
    }
  }

  /// The colour `#rrggbb` as this eye sees it.
  func seen(_ color: String) -> Lab {
    let linear = Self.linear(color)
    return Lab(
      matrix.map { row in
        min(max(zip(row, linear).reduce(0) { $0 + $1.0 * $1.1 }, 0), 1)
      })
  }

  /// Red, green and blue of `#rrggbb`, linear in light, from 0 to 1.
  static func linear(_ color: String) -> [Double] {
    let number = Int(color.dropFirst(), radix: 16) ?? 0
    return [16, 8, 0].map { shift in
      let value = Double(number >> shift & 255) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
  }

  /// The contrast of two colours, from 1 to 21.
  static func contrast(_ one: String, _ other: String) -> Double {
    let luminances = [one, other].map { color in
      zip(linear(color), [0.2126, 0.7152, 0.0722]).reduce(0) { $0 + $1.0 * $1.1 }
    }.sorted()
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)
  }
}

/// A colour in CIELAB, under D65.
struct Lab {
  let lightness: Double
  let a: Double
  let b: Double

  init(_ lightness: Double, _ a: Double, _ b: Double) {
    (self.lightness, self.a, self.b) = (lightness, a, b)
  }

  /// From linear sRGB.
  init(_ rgb: [Double]) {
    let rows = [
      [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
      [0.0193339, 0.1191920, 0.9503041],
    ]
    let parts = rows.map { row in
      let ratio = zip(row, rgb).reduce(0) { $0 + $1.0 * $1.1 } / row.reduce(0, +)
      return ratio > 216.0 / 24389 ? cbrt(ratio) : (24389.0 / 27 * ratio + 16) / 116
    }
    self.init(116 * parts[1] - 16, 500 * (parts[0] - parts[1]), 200 * (parts[1] - parts[2]))
  }

  /// CIEDE2000 with all weights 1.
  func distance(_ other: Lab) -> Double {
    func power7(_ value: Double) -> Double { pow(value, 7) / (pow(value, 7) + pow(25, 7)) }
    func hue(_ a: Double, _ b: Double) -> Double {
      a == 0 && b == 0 ? 0 : (atan2(b, a) * 180 / .pi + 360).truncatingRemainder(dividingBy: 360)
    }
    func cosine(_ degrees: Double) -> Double { cos(degrees * .pi / 180) }
    let g = 0.5 * (1 - power7((hypot(a, b) + hypot(other.a, other.b)) / 2).squareRoot())
    let (a1, a2) = (a * (1 + g), other.a * (1 + g))
    let (c1, c2) = (hypot(a1, b), hypot(a2, other.b))
    let (h1, h2) = (hue(a1, b), hue(a2, other.b))
    var turn = c1 * c2 == 0 ? 0 : h2 - h1
    if turn > 180 { turn -= 360 } else if turn < -180 { turn += 360 }
    let meanHue =
      c1 * c2 == 0
      ? h1 + h2
      : abs(h1 - h2) <= 180 ? (h1 + h2) / 2 : (h1 + h2 + (h1 + h2 < 360 ? 360 : -360)) / 2
    let l = (lightness + other.lightness) / 2
    let c = (c1 + c2) / 2
    let t =
      1 - 0.17 * cosine(meanHue - 30) + 0.24 * cosine(2 * meanHue) + 0.32 * cosine(3 * meanHue + 6)
      - 0.2 * cosine(4 * meanHue - 63)
    let rotation =
      -sin(60 * exp(-pow((meanHue - 275) / 25, 2)) * .pi / 180) * 2 * power7(c).squareRoot()
    let byLightness =
      (other.lightness - lightness)
      / (1 + 0.015 * pow(l - 50, 2) / (20 + pow(l - 50, 2)).squareRoot())
    let byChroma = (c2 - c1) / (1 + 0.045 * c)
    let byHue = 2 * (c1 * c2).squareRoot() * sin(turn / 2 * .pi / 180) / (1 + 0.015 * c * t)
    return
      (byLightness * byLightness + byChroma * byChroma + byHue * byHue
      + rotation * byChroma * byHue).squareRoot()
  }
}
