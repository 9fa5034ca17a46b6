import CFuzzing
public import FileContainers
import TensorModel

/// An input as a file in memory, which the parsers open by a path like any other.
public struct InputInMemory {
  /// Where it can be opened until the next one of the same number is made.
  public let path: String

  /// Writes a file.
  ///
  /// - Parameters:
  ///   - bytes: its contents.
  ///   - number: 0 or 1; there are only two.
  public init(_ bytes: [UInt8], number: Int = 0) {
    let descriptor = wb_fuzz_file(Int32(number), bytes, bytes.count)
    expect(descriptor >= 0, "no file in memory")
    path = "/proc/self/fd/\(descriptor)"
  }

  /// Where unpacked data go: memory, too.
  public static let temporaryDirectory = "/dev/shm"

  /// All of the file.
  public var region: FileRegion {
    get throws(CheckpointError) { try InputFile(path: path).region }
  }
}

extension [UInt8] {
  /// The input cut at NUL bytes, which texts don't hold, into at most so many parts; the last may have more of them.
  public func parts(_ count: Int) -> [[UInt8]] {
    split(separator: 0, maxSplits: count - 1, omittingEmptySubsequences: false).map { Array($0) }
  }

  /// The part of a number, or nothing.
  public func part(_ number: Int, of count: Int) -> [UInt8] {
    let parts = parts(count)
    return number < parts.count ? parts[number] : []
  }
}
