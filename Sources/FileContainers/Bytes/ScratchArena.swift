public import TensorModel

/// Memory for one worker's intermediate results, taken and given back like a stack and reused from tensor to tensor: touching
/// fresh memory costs more than the work done in it.
public final class ScratchArena {
  private let pages: Pages
  private var used = 0
  /// The bytes that it has.
  public let byteCount: Int

  /// What pieces are aligned to: a cache line.
  public static let alignment = 64

  /// Reserves address space; fresh pages are backed when they are first used.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  public init(byteCount: Int) throws(CheckpointError) {
    self.byteCount = byteCount
    pages = try Pages(byteCount: byteCount)
  }

  /// What a piece of so many bytes takes.
  public static func rounded(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) / alignment * alignment
  }

  /// Lends a piece of uninitialised memory for the duration of a call.
  ///
  /// Callers compute what they need beforehand; asking for more is a bug of ours.
  public func withPiece<Result, Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let size = Self.rounded(byteCount)
    precondition(used + size <= self.byteCount, "scratch arena exhausted")
    let piece = pages.base + used
    used += size
    defer { used -= size }
    return try body(piece)
  }
}
