import CTensorKernels
import CZlib

/// Checksums that trainers put beside weights: fast ones, against damage and not against intent.
public struct ContentChecksum {
  /// Which checksum.
  public enum Kind: String, CaseIterable, Sendable {
    /// Adler-32, https://www.rfc-editor.org/rfc/rfc1950: 8 hexadecimal digits.
    case adler32
    /// XXH3 of 128 bits, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md: 32 hexadecimal digits.
    case xxh3 = "xxh3-128"
  }

  private enum State {
    case adler32(UInt)
    case xxh3(wb_xxh3)
  }

  private var state: State

  /// A checksum of nothing yet.
  public init(_ kind: Kind) {
    switch kind {
    case .adler32: state = .adler32(1)
    case .xxh3:
      var empty = wb_xxh3()
      wb_xxh3_begin(&empty)
      state = .xxh3(empty)
    }
  }

  /// Takes in the next bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch state {
    case .adler32(var sum):
      var rest = bytes[...]
      // zlib counts in 32 bits.
      while !rest.isEmpty {
        let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
        sum = adler32(
          sum, piece.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(piece.count))
        rest = rest.dropFirst(piece.count)
      }
      state = .adler32(sum)
    case .xxh3(var sums):
      // Not twice in memory: the state is a kilobyte.
      state = .adler32(1)
      wb_xxh3_update(&sums, bytes.baseAddress, bytes.count)
      state = .xxh3(sums)
    }
  }

  /// The checksum of all bytes so far, in hexadecimal digits.
  public var hexadecimal: String {
    switch state {
    case .adler32(let sum): Self.digits(UInt64(sum), 8)
    case .xxh3(let sums):
      withUnsafePointer(to: sums) {
        let digest = wb_xxh3_end($0)
        return Self.digits(digest.high, 16) + Self.digits(digest.low, 16)
      }
    }
  }

  private static func digits(_ value: UInt64, _ count: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, count - text.count)) + text
  }
}
