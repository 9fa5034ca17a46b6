public import CheckpointFormats
public import ModelArchitectures
import TensorEvaluation
public import TensorModel

/// Finds a decoder's weights in a checkpoint of any format, by what they are used for.
public struct DecoderWeights: Sendable {
  /// The checkpoint's reader.
  public let reader: any CheckpointReader
  /// How the decoder computes.
  public let configuration: DecoderConfiguration
  /// What is wrong or strange about it.
  public let findings: [Finding]
  /// All tensors that are used, by their places.
  public var places: [Place: CanonicalTensor] { tensors }
  private let tensors: [Place: CanonicalTensor]
  /// What layers have several of, such as experts.
  public let stacks: StackedTensors

  /// A tensor's place in the decoder.
  public typealias Place = DecoderPlace

  /// Takes the tensors that a model has in the places of its family.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - model: what it is as a model.
  ///   - configuration: how it computes.
  /// - Throws: what keeps the model from being run: missing tensors, other shapes, weights that are no floats, heads for other tasks.
  public init(
    _ reader: any CheckpointReader, _ model: ModelContents, _ configuration: DecoderConfiguration
  ) throws(CheckpointError) {
    try model.requireSound()
    try model.requireValues()
    for (place, tensor) in model.placed
    where !tensor.dtype.hasFloatValues && !place.role.isOfBlocks {
      throw CheckpointError(
        .unsupported, "a forward pass needs floating-point weights", tensor: tensor.name,
        expected: "F32, F16 or BF16", found: tensor.dtype.rawValue,
        hint: "start from a checkpoint of float weights")
    }
    guard model.placed[Place(.tokenEmbedding)] != nil else {
      throw CheckpointError(
        .unsupported, "no tensor of the family is there under a name that is known",
        found: model.tensors.first?.name, hint: "does the config.json belong to the weights?")
    }
    if case .other(let className) = model.head {
      throw CheckpointError(
        .unsupported, "\(className) has no head that makes logits of tokens", file: "config.json",
        expected: "'architectures': a class for causal language modelling",
        hint: "what its head says isn't computed here: convert, verify and compare work with it")
    }
    let isTied = !configuration.dimensions.conditions.contains(.untiedHead)
    guard isTied || model.placed[Place(.weight(.head))] != nil else {
      throw CheckpointError(
        .unsupported, "the model has no head that makes logits", file: "config.json",
        expected: "'architectures': a class for causal language modelling",
        hint: "its hidden states aren't shown here: convert, verify and compare work without a head"
      )
    }
    let used = Set(model.placed.values.map { ExactName($0.name) })
    let unused = model.tensors.map { ExactName($0.name) }.filter { !used.contains($0) }.sorted()
    findings =
      unused.isEmpty
      ? []
      : [
        Finding(
          .warning, "unused-tensors",
          "\(counted(unused.count, "tensor")) \(unused.count == 1 ? "is" : "are") no part of what is computed, such as '\(unused.first?.text ?? "")'"
        )
      ]
    self.reader = reader
    self.configuration = configuration
    tensors = model.placed
    stacks = model.stacks
  }

  /// A tensor by its place; nil if the family or the configuration has none.
  public subscript(role: DecoderRole, layer: Int?) -> CanonicalTensor? {
    tensors[Place(role, layer)]
  }

  /// All tensors of a layer, or with nil of none, in no particular order.
  public func tensors(ofLayer layer: Int?) -> [Place: CanonicalTensor] {
    tensors.filter { $0.key.layer == layer }
  }

  /// Bytes of all weights as they are stored.
  var byteCount: Int {
    tensors.values.reduce(0) { $0 + ($1.dtype.byteCount(elementCount: $1.shape.elementCount) ?? 0) }
  }

  /// Bytes of a layer's weights in memory, where what has few bits is f32; without those of experts, which never stay there.
  func residentByteCount(ofLayer layer: Int) -> Int {
    tensors.reduce(0) { total, entry in
      guard entry.key.layer == layer, entry.key.role.projection?.isOfExperts != true else {
        return total
      }
      let (count, dtype) = (entry.value.shape.elementCount, entry.value.dtype)
      return total
        + ([.f64, .f16, .bf16].contains(dtype) ? count * dtype.blockByteCount : count * 4)
    }
  }

  /// The head's weight: the embedding where they are tied.
  var headWeight: CanonicalTensor? {
    self[.weight(.head), nil] ?? self[.tokenEmbedding, nil]
  }
}
