import Foundation

/// A place on an axis that is labelled.
struct Tick: Equatable {
  /// In pixels, or with `%` in percent, as SVG has it.
  let at: String
  /// What stands there.
  let label: String
}

/// A coordinate as SVG has it: tenths of a pixel.
func pixels(_ coordinate: Double) -> String {
  let text = String(format: "%.1f", coordinate)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// A coordinate in percent of a chart's width, to hundredths.
func percentPlace(_ coordinate: Double) -> String {
  var text = String(format: "%.2f", coordinate)
  while text.hasSuffix("0") { text.removeLast() }
  return (text.hasSuffix(".") ? String(text.dropLast()) : text) + "%"
}

/// The smallest of 1, 2 and 5 times a power of ten that isn't below a positive number.
func roundStep(atLeast number: Double) -> Double {
  let power = pow(10, floor(log10(number)))
  return [1, 2, 5].map { $0 * power }.first { $0 >= number * (1 - 1e-9) } ?? 10 * power
}
