extension Architecture {
  /// One tensor, or one for each layer, or in each layer several that are numbered.
  public struct Row: Sendable, Hashable {
    /// Hugging Face's parameter name: `{i}` stands for the layer, `{n}` for the number.
    public let name: String
    /// The extents, outermost first.
    public let shape: [Dimension]
    /// What the forward pass uses it for.
    public let role: DecoderRole
    /// What a configuration must say for it to be there; nil if it always is.
    public let condition: Condition?
    /// How many of them a layer has, numbered from 0; nil for one without a number.
    public let numbered: Dimension?
    /// The spelling of experts that has it; nil for all.
    public let spelling: ExpertSpelling?
    /// Other names that the same tensor has in some files.
    public let aliases: [String]

    static func weight(
      _ name: String, _ shape: [Dimension], _ role: DecoderRole, if condition: Condition? = nil,
      each numbered: Dimension? = nil, in spelling: ExpertSpelling? = nil, aliases: [String] = []
    ) -> Row {
      Row(
        name: name, shape: shape, role: role, condition: condition, numbered: numbered,
        spelling: spelling, aliases: aliases)
    }

    /// The name of the tensor in a layer.
    public func name(layer: Int?, number: Int? = nil) -> String {
      Self.name(name, layer: layer, number: number)
    }

    static func name(_ pattern: String, layer: Int?, number: Int?) -> String {
      let name = layer.map { pattern.replacing("{i}", with: String($0)) } ?? pattern
      return number.map { name.replacing("{n}", with: String($0)) } ?? name
    }
  }

  /// How files have the experts of a mixture: the same model in other tensors.
  public enum ExpertSpelling: String, Sendable, Hashable, CaseIterable {
    /// Tensors of each expert.
    case separate
    /// One tensor for all experts of a layer.
    case stacked
    /// The same as blocks of MXFP4: codes and scales in tensors of their own.
    case mxfp4
  }

  /// What a configuration can say about which tensors there are.
  public enum Condition: String, Sendable, Hashable {
    /// Projections of the attention have biases.
    case attentionBias
    /// Projections of the feed-forward layer have biases.
    case feedForwardBias
    /// The head has weights of its own, not those of the embedding.
    case untiedHead
    /// There is a norm after the last layer.
    case finalNorm
    /// Norms have weights.
    case weightedNorms
    /// The head has a bias.
    case headBias
    /// The embedding of tokens has a width of its own.
    case projectedEmbedding
    /// Attention and feed-forward layer run in parallel and have a norm each.
    case parallelNorms
    /// There is a norm before the attention, which the feed-forward layer may share.
    case firstNorm
    /// There is one before the feed-forward layer, which comes after the attention.
    case secondNorm
    /// Queries and keys are normed, each head on its own.
    case headNorms
    /// The layer has experts.
    case expertLayer
    /// The layer has none, though others may.
    case denseLayer
    /// The layer has what only some layers of the family have.
    case markedLayer
    /// It is another one.
    case unmarkedLayer

    /// Whether it depends on the layer.
    var isOfLayers: Bool {
      [.expertLayer, .denseLayer, .markedLayer, .unmarkedLayer].contains(self)
    }

    func holds(in layer: Int, _ dimensions: Dimensions) -> Bool {
      switch self {
      case .expertLayer: !dimensions.denseLayers.contains(layer)
      case .denseLayer: dimensions.denseLayers.contains(layer)
      case .markedLayer: dimensions.markedLayers.contains(layer)
      case .unmarkedLayer: !dimensions.markedLayers.contains(layer)
      default: dimensions.conditions.contains(self)
      }
    }
  }
}

extension Architecture {
  /// The pattern of a row's name with zeros for its numbers.
  public static func zeroed(_ pattern: String) -> String {
    Row.name(pattern, layer: 0, number: 0)
  }
}

/// A tensor's place in a decoder.
public struct DecoderPlace: Hashable, Sendable {
  /// What it is used for.
  public let role: DecoderRole
  /// The layer; nil for what belongs to none.
  public let layer: Int?
  /// Which of several in the layer, such as the expert; nil for what there is once, or for all of them in one tensor.
  public let number: Int?

  /// A place.
  public init(_ role: DecoderRole, _ layer: Int? = nil, _ number: Int? = nil) {
    self.role = role
    self.layer = layer
    self.number = number
  }
}
