import FileContainers
import Synchronization
import TensorModel

/// Reads each stored tensor once in a stage, for several results that are made of it: it stays in memory until the stage ends.
///
/// Tensors that there is no room for are read each time, and so is everything outside of stages.
final class SharedReader: StagedReader {
  private let reader: any CheckpointReader
  private let memory: Int
  /// Tensors that later stages need again.
  private let lasting: Set<Int>
  private let state = Mutex(State())

  private struct State {
    var isInStage = false
    var byteCount = 0
    var tensors: [Int: StoredTensor] = [:]
  }

  /// The bytes of a tensor, once they are there.
  private final class StoredTensor: Sendable {
    let bytes = Mutex<HeldBytes?>(nil)
  }

  /// A reader over another one.
  ///
  /// - Parameters:
  ///   - reader: of a checkpoint.
  ///   - memory: for tensors, in bytes.
  ///   - lasting: tensors that stay from one stage to the next; those that would take half of the memory or more don't.
  init(_ reader: any CheckpointReader, memory: Int, lasting: Set<Int> = []) {
    self.reader = reader
    self.memory = memory
    let tensors = reader.checkpoint.tensors
    let byteCount = lasting.reduce(0) { $0 + tensors[$1].byteCount }
    self.lasting = byteCount <= memory / 2 ? lasting : []
  }

  var checkpoint: Checkpoint { reader.checkpoint }

  func beginStage() { state.withLock { $0.isInStage = true } }

  func endStage() {
    state.withLock { state in
      state.isInStage = false
      state.tensors = state.tensors.filter { lasting.contains($0.key) }
      state.byteCount = state.tensors.keys.reduce(0) { $0 + checkpoint.tensors[$1].byteCount }
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard let bytes = try bytes(of: position) else {
      return try reader.read(position, region, into: destination)
    }
    bytes.copy(region, into: destination)
  }

  /// All bytes of a tensor, read by the first who asks; nil where they aren't kept.
  private func bytes(of position: Int) throws(CheckpointError) -> HeldBytes? {
    let tensor = checkpoint.tensors[position]
    let held = state.withLock { state -> StoredTensor? in
      if let held = state.tensors[position] { return held }
      guard state.isInStage, tensor.byteCount > 0, tensor.byteCount <= memory - state.byteCount
      else { return nil }
      state.byteCount += tensor.byteCount
      let held = StoredTensor()
      state.tensors[position] = held
      return held
    }
    guard let held else { return nil }
    return try held.bytes.withLock { (bytes) throws(CheckpointError) -> HeldBytes in
      if let bytes { return bytes }
      let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
      let read = try HeldBytes(geometry)
      try reader.read(position, geometry.whole, into: read.all)
      bytes = read
      return read
    }
  }

  func confirm(_ position: Int) throws(CheckpointError) { try reader.confirm(position) }

  func confirmUnlisted() throws(CheckpointError) { try reader.confirmUnlisted() }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    try reader.canonicalTensors()
  }

  func contentFindings() throws(CheckpointError) -> [Finding] { try reader.contentFindings() }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    try reader.makeHuggingFaceConfiguration()
  }
}

/// The bytes of a whole tensor in memory.
struct HeldBytes: Sendable {
  private let pages: Pages
  private let geometry: MatrixGeometry

  /// Room for a tensor.
  ///
  /// - Throws: `inputOutput` without memory.
  init(_ geometry: MatrixGeometry) throws(CheckpointError) {
    self.geometry = geometry
    pages = try Pages(byteCount: max(1, geometry.rows * geometry.rowByteCount))
  }

  /// Where all rows go.
  var all: MatrixBuffer { MatrixBuffer(base: pages.base, rowStride: geometry.rowByteCount) }

  /// Takes bytes in.
  func set(_ bytes: UnsafeRawBufferPointer, at byteOffset: Int) {
    guard let base = bytes.baseAddress else { return }
    (pages.base + byteOffset).copyMemory(from: base, byteCount: bytes.count)
  }

  /// Copies a region out.
  func copy(_ region: MatrixRegion, into destination: MatrixBuffer) {
    let cell = geometry.cellByteCount
    for row in 0..<region.rows.count {
      let start = (region.rows.lowerBound + row) * geometry.rowByteCount
      destination.advanced(rows: row).base.copyMemory(
        from: pages.base + start + region.columns.lowerBound * cell,
        byteCount: region.columns.count * cell)
    }
  }
}
