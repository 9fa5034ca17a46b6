import CTensorKernels
import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// A tensor that an update changes: its new bytes, made of the base's when they are first asked for, and checked as a whole before any is given.
final class UpdatedTensor: Sendable {
  private let name: String
  private let frame: FileRegion
  private let encoding: WeightDeltaIndex.Encoding
  private let kind: ContentChecksum.Kind
  private let checksum: String
  private let base: BaseCheckpoint
  /// In the base.
  private let position: Int
  private let directory: String
  private let file = Mutex<TemporaryFile?>(nil)

  private static let pieceByteCount = 1 << 20

  /// An update of the base's tensor at a position.
  init(
    frame: FileRegion, _ index: WeightDeltaIndex, checksum: String, _ base: BaseCheckpoint,
    _ position: Int, directory: String
  ) {
    name = base.checkpoint.tensors[position].name
    self.frame = frame
    encoding = index.encoding
    kind = index.checksum
    self.checksum = checksum
    self.base = base
    self.position = position
    self.directory = directory
  }

  private var info: TensorInfo { base.checkpoint.tensors[position] }

  /// Copies bytes that follow each other.
  ///
  /// - Throws: `corrupt` if frame or checksum are wrong, `malformed` for a frame that tells no such bytes, `noSpace`, `inputOutput`.
  func read(
    at offset: Int, into target: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try unpacked().read(at: offset, into: target, count: count)
  }

  /// Makes sure that the new bytes are what the update says.
  ///
  /// - Throws: as `read`.
  func check() throws(CheckpointError) {
    _ = try unpacked()
    release()
  }

  /// Lets go of the new bytes, which are made again if they are asked for again.
  func release() { file.withLock { $0 = nil } }

  private func unpacked() throws(CheckpointError) -> TemporaryFile {
    // Other threads wait for the outcome.
    try file.withLock { known throws(CheckpointError) in
      if let known { return known }
      let file = try TemporaryFile(in: directory)
      var sum = ContentChecksum(kind)
      let source = try source()
      try forEachPiece { (bytes, offset) throws(CheckpointError) in
        try source.apply(to: bytes, at: offset)
        sum.update(UnsafeRawBufferPointer(bytes))
        if let start = bytes.baseAddress {
          try file.write(at: offset, from: start, count: bytes.count)
        }
      }
      try source.expectEnd()
      guard sum.hexadecimal == checksum.lowercased() else {
        throw CheckpointError(
          .corrupt, "its new bytes have another checksum than the update says", tensor: name,
          expected: "\(kind.rawValue) \(checksum)", found: sum.hexadecimal,
          hint: "the update is damaged, or the base isn't the version that it changes")
      }
      known = file
      return file
    }
  }

  private func source() throws(CheckpointError) -> any ByteUpdate {
    switch encoding {
    case .xor: try XORUpdate(frame, name)
    case .overwrite: try OverwriteUpdate(frame, name, byteCount: info.byteCount)
    }
  }

  /// Gives the base's bytes piece by piece, in order.
  private func forEachPiece(
    _ body: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let geometry = MatrixGeometry(dtype: info.dtype, shape: info.shape)
    let scratch = try ScratchArena(byteCount: ScratchArena.rounded(Self.pieceByteCount))
    var offset = 0
    for region in geometry.whole.tiles(
      cellByteCount: geometry.cellByteCount, limit: Self.pieceByteCount)
    {
      let count = region.cellCount * geometry.cellByteCount
      try scratch.withPiece(byteCount: count) { (piece) throws(CheckpointError) in
        try base.read(
          position, region,
          into: MatrixBuffer(
            base: piece, rowStride: region.columns.count * geometry.cellByteCount))
        try body(UnsafeMutableRawBufferPointer(start: piece, count: count), offset)
      }
      offset += count
    }
    try base.confirm(position)
  }
}
