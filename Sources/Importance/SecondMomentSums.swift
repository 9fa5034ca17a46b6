import CTensorKernels
import FileContainers
import ModelArchitectures
import ReferenceForward
import Synchronization
import TensorModel

/// Sums up, layer by layer, how the inputs of a decoder's linear layers go together: Σ x[i] · x[j] over tokens.
///
/// Products are exact and sums f64, each in the order of the tokens, so that they don't depend on the number of threads. Layers that are applied to the same
/// have one matrix. Experts have none: each would need one of its own.
///
/// `@unchecked Sendable`: a decoder calls from one thread, and between layers whoever takes the sums.
final class SecondMomentSums: LinearObserver, @unchecked Sendable {
  /// What the linear layers of a layer are applied to.
  private enum Input: Hashable {
    case attention, heads, feedForward, inner, head
  }

  /// Sums of one input.
  final class Matrix {
    /// The weights that it is multiplied with; sums are those of the first.
    fileprivate(set) var places: [DecoderPlace]
    let columns: Int
    fileprivate(set) var rowCount = 0
    private let pages: ScratchArena
    let tiles: UnsafeMutablePointer<Double>

    fileprivate init(_ place: DecoderPlace, columns: Int) throws(CheckpointError) {
      places = [place]
      self.columns = columns
      let byteCount = Self.byteCount(columns: columns)
      pages = try ScratchArena(byteCount: byteCount)
      tiles = pages.withPiece(byteCount: byteCount) { $0.assumingMemoryBound(to: Double.self) }
      tiles.update(repeating: 0, count: byteCount / MemoryLayout<Double>.stride)
    }

    /// Bytes of the sums of so many columns.
    static func byteCount(columns: Int) -> Int {
      wb_moments_count(columns) * MemoryLayout<Double>.stride
    }
  }

  private var matrices: [Input: Matrix] = [:]
  private var order: [Input] = []
  private var wide: ScratchArena?
  /// Whether there were experts, which have no matrices.
  private(set) var hasExperts = false

  private let threads: Int
  private let byteLimit: Int
  private let includesHead: Bool
  private let isParallel: Bool

  /// Nothing yet.
  ///
  /// - Parameters:
  ///   - configuration: of the decoder.
  ///   - threads: how many.
  ///   - byteLimit: for the sums of a layer.
  ///   - includesHead: whether what makes the logits counts, too.
  init(
    _ configuration: DecoderConfiguration, threads: Int, byteLimit: Int, includesHead: Bool
  ) {
    isParallel = configuration.residual == .parallel
    self.threads = threads
    self.byteLimit = byteLimit
    self.includesHead = includesHead
  }

  private func input(_ projection: DecoderRole.Projection?) -> Input? {
    switch projection {
    case .query, .key, .value, .queryKeyValue: .attention
    case .output: .heads
    case .gate, .up, .gateUp: isParallel ? .attention : .feedForward
    case .down: .inner
    case .head: includesHead ? .head : nil
    default: nil
    }
  }

  func willApply(
    _ place: DecoderPlace, to x: UnsafePointer<Float>, rows: Int, columns: Int
  ) throws(CheckpointError) {
    if place.role.projection?.isOfExperts == true { hasExperts = true }
    guard let input = input(place.role.projection) else { return }
    if let known = matrices[input] {
      guard known.places[0] == place else {
        if !known.places.contains(place) { known.places.append(place) }
        return
      }
      return try add(x, rows, to: known)
    }
    let byteCount =
      matrices.values.reduce(Matrix.byteCount(columns: columns)) {
        $0 + Matrix.byteCount(columns: $1.columns)
      } + wb_moments_scratch_count(columns) * MemoryLayout<Double>.stride
    guard byteCount <= byteLimit else {
      throw CheckpointError(
        .usage, "second moments of a layer's inputs are more than memory may hold",
        expected: "at most \(humanSize(byteLimit))", found: "\(humanSize(byteCount)) or more",
        hint: "give it more by --memory; sums take half of it")
    }
    let matrix = try Matrix(place, columns: columns)
    matrices[input] = matrix
    order.append(input)
    try add(x, rows, to: matrix)
  }

  /// The sums since the last call, in the order of the layer.
  func taken() -> [Matrix] {
    defer { (matrices, order) = ([:], []) }
    return order.compactMap { matrices[$0] }
  }

  private func add(
    _ x: UnsafePointer<Float>, _ rows: Int, to matrix: Matrix
  ) throws(CheckpointError) {
    let columns = matrix.columns
    let byteCount = wb_moments_scratch_count(columns) * MemoryLayout<Double>.stride
    if wide.map({ $0.byteCount < byteCount }) ?? true {
      wide = nil
      wide = try ScratchArena(byteCount: ScratchArena.rounded(byteCount))
    }
    matrix.rowCount += rows
    let (level, across) = (wb_best_level(), (columns + 7) / 8)
    wide?.withPiece(byteCount: byteCount) { room in
      nonisolated(unsafe) let (room, x, tiles) = (
        room.assumingMemoryBound(to: Double.self), x, matrix.tiles
      )
      for first in stride(from: 0, to: rows, by: wb_moments_rows_at_once()) {
        let count = min(wb_moments_rows_at_once(), rows - first)
        let isSmall = columns < Self.smallColumnCount
        ThreadTeam.run(isSmall ? 1 : threads) { worker in
          let team = isSmall ? 1 : self.threads
          let panels = across * worker / team..<across * (worker + 1) / team
          wb_moments_widen(
            x + first * columns, count, columns, panels.lowerBound, panels.upperBound, room)
        }
        let next = Atomic(0)
        ThreadTeam.run(isSmall ? 1 : threads) { _ in
          while true {
            // The longest columns first.
            let column = across - 1 - next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard column >= 0 else { return }
            wb_moments_add(level, room, count, column, tiles)
          }
        }
      }
    }
  }

  /// Below so many columns threads would take longer to start than to work.
  private static let smallColumnCount = 256
}
