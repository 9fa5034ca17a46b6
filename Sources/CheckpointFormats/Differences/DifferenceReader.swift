import CTensorKernels
import FileContainers
public import TensorEvaluation
public import TensorModel

/// A checkpoint that is read together with the base that it is a difference to.
public protocol BasedReader: CheckpointReader {
  /// The base.
  var base: BaseCheckpoint { get }

  /// Makes sure that the base's tensors that are needed are those that the checkpoint was made with.
  ///
  /// Commands that read tensors once and whole needn't: they compare digests as they read.
  ///
  /// - Throws: `corrupt` for the first that isn't; what reading throws.
  func confirmBase() throws(CheckpointError)
}

/// A store of differences together with its base: an ordinary checkpoint.
public final class DifferenceReader: BasedReader {
  /// What is in it, as in a complete store.
  public let checkpoint: Checkpoint
  /// The store.
  public let store: StoreReader
  /// The base.
  public let base: BaseCheckpoint
  private let tensors: BaseTensors
  private let check: BaseCheck
  private let pieces = PiecePool()

  /// A store and its base, whose tensors are checked as they are read.
  ///
  /// - Throws: `missing` or `corrupt` for the first tensor that can't be the needed one.
  init(_ store: StoreReader, _ base: BaseMatch, _ need: BaseNeed) throws(CheckpointError) {
    self.store = store
    self.base = base.base
    checkpoint = store.checkpoint
    check = BaseCheck(base, need, pieces)
    var needed: [(type: TensorType, name: String)?] = Array(
      repeating: nil, count: checkpoint.tensors.count)
    for tensor in need.tensors { needed[tensor.position] = (tensor.type, tensor.base.name) }
    tensors = try BaseTensors(base.base, needed)
  }

  /// A store and the base that it was just written as a difference to.
  ///
  /// - Throws: `missing` or `malformed` for tensors that the base hasn't.
  public convenience init(
    _ store: StoreReader, _ base: BaseCheckpoint, _ resources: EvaluationResources
  ) throws(CheckpointError) {
    guard let need = BaseNeed(store.manifest) else {
      throw CheckpointError(.malformed, "a complete store", hint: "read it without a base")
    }
    try self.init(
      store, BaseMatch(base: base, resources: resources, tellsEach: false), need)
  }

  /// Copies a region of a tensor.
  ///
  /// - Throws: what the store's reader and the base's throw.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let entry = store.manifest.tensors[position]
    guard entry.base != nil else { return try store.read(position, region, into: destination) }
    do throws(CheckpointError) {
      guard entry.isDifference else { return try tensors.read(position, region, into: destination) }
      let size = entry.type.geometry.cellByteCount
      for tile in region.tiles(cellByteCount: size, limit: PiecePool.pieceByteCount) {
        try read(
          position, entry.type, tile,
          into: destination.advanced(to: tile, in: region, cellByteCount: size))
      }
    } catch { throw error.in(tensor: entry.name) }
  }

  private func read(
    _ position: Int, _ type: TensorType, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    try tensors.read(position, region, into: destination)
    let size = type.geometry.cellByteCount
    let rowByteCount = region.columns.count * size
    let isPacked = destination.rowStride == rowByteCount
    try pieces.withPiece(byteCount: region.rows.count * rowByteCount) {
      (piece) throws(CheckpointError) in
      try store.readStored(
        position, region, into: MatrixBuffer(base: piece, rowStride: rowByteCount))
      let (runs, cells) =
        isPacked ? (1, region.cellCount) : (region.rows.count, region.columns.count)
      for run in 0..<runs {
        let target = destination.advanced(rows: run).base
        wb_ulp_decode(
          piece + run * rowByteCount, target, target, cells, size, type.dtype.isOrderedFloat)
      }
    }
  }

  /// Makes sure of what was read from the base: as far as its format can tell, and by the digest of the whole tensor.
  ///
  /// The result's digest alone doesn't tell of rows that are cut, of bits that are rounded away, and of a manifest that says something else of the base.
  ///
  /// - Throws: `corrupt`, `inputOutput`.
  public func confirm(_ position: Int) throws(CheckpointError) {
    try tensors.confirm(position)
    guard store.manifest.tensors[position].isDifference, !tensors.hasRecordedDigest(position)
    else { return }
    if let error = try check.difference(at: position) { throw error }
  }

  /// What is wrong with the tensor of the base that a tensor needs.
  ///
  /// - Throws: what reading the base throws.
  public func cause(ofWrongDigestAt position: Int) throws(CheckpointError) -> CheckpointError? {
    try check.difference(at: position)
  }

  /// Compares all tensors of the base that are needed.
  ///
  /// - Throws: `corrupt` for the first that isn't the one that the store was made with; what reading throws.
  public func confirmBase() throws(CheckpointError) {
    if let error = try check.firstDifference() { throw error }
  }
}
