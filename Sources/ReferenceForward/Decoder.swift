import CBLAS
import CTensorKernels
import CheckpointFormats
import FileContainers
public import ModelArchitectures
public import TensorEvaluation
public import TensorModel

/// Runs a decoder over tokens, layer by layer, in the memory of one layer.
///
/// Everything is f32; norms, softmax denominators and rotary angles are computed in f64. Results don't depend on the number of threads.
public final class Decoder {
  /// How it computes.
  public let configuration: DecoderConfiguration
  /// Where its weights are.
  public let weights: DecoderWeights
  /// What tokens see where nothing else is asked for.
  public let attention: AttentionMode
  private let reader: WeightReader
  private let workers: Workers
  private let room: Room
  private let embeddingNorm: Norm?
  private let finalNorm: Norm?
  private let embeddingIn: Linear?
  private let embeddingOut: Linear?
  private let head: Linear
  private let embedding: CompiledExpression
  private let positionEmbedding: CompiledExpression?
  private var layers: [Layer?]
  private let keepsLayers: Bool
  private let memory: Int
  /// Bytes of one layer's weights that may stay in memory while several batches go through it.
  private let residentByteCount: Int

  /// A decoder over a checkpoint's weights.
  ///
  /// - Parameters:
  ///   - weights: of the model.
  ///   - resources: memory and threads.
  ///   - attention: what tokens see where nothing else is asked for.
  ///   - keepsWeights: whether weights stay in memory in their own dtypes, if there is room for all: for token after token.
  ///   - observer: is told of what linear layers are applied to.
  ///   - other: one with the same resources that is used before or after this one, never at the same time: both work in the same buffers.
  /// - Throws: what reading throws.
  public init(
    _ weights: DecoderWeights, _ resources: EvaluationResources, attention: AttentionMode = .causal,
    keepsWeights: Bool = false, observer: (any LinearObserver)? = nil,
    sharingBuffersWith other: Decoder? = nil
  ) throws(CheckpointError) {
    // Weights are read in pieces, and again and again: digests are compared once, before.
    try (weights.reader as? any BasedReader)?.confirmBase()
    self.attention = attention
    configuration = weights.configuration
    self.weights = weights
    workers = Workers(count: resources.threads)
    room = other?.room ?? Room(workers: resources.threads, observer: observer)
    memory = resources.memory
    residentByteCount = resources.memory / 2
    _ = wb_blas_load(Int32(resources.threads))
    reader = try WeightReader(weights.reader, resources, sharingBuffersWith: other?.reader)
    guard let head = weights.headWeight, let embedding = weights[.tokenEmbedding, nil]
    else { throw CheckpointError(.missing, "the family has no embedding or head") }
    embeddingNorm = try weights.norm(.embedding, nil, reader)
    finalNorm = try weights.norm(.final, nil, reader)
    keepsLayers = keepsWeights && weights.byteCount <= resources.memory
    let isProjected = configuration.dimensions.conditions.contains(.projectedEmbedding)
    embeddingIn =
      isProjected ? try weights.linear(.embeddingIn, nil, reader, isResident: keepsLayers) : nil
    embeddingOut =
      isProjected ? try weights.linear(.embeddingOut, nil, reader, isResident: keepsLayers) : nil
    self.head = try Linear(
      DecoderPlace(.weight(.head)), head, .outIn, bias: weights[.bias(.head), nil], reader,
      isResident: keepsLayers)
    self.embedding = try reader.compiled(embedding)
    var positions: CompiledExpression?
    if let table = weights[.positionEmbedding, nil] { positions = try reader.compiled(table) }
    positionEmbedding = positions
    layers = Array(repeating: nil, count: configuration.dimensions.layers)
  }

  /// Why products are slow here, for people; nil where there is a library for them.
  public static var slowness: String? { wb_blas_failure().map { String(cString: $0) } }

  /// How many of a prompt's first tokens see each other.
  ///
  /// - Parameter asked: what was asked for; nil leaves it to the model, which sees all of its prompt or nothing ahead.
  /// - Returns: a number of tokens, perhaps more than there are.
  public func prefix(_ asked: Int? = nil) -> Int { asked ?? (attention == .prefix ? .max : 0) }

  /// The residual stream of some sequences, and what the layers have added to it.
  public final class State {
    /// The sequences.
    public let sequences: Sequences
    /// `[rows, model]`.
    public let hidden: FloatBuffer
    /// What the last layer's attention has added, `[rows, model]`.
    public let attention = FloatBuffer()
    /// What the last layer's feed-forward layer has added, `[rows, model]`.
    public let feedForward = FloatBuffer()
    /// What the feed-forward layer is applied to, where several batches go through it at once, `[rows, model]`.
    let normed = FloatBuffer()

    let width: Int

    init(_ sequences: Sequences, model: Int) throws(CheckpointError) {
      self.sequences = sequences
      width = model
      hidden = try FloatBuffer(sequences.rowCount * model)
    }
  }

  /// Keys and values of tokens that have gone through all layers.
  public final class Cache {
    fileprivate let layers: [LayerCache]

    /// Nothing yet.
    public init(_ configuration: DecoderConfiguration) {
      layers = (0..<configuration.dimensions.layers).map { _ in LayerCache() }
    }
  }

  /// Looks the tokens' embeddings up.
  ///
  /// - Parameters:
  ///   - tokens: new ones of each sequence.
  ///   - sequences: their lengths and positions.
  /// - Returns: the residual stream before the first layer.
  /// - Throws: `usage` for tokens and positions that the model doesn't have.
  public func embed(
    _ tokens: [[Int]], _ sequences: Sequences
  ) throws(CheckpointError) -> State {
    let model = configuration.dimensions.model
    let state = try State(sequences, model: model)
    try requireComputed(sequences)
    try requireRoom(sequences)
    let width = configuration.dimensions.embedding
    let rows = try FloatBuffer(sequences.rowCount * width)
    let embedded = try FloatBuffer(width)
    for (number, token) in tokens.joined().enumerated() {
      guard (0..<configuration.dimensions.vocabulary).contains(token) else {
        throw CheckpointError(
          .usage, "no such token", expected: "0 to \(configuration.dimensions.vocabulary - 1)",
          found: "\(token)")
      }
      try reader.read(
        embedding, MatrixRegion(rows: token..<token + 1, columns: 0..<width), into: embedded)
      (rows.base + number * width).update(from: embedded.base, count: width)
    }
    scale(rows.base, sequences.rowCount * width, by: Float(configuration.embeddingFactor))
    if let embeddingIn {
      try embeddingIn.apply(rows, sequences.rowCount, into: state.hidden, room)
    } else {
      state.hidden.base.update(from: rows.base, count: sequences.rowCount * model)
    }
    try addPositions(sequences, state)
    try embeddingNorm?.apply(state.hidden, sequences.rowCount, into: state.hidden)
    return state
  }

  private func addPositions(
    _ sequences: Sequences, _ state: State
  ) throws(CheckpointError) {
    guard let positionEmbedding else { return }
    let model = configuration.dimensions.model
    let row = try FloatBuffer(model)
    for (number, place) in sequences.positions.enumerated() {
      let position = place + configuration.firstPosition
      guard position < configuration.dimensions.positions else {
        let limit = configuration.dimensions.positions - configuration.firstPosition
        throw CheckpointError(
          .usage, "the model has no embeddings for that many positions",
          expected: "at most \(limit) tokens", found: "\(place + 1)")
      }
      try reader.read(
        positionEmbedding, MatrixRegion(rows: position..<position + 1, columns: 0..<model),
        into: row)
      wb_add_f32(state.hidden.base + number * model, row.base, model)
    }
  }

  /// Frequencies that depend on the sequence's length aren't computed beyond the original one.
  private func requireComputed(_ sequences: Sequences) throws(CheckpointError) {
    let rotaries = [configuration.rotary, configuration.slidingRotary].compactMap { $0 }
    guard let rotary = rotaries.first(where: { $0.dynamicFrom != nil }),
      let limit = rotary.dynamicFrom, let last = sequences.positions.max(), last >= limit
    else { return }
    let (kind, key) =
      rotary.scaling == .dynamic
      ? ("dynamic", "max_position_embeddings") : ("longrope", "original_max_position_embeddings")
    throw CheckpointError(
      .unsupported, "'rope_type': \(kind) isn't computed beyond '\(key)'",
      file: HuggingFaceConfiguration.fileName,
      expected: "at most \(limit) tokens", found: "\(last + 1)",
      hint: "run shorter sequences")
  }

  /// What a layer makes of so many tokens has to fit into memory at once; batches of windows always do.
  private func requireRoom(_ sequences: Sequences) throws(CheckpointError) {
    let dimensions = configuration.dimensions
    let width =
      6 * dimensions.model + 3 * (dimensions.queries + dimensions.keys) + 2 * dimensions.inner
    let limit = max(4096, memory / (width * MemoryLayout<Float>.stride))
    guard sequences.rowCount > limit else { return }
    throw CheckpointError(
      .usage, "so many tokens in a row need more memory than there is",
      expected: "at most \(limit) tokens", found: "\(sequences.rowCount)",
      hint: "run shorter rows, or give more by --memory")
  }

  /// Runs one layer.
  ///
  /// - Parameters:
  ///   - index: from 0.
  ///   - state: is changed.
  ///   - cache: of all layers, if tokens are going to follow.
  /// - Throws: what reading throws.
  public func runLayer(
    _ index: Int, _ state: State, _ cache: Cache? = nil
  ) throws(CheckpointError) {
    try layer(index, isShared: false).apply(
      [(state, cache?.layers[index])], room)
  }

  /// Runs one layer on several batches, for which its weights are read and decoded once, if there is room for them.
  ///
  /// - Parameters:
  ///   - index: from 0.
  ///   - states: are changed.
  ///   - progress: told of each batch that is done.
  /// - Throws: what reading throws.
  public func runLayer(
    _ index: Int, _ states: [State], progress: (State) -> Void = { _ in }
  ) throws(CheckpointError) {
    try layer(index, isShared: states.count > 1).apply(
      states.map { ($0, nil) }, room, progress: progress)
  }

  /// Lends one layer, whose weights are read and decoded once if there is room for them.
  ///
  /// - Parameters:
  ///   - index: from 0.
  ///   - isShared: whether several batches go through it.
  ///   - body: is given a function that runs the layer on a residual stream.
  /// - Throws: what reading throws, and the body.
  public func withLayer(
    _ index: Int, isShared: Bool,
    _ body: (_ apply: (State) throws(CheckpointError) -> Void) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let layer = try layer(index, isShared: isShared)
    try body { (state) throws(CheckpointError) in try layer.apply([(state, nil)], room) }
  }

  /// A residual stream that is to be filled.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  func state(_ sequences: Sequences) throws(CheckpointError) -> State {
    try State(sequences, model: configuration.dimensions.model)
  }

  /// A layer's weights, in memory if they stay there or are used several times.
  private func layer(_ index: Int, isShared: Bool) throws(CheckpointError) -> Layer {
    if let kept = layers[index] { return kept }
    let isResident =
      keepsLayers || (isShared && weights.residentByteCount(ofLayer: index) <= residentByteCount)
    let layer = try Layer(
      weights, index, reader, workers, isResident: isResident, memory: residentByteCount)
    if keepsLayers { layers[index] = layer }
    return layer
  }

  /// The logits of some rows of the residual stream after the last layer.
  ///
  /// - Parameters:
  ///   - state: after the last layer.
  ///   - rows: of it.
  ///   - logits: room for `[rows, vocabulary]`.
  /// - Throws: what reading throws.
  public func logits(
    _ state: State, _ rows: Range<Int>, into logits: FloatBuffer
  ) throws(CheckpointError) {
    try head.apply(headInputs(state, rows), rows.count, into: logits, room)
    let count = rows.count * configuration.dimensions.vocabulary
    let divisor = Float(configuration.logitDivisor)
    if divisor != 1 {
      for index in 0..<count { logits.base[index] /= divisor }
    }
    if let cap = configuration.logitCap { softCap(logits.base, count, at: cap) }
  }

  /// Tells the observer what the head would be applied to, without computing logits.
  ///
  /// - Parameter state: after the last layer.
  /// - Throws: what the observer throws.
  public func tellObserverOfHead(_ state: State) throws(CheckpointError) {
    let count = state.sequences.rowCount
    try head.tell(room, of: headInputs(state, 0..<count), count)
  }

  /// Some rows of the residual stream after the last layer, as the head gets them.
  private func headInputs(
    _ state: State, _ rows: Range<Int>
  ) throws(CheckpointError) -> FloatBuffer {
    let model = configuration.dimensions.model
    let some = try FloatBuffer(rows.count * model)
    some.base.update(
      from: state.hidden.base + rows.lowerBound * model, count: rows.count * model)
    try finalNorm?.apply(some, rows.count, into: some)
    guard let embeddingOut else { return some }
    try embeddingOut.apply(some, rows.count, into: room.normed, room)
    return room.normed
  }

  /// Runs all layers.
  ///
  /// - Parameters:
  ///   - tokens: new ones of each sequence.
  ///   - sequences: their lengths and positions.
  ///   - cache: of earlier tokens.
  ///   - progress: told of each layer that is done.
  /// - Returns: the residual stream after the last layer.
  /// - Throws: `usage`, and what reading throws.
  public func run(
    _ tokens: [[Int]], _ sequences: Sequences, _ cache: Cache? = nil,
    progress: (Int) -> Void = { _ in }
  ) throws(CheckpointError) -> State {
    let state = try embed(tokens, sequences)
    for layer in 0..<configuration.dimensions.layers {
      try runLayer(layer, state, cache)
      progress(layer)
    }
    return state
  }
}
