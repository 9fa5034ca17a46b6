import ModelArchitectures
public import TensorModel

/// Runs a decoder over windows of tokens, as many batches at a time as memory has room for, layer by layer: a layer's weights are decoded once for all.
public struct WindowedRun {
  private let decoder: Decoder
  private let windows: TokenWindows
  private let prefixes: [Int]
  private let batches: [Range<Int>]
  private let waveRowCount: Int

  /// The most batches of a wave, so that there is something to keep from time to time.
  private static let waveBatchCount = 8

  /// A batch that has gone through all layers.
  public struct Batch {
    /// Its windows, as places in the rows.
    public let windows: Range<Int>
    /// The residual stream after the last layer.
    public let state: Decoder.State
  }

  /// A run over windows.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - windows: of tokens.
  ///   - prefix: the first tokens of each that see each other.
  ///   - memory: for residual streams, in bytes.
  public init(_ decoder: Decoder, _ windows: TokenWindows, prefix: Int, memory: Int) {
    self.init(decoder, windows, prefixes: windows.rows.map { _ in prefix }, memory: memory)
  }

  /// A run over windows, each with a prefix of its own.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - windows: of tokens.
  ///   - prefixes: of each window the first tokens that see each other.
  ///   - memory: for residual streams, in bytes.
  public init(_ decoder: Decoder, _ windows: TokenWindows, prefixes: [Int], memory: Int) {
    self.decoder = decoder
    self.windows = windows
    self.prefixes = prefixes
    batches = windows.batches
    // Of each row the stream, what attention and feed-forward layer have added, and what a mixture is applied to.
    let (counted, model) = (
      decoder.configuration.experts == nil ? 3 : 4, decoder.configuration.dimensions.model
    )
    let rowByteCount = counted * MemoryLayout<Float>.stride * model
    waveRowCount = memory / max(1, rowByteCount)
  }

  /// Runs all windows from one on, wave after wave.
  ///
  /// - Parameters:
  ///   - first: the window to begin with; the first of a batch.
  ///   - progress: told of tokens that are done, as the share of their layers.
  ///   - body: is given a wave's batches.
  /// - Throws: `usage` for tokens that the model doesn't have; what reading and `body` throw.
  public func forEachWave(
    from first: Int = 0, progress: (Int) -> Void = { _ in },
    _ body: ([Batch]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var place = batches.firstIndex { $0.lowerBound >= first } ?? batches.count
    while place < batches.count {
      let wave = wave(from: place)
      try run(wave, progress, body)
      place = wave.upperBound
    }
  }

  private func wave(from first: Int) -> Range<Int> {
    var (end, rowCount) = (first, 0)
    while end < batches.count, end - first < Self.waveBatchCount {
      rowCount += windows.rows[batches[end]].reduce(0) { $0 + $1.count }
      guard end == first || rowCount <= waveRowCount else { break }
      end += 1
    }
    return first..<end
  }

  private func run(
    _ wave: Range<Int>, _ progress: (Int) -> Void,
    _ body: ([Batch]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var states: [Batch] = []
    for batch in batches[wave] {
      let rows = Array(windows.rows[batch])
      let sequences = Sequences(rows.map(\.count), prefixes: Array(prefixes[batch]))
      states.append(Batch(windows: batch, state: try decoder.embed(rows, sequences)))
    }
    let layers = decoder.configuration.dimensions.layers
    var (done, told) = (0, 0)
    for layer in 0..<layers {
      try decoder.runLayer(layer, states.map(\.state)) { state in
        done += state.sequences.rowCount
        progress(done / layers - told)
        told = done / layers
      }
    }
    try body(states)
  }
}
