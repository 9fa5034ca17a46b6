import FileContainers
import ModelArchitectures
public import TensorModel

/// Runs a decoder over windows of tokens with all of them in one layer before any is in the next: for what is measured of a layer and takes much memory.
///
/// Residual streams lie in a file without a name between the layers; memory holds those of one batch.
public struct LayeredRun {
  private let decoder: Decoder
  private let windows: TokenWindows
  private let prefix: Int
  private let directory: String

  /// A run over windows.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - windows: of tokens.
  ///   - prefix: the first tokens of each that see each other.
  ///   - directory: for the residual streams of all tokens, 4 bytes for each element.
  public init(_ decoder: Decoder, _ windows: TokenWindows, prefix: Int, directory: String) {
    self.decoder = decoder
    self.windows = windows
    self.prefix = prefix
    self.directory = directory
  }

  /// Runs all windows.
  ///
  /// - Parameters:
  ///   - progress: told of tokens that are done, as the share of their layers.
  ///   - layerEnd: called when all windows have gone through a layer.
  ///   - batchEnd: is given each batch after the last layer.
  /// - Throws: `usage` for tokens that the model doesn't have; what reading, the file and the bodies throw.
  public func run(
    progress: (Int) -> Void, layerEnd: (Int) throws(CheckpointError) -> Void,
    batchEnd: (Decoder.State) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let file = try TemporaryFile(in: directory)
    let batches = windows.batches
    let width = decoder.configuration.dimensions.model * MemoryLayout<Float>.stride
    var offsets = [0]
    for batch in batches {
      let rowCount = windows.rows[batch].reduce(0) { $0 + $1.count }
      offsets.append(offsets[offsets.count - 1] + rowCount * width)
    }
    func keep(_ state: Decoder.State, _ batch: Int) throws(CheckpointError) {
      try file.write(
        at: offsets[batch], from: state.hidden.base, count: offsets[batch + 1] - offsets[batch])
    }
    func state(_ batch: Int) throws(CheckpointError) -> Decoder.State {
      let state = try decoder.state(sequences(batches[batch]))
      try file.read(
        at: offsets[batch], into: state.hidden.base, count: offsets[batch + 1] - offsets[batch])
      return state
    }
    for (place, batch) in batches.enumerated() {
      try keep(try decoder.embed(Array(windows.rows[batch]), sequences(batch)), place)
    }
    let layers = decoder.configuration.dimensions.layers
    var (done, told) = (0, 0)
    for layer in 0..<layers {
      try decoder.withLayer(layer, isShared: batches.count > 1) { apply throws(CheckpointError) in
        for place in batches.indices {
          let state = try state(place)
          try apply(state)
          try keep(state, place)
          done += state.sequences.rowCount
          progress(done / layers - told)
          told = done / layers
        }
      }
      try layerEnd(layer)
    }
    for place in batches.indices { try batchEnd(try state(place)) }
  }

  private func sequences(_ batch: Range<Int>) -> Sequences {
    Sequences(
      windows.rows[batch].map(\.count), prefixes: Array(repeating: prefix, count: batch.count))
  }
}
