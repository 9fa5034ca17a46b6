import ArgumentParser
import Foundation

/// A number of bytes as people write it: `500KB`, `5GB` (powers of 1000), `64KiB`, `2GiB` (powers of 1024), or plain.
struct ByteSize: ExpressibleByArgument {
  let byteCount: Int

  private static let units: [(String, Int)] = [
    ("KIB", 1 << 10), ("MIB", 1 << 20), ("GIB", 1 << 30), ("TIB", 1 << 40),
    ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
  ]

  init?(argument: String) {
    let upper = argument.uppercased()
    let unit = Self.units.first { upper.hasSuffix($0.0) }
    let digits = unit.map { upper.dropLast($0.0.count) } ?? upper[...]
    guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
      let value = Double(digits),
      value > 0, value * Double(unit?.1 ?? 1) < 9e18
    else { return nil }
    byteCount = Int(value * Double(unit?.1 ?? 1))
    guard byteCount > 0 else { return nil }
  }
}
