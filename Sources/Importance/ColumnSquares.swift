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
    guard own.squares.count == columns else {
      throw CheckpointError(
        .malformed, "sums of another number of columns", expected: "\(columns)",
        found: "\(own.squares.count)", hint: Self.damageHint)
    }
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
  ///
  /// - Parameters:
  ///   - earlier: sums by places.
  ///   - configuration: of the decoder.
  /// - Throws: `malformed` for places that it doesn't have.
  func restore(
    _ earlier: [DecoderPlace: Sums], _ configuration: DecoderConfiguration
  ) throws(CheckpointError) {
    let dimensions = configuration.dimensions
    for place in earlier.keys {
      let isOfExperts = place.role.projection?.isOfExperts ?? false
      let numbers = isOfExperts ? 0..<dimensions.experts : 0..<0
      guard place.layer.map((0..<dimensions.layers).contains) ?? true,
        place.number.map(numbers.contains) ?? !isOfExperts
      else {
        throw CheckpointError(
          .malformed, "sums of a layer that the model doesn't have", hint: Self.damageHint)
      }
    }
    sums = earlier
  }

  private static let damageHint =
    "the unfinished work is damaged: discard it with --force, and begin again"

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
