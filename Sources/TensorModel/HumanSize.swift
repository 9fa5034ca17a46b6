import Foundation

/// Bytes for people: three digits and a unit of powers of 1000.
public func humanSize(_ byteCount: Int) -> String {
  if byteCount < 1000 { return "\(byteCount) bytes" }
  var value = Double(byteCount)
  for unit in ["KB", "MB", "GB", "TB", "PB"] {
    value /= 1000
    if value < 999.5 || unit == "PB" {
      let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
      return String(format: "%.\(digits)f %@", value, unit)
    }
  }
  return "\(byteCount) bytes"
}
