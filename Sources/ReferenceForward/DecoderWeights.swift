import CheckpointFormats
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

  /// A tensor's place in the decoder.
  public struct Place: Hashable, Sendable {
    /// What it is used for.
    public let role: DecoderRole
    /// The layer; nil for what belongs to none.
    public let layer: Int?

    /// A place.
    public init(_ role: DecoderRole, _ layer: Int? = nil) {
      self.role = role
      self.layer = layer
    }
  }

  /// Looks every tensor up.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - weights: its tensors under canonical names, buffers left out.
  ///   - configuration: says which tensors there must be, and their shapes.
  /// - Throws: `missing` or `malformed` for tensors that aren't there or have other shapes; `unsupported` for an unknown family.
  public init(
    _ reader: any CheckpointReader, _ weights: [CanonicalTensor],
    _ configuration: DecoderConfiguration
  ) throws(CheckpointError) {
    guard let architecture = Architectures.named(configuration.family) else {
      throw CheckpointError(.unsupported, "no table for this family", found: configuration.family)
    }
    var stored: [ExactName: CanonicalTensor] = [:]
    for tensor in weights { stored[ExactName(tensor.name)] = tensor }
    var tensors: [Place: CanonicalTensor] = [:]
    for (name, shape, row, layer) in architecture.placedTensors(configuration.dimensions) {
      let spelling = architecture.spellings(of: name).first { stored[ExactName($0)] != nil }
      guard let spelling, let tensor = stored.removeValue(forKey: ExactName(spelling)) else {
        throw CheckpointError(
          .missing, "the model needs a tensor that the checkpoint doesn't have", tensor: name,
          expected: "\(shape)")
      }
      guard tensor.shape == shape else {
        throw CheckpointError(
          .malformed, "the configuration asks for another shape", tensor: name,
          expected: "\(shape)", found: "\(tensor.shape)")
      }
      guard tensor.dtype.hasFloatValues else {
        throw CheckpointError(
          .unsupported, "the forward pass needs floating-point weights", tensor: name,
          expected: "F32, F16 or BF16", found: tensor.dtype.rawValue)
      }
      tensors[Place(row.role, layer)] = tensor
    }
    // A head that is stored counts, whatever the configuration says of tying it.
    for name in ["lm_head.weight", "embed_out.weight"] {
      guard let head = stored[ExactName(name)], head.dtype.hasFloatValues,
        head.shape.dimensions
          == [configuration.dimensions.vocabulary, configuration.dimensions.model]
      else { continue }
      tensors[Place(.weight(.head))] = head
      stored[ExactName(name)] = nil
    }
    let unused = stored.keys.sorted()
    findings =
      unused.isEmpty
      ? []
      : [
        Finding(
          .warning, "unused-tensors",
          "the forward pass uses none of \(unused.count) other tensors, such as '\(unused.first?.text ?? "")'"
        )
      ]
    self.reader = reader
    self.configuration = configuration
    self.tensors = tensors
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

  /// The head's weight: the embedding where they are tied.
  var headWeight: CanonicalTensor? {
    self[.weight(.head), nil] ?? self[.tokenEmbedding, nil]
  }
}
