import FileContainers
public import ModelArchitectures
public import ReferenceForward
import Synchronization
public import TensorModel

/// Sums up the squares of what each column of a decoder's linear layers is multiplied with.
///
/// Sums are f64, each column's in the order of the tokens, so that they don't depend on the number of threads.
///
/// `@unchecked Sendable`: a decoder calls from one thread, and between runs whoever reads.
public final class ColumnSquares: LinearObserver, @unchecked Sendable {
  /// The sums of one weight, or of one expert's.
  struct Sums {
    var squares: [Double]
    var rowCount: Int
  }

  private(set) var sums: [DecoderPlace: Sums] = [:]
  private let threads: Int
  private let includesHead: Bool

  /// Columns that a thread sums up at a time.
  private static let pieceColumnCount = 512

  /// Nothing yet.
  ///
  /// - Parameters:
  ///   - threads: how many.
  ///   - includesHead: whether what makes the logits counts, too.
  init(threads: Int, includesHead: Bool) {
    self.threads = threads
    self.includesHead = includesHead
  }

  /// Adds the squares of all rows.
  public func willApply(
    _ place: DecoderPlace, to x: UnsafePointer<Float>, rows: Int, columns: Int
  ) throws(CheckpointError) {
    guard includesHead || place.role.projection != .head else { return }
    var own =
      sums.removeValue(forKey: place)
      ?? Sums(squares: Array(repeating: 0, count: columns), rowCount: 0)
    own.rowCount += rows
    own.squares.withUnsafeMutableBufferPointer { squares in
      // Each thread has columns of its own.
      nonisolated(unsafe) let (x, squares) = (x, squares)
      let step = Self.pieceColumnCount
      let pieces = (columns + step - 1) / step
      let next = Atomic(0)
      ThreadTeam.run(min(threads, pieces)) { _ in
        while true {
          let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard piece < pieces else { return }
          let range = piece * step..<min(columns, (piece + 1) * step)
          for row in 0..<rows { Self.add(x + row * columns, range, to: squares) }
        }
      }
    }
    sums[place] = own
  }

  /// Begins with what an interrupted run has summed up.
  func restore(_ earlier: [DecoderPlace: Sums]) { sums = earlier }

  private static func add(
    _ row: UnsafePointer<Float>, _ range: Range<Int>,
    to squares: UnsafeMutableBufferPointer<Double>
  ) {
    for column in range {
      let value = Double(row[column])
      squares[column] += value * value
    }
  }
}
