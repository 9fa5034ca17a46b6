import FileContainers
import Synchronization
public import TensorModel

/// Memory for pieces of tensors, for whoever asks, from any thread; it is kept from call to call.
public final class PiecePool: Sendable {
  /// What most pieces have at most.
  public static let pieceByteCount = 2 << 20

  private let idle = Mutex<[Lent]>([])

  /// `@unchecked Sendable`: memory is either in the pool or with the one thread that took it out.
  private struct Lent: @unchecked Sendable {
    let arena: ScratchArena
  }

  /// An empty pool.
  public init() {}

  /// Lends memory for the duration of a call.
  ///
  /// - Throws: `inputOutput` without memory, and what the body throws.
  public func withPiece<Result>(
    byteCount: Int, _ body: (UnsafeMutableRawPointer) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    let room = ScratchArena.rounded(max(byteCount, Self.pieceByteCount))
    var lent = idle.withLock { $0.popLast() }
    if lent.map({ $0.arena.byteCount < room }) ?? true {
      lent = Lent(arena: try ScratchArena(byteCount: room))
    }
    guard let lent else { throw CheckpointError(.inputOutput, "no memory") }
    defer { idle.withLock { $0.append(lent) } }
    return try lent.arena.withPiece(byteCount: byteCount) { (piece) throws(CheckpointError) in
      try body(piece)
    }
  }
}
