public import CheckpointFormats
import ModelArchitectures
public import TensorEvaluation
public import TensorModel

extension Decoder {
  /// A decoder over an open checkpoint of any format.
  ///
  /// - Parameters:
  ///   - source: with a configuration, its own or the one that was given.
  ///   - resources: memory and threads.
  ///   - keepsWeights: whether weights stay in memory, if there is room for all.
  ///   - observer: is told of what linear layers are applied to.
  /// - Throws: `usage` without a configuration; `unsupported` for families and settings that aren't known; `missing` or `malformed` for tensors
  ///   that don't fit it.
  public convenience init(
    _ source: Source, _ resources: EvaluationResources, keepsWeights: Bool = false,
    observer: (any LinearObserver)? = nil
  ) throws(CheckpointError) {
    let configuration = try source.computation(for: "a forward pass").decoder
    let model = try source.model()
    try self.init(
      DecoderWeights(source.reader, model, configuration), resources,
      attention: model.attention, keepsWeights: keepsWeights, observer: observer)
  }
}

extension DecoderWeights {
  /// A tensor's values as f32, row-major.
  ///
  /// - Parameter tensor: one of this checkpoint's.
  /// - Returns: all of its elements.
  /// - Throws: what reading throws.
  public func values(of tensor: CanonicalTensor) throws(CheckpointError) -> FloatBuffer {
    try WeightReader(reader, EvaluationResources(memory: 1 << 26, threads: 1)).values(tensor)
  }
}

extension Decoder.State {
  /// The same sequences with another residual stream.
  ///
  /// - Parameter other: is copied.
  /// - Returns: a state of its own.
  /// - Throws: `inputOutput` without memory.
  public func copy(hidden other: FloatBuffer) throws(CheckpointError) -> Decoder.State {
    let copy = try Decoder.State(sequences, model: width)
    copy.hidden.base.update(from: other.base, count: sequences.rowCount * width)
    return copy
  }
}
