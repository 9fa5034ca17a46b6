import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// The digests of a base's tensors that are needed, each found by reading the whole tensor once.
///
/// Neighbours are hashed two at a time, which takes hardly longer than one where the processor has instructions for it.
final class NeededDigests: Sendable {
  private let match: BaseMatch
  private let need: BaseNeed
  private let pairs: [Pair]
  private let pieces: PiecePool

  /// Of two tensors, the even place first; whoever asks for one while it is being found waits.
  private final class Pair: Sendable {
    let digests = Mutex<[Digest?]>([nil, nil])
  }

  /// A tensor that is gone through.
  private struct Lane {
    let place: Int
    let position: Int
    let tiles: [MatrixRegion]
    var digest = PairedDigest()
  }

  /// Digests of the tensors that are needed; others may read in the same memory.
  init(_ match: BaseMatch, _ need: BaseNeed, _ pieces: PiecePool) {
    self.match = match
    self.need = need
    self.pieces = pieces
    pairs = (0..<(need.tensors.count + 1) / 2).map { _ in Pair() }
  }

  /// The digest of a tensor.
  ///
  /// - Parameter place: among those that are needed.
  /// - Returns: nil where the base has none of its name.
  /// - Throws: what reading throws.
  subscript(place: Int) -> Digest? {
    get throws(CheckpointError) {
      guard let position = position(place) else { return nil }
      if let known = match.digests { return known.tensor(position).digest }
      return try pairs[place / 2].digests.withLock { digests throws(CheckpointError) in
        if let known = digests[place % 2] { return known }
        let own = lane(place, position)
        let other = digests[(place ^ 1) % 2] == nil ? neighbour(of: place) : nil
        var found: [Lane]?
        if let other {
          // What is wrong with the neighbour is its own affair.
          found = try ifUsable { () throws(CheckpointError) in try hash([own, other]) }
        }
        if found == nil { found = try hash([own]) }
        for lane in found ?? [] { digests[lane.place % 2] = lane.digest.digest }
        return digests[place % 2]
      }
    }
  }

  private func position(_ place: Int) -> Int? {
    match.base.checkpoint.position(of: need.tensors[place].base.name)
  }

  /// The other one of a pair, if its digest will be asked for, too, and it is about as large.
  private func neighbour(of place: Int) -> Lane? {
    let other = place ^ 1
    guard PairedDigest.isAccelerated, other < need.tensors.count, !need.tensors[other].isSame,
      let position = position(other), let own = self.position(place)
    else { return nil }
    let tensors = match.base.checkpoint.tensors
    let sizes = [tensors[own].byteCount, tensors[position].byteCount]
    guard tensors[position].recordedDigest == nil, sizes.max() ?? 0 <= 2 * (sizes.min() ?? 0)
    else { return nil }
    return lane(other, position)
  }

  private func lane(_ place: Int, _ position: Int) -> Lane {
    let tensor = match.base.checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    return Lane(
      place: place, position: position,
      tiles: Array(
        geometry.whole.tiles(
          cellByteCount: geometry.cellByteCount, limit: PiecePool.pieceByteCount)))
  }

  /// Goes through one tensor, or through two side by side.
  private func hash(_ lanes: [Lane]) throws(CheckpointError) -> [Lane] {
    var lanes = lanes
    for step in 0..<(lanes.map(\.tiles.count).max() ?? 0) {
      try match.resources.checkCancellation()
      let active = lanes.indices.filter { step < lanes[$0].tiles.count }
      try withTile(lanes[active[0]], step) { (bytes) throws(CheckpointError) in
        guard active.count == 2 else { return lanes[active[0]].digest.update(bytes) }
        try withTile(lanes[1], step) { (others) in
          var second = lanes[1].digest
          lanes[0].digest.update(bytes, with: &second, others)
          lanes[1].digest = second
        }
      }
    }
    return lanes
  }

  private func withTile(
    _ lane: Lane, _ step: Int,
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let tensor = match.base.checkpoint.tensors[lane.position]
    let cell = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape).cellByteCount
    let region = lane.tiles[step]
    let byteCount = region.cellCount * cell
    try pieces.withPiece(byteCount: byteCount) { (piece) throws(CheckpointError) in
      try match.base.read(
        lane.position, region,
        into: MatrixBuffer(base: piece, rowStride: region.columns.count * cell))
      try body(UnsafeRawBufferPointer(start: piece, count: byteCount))
    }
  }
}
