import Foundation

/// A number with three significant digits.
func threeDigits(_ number: Double) -> String { String(format: "%.3g", number) }

/// A number with three significant digits, zeros included, so that those of a column can be compared.
func threeDigitsInColumn(_ number: Double) -> String {
  let text = String(format: "%#.3g", number)
  return text.hasSuffix(".") ? String(text.dropLast()) : text
}

/// A part of one, in percent.
func percent(_ part: Double) -> String { String(format: "%.1f %%", 100 * part) }
