import ArgumentParser
import Foundation

/// A number of bytes as people write it: `500KB`, `5GB` or `5G` (powers of 1000), `64KiB`, `2GiB` or `2Gi` (powers of 1024), or plain.
struct ByteSize: ExpressibleByArgument {
  let byteCount: Int

  /// Units in which the `B` can be left out, longer ones first.
  private static let units: [(String, Int)] = [
    ("KI", 1 << 10), ("MI", 1 << 20), ("GI", 1 << 30), ("TI", 1 << 40),
    ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000),
  ]

  init?(argument: String) {
    var digits = argument.uppercased()[...]
    if digits.last == "B" { digits.removeLast() }
    let unit = Self.units.first { digits.hasSuffix($0.0) }
    digits.removeLast(unit?.0.count ?? 0)
    guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
      let value = Double(digits),
      value > 0, value * Double(unit?.1 ?? 1) < 9e18
    else { return nil }
    byteCount = Int(value * Double(unit?.1 ?? 1))
    guard byteCount > 0 else { return nil }
  }
}
