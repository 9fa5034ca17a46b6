import Foundation

/// A number with three significant digits.
func threeDigits(_ number: Double) -> String { String(format: "%.3g", number) }

/// A part of one, in percent.
func percent(_ part: Double) -> String { String(format: "%.1f %%", 100 * part) }
