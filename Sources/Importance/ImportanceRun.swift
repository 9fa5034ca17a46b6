public import CheckpointFormats
import ModelArchitectures
public import Quantization
public import ReferenceForward
public import TensorEvaluation
public import TensorModel

/// Measures which columns of a model's weights matter, by running it on windows of tokens.
public final class ImportanceRun {
  /// The model.
  public let decoder: Decoder
  private let squares: ColumnSquares
  private let moments: SecondMomentSums?
  private let names: ImportanceNames
  private let includesHead: Bool
  private let resources: EvaluationResources

  /// A run of a source's model.
  ///
  /// - Parameters:
  ///   - source: with a configuration.
  ///   - resources: memory and threads.
  ///   - includesHead: whether what makes the logits is measured, too.
  ///   - includesMoments: whether it is measured how inputs go together, too.
  /// - Throws: what `Decoder` throws.
  public init(
    _ source: Source, _ resources: EvaluationResources, includesHead: Bool,
    includesMoments: Bool = false
  ) throws(CheckpointError) {
    self.resources = resources
    self.includesHead = includesHead
    let squares = ColumnSquares(threads: resources.threads, includesHead: includesHead)
    let computation = try source.computation(for: "an importance matrix")
    var observers: [any LinearObserver] = [squares]
    if includesMoments {
      let sums = SecondMomentSums(
        computation.decoder, threads: resources.threads, byteLimit: resources.memory / 2,
        includesHead: includesHead)
      observers.append(sums)
      moments = sums
    } else {
      moments = nil
    }
    self.squares = squares
    decoder = try Decoder(source, resources, observer: LinearObservers(observers))
    names = ImportanceNames(
      computation.document.architecture,
      decoder.configuration)
  }

  /// Runs windows, from the last ones that a state has.
  ///
  /// - Parameters:
  ///   - windows: of tokens.
  ///   - prefix: the first tokens of each that see each other.
  ///   - state: what an interrupted run has kept; nil begins with the first window.
  ///   - progress: told of tokens that are done.
  ///   - keep: is given a state from time to time.
  /// - Throws: `malformed` where the model computes no numbers; what reading and `keep` throw.
  public func measure(
    _ windows: TokenWindows, prefix: Int, from state: ImportanceState?,
    progress: (Int) -> Void, keep: (ImportanceState) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let first = state?.windowCount ?? 0
    if let state {
      guard windows.batches.contains(where: { $0.lowerBound == first }) else {
        throw CheckpointError(
          .malformed, "unfinished work that ends within a batch", found: "\(first) windows",
          hint: "discard it with --force, and begin again")
      }
      try squares.restore(state.sums, decoder.configuration)
    }
    progress(windows.rows.prefix(first).reduce(0) { $0 + $1.count })
    let run = WindowedRun(decoder, windows, prefix: prefix, memory: resources.memory / 4)
    try run.forEachWave(from: first, progress: progress) { batches throws(CheckpointError) in
      if includesHead {
        for batch in batches { try decoder.tellObserverOfHead(batch.state) }
      }
      let end = batches.last?.windows.upperBound ?? first
      if end < windows.rows.count { try keep(ImportanceState(windowCount: end, squares.sums)) }
    }
  }

  /// Runs all windows layer by layer, and writes the second moments of each layer's inputs.
  ///
  /// - Parameters:
  ///   - windows: of tokens.
  ///   - prefix: the first tokens of each that see each other.
  ///   - directory: for residual streams.
  ///   - output: of second moments.
  ///   - progress: told of tokens that are done.
  /// - Throws: `malformed` where the model computes no numbers; `usage` for layers whose second moments memory doesn't hold; what reading and writing throw.
  public func measure(
    _ windows: TokenWindows, prefix: Int, directory: String, into output: SecondMomentOutput,
    progress: (Int) -> Void
  ) throws(CheckpointError) {
    func write() throws(CheckpointError) {
      for matrix in moments?.taken() ?? [] {
        try output.append(matrix, matrix.places.flatMap { names.names($0.role, $0.layer) })
      }
    }
    try LayeredRun(decoder, windows, prefix: prefix, directory: directory).run(
      progress: progress,
      layerEnd: { (_) throws(CheckpointError) in try write() },
      batchEnd: { (state) throws(CheckpointError) in
        if includesHead { try decoder.tellObserverOfHead(state) }
      })
    try write()
  }

  /// Whether experts came up, of which there are no second moments.
  public var hasExpertsWithoutMoments: Bool { moments?.hasExperts ?? false }

  /// The sums so far.
  ///
  /// - Throws: `malformed` where the model computes no numbers.
  public func sums() throws(CheckpointError) -> ImportanceSums {
    var sums = ImportanceSums()
    sums.entries = names.entries(squares)
    if let name = sums.unusableNames.first {
      throw CheckpointError(
        .malformed, "the model computes no numbers (NaN or infinity)", tensor: name.text,
        hint: "weighbridge inspect --statistics says which tensors have NaN or infinite values")
    }
    return sums
  }
}
