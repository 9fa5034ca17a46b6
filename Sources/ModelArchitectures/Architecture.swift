public import TensorModel

/// A model family: its tensors' names, shapes and places in other layouts as data, and what its configuration means.
public struct Architecture: Sendable {
  /// The family, as `model_type` in `config.json` names it.
  public let name: String
  /// The class that transformers loads it with.
  public let modelClass: String
  /// The tensors that every checkpoint of the family has, in the order of transformers' state dict.
  ///
  /// `{i}` in a name stands for the layer.
  public let rows: [Row]
  /// The keys of `config.json` that transformers' class reads, with its defaults.
  let settings: ClassSettings
  /// Reads from them which tensors there are, and their shapes.
  let sizes: @Sendable (inout SettingsReader) throws(CheckpointError) -> Dimensions
  /// Reads from them, given the sizes, all that a forward pass does; settings that it doesn't do are refused.
  let decoder:
    @Sendable (inout SettingsReader, Dimensions) throws(CheckpointError) -> DecoderConfiguration
  /// Makes `mesh`, which only those need who read or write such files.
  let meshTable: @Sendable () -> MeshTable?
  /// Makes `gguf`, likewise.
  let ggufTable: @Sendable () -> GGUFTable?
  /// What no graph of llama.cpp does, where there is none.
  public var missingFromGGUF: String?

  /// How a Mesh-Transformer checkpoint of the family is laid out, if there are any.
  public var mesh: MeshTable? { meshTable() }

  /// How GGUF files have the family's models; nil where no graph there computes the same.
  public var gguf: GGUFTable? { ggufTable() }

  /// An extent that a configuration gives a number to.
  public enum Dimension: String, Sendable, Hashable {
    /// The residual stream's width, `n_embd`.
    case model
    /// The feed-forward layer's width, `n_inner`.
    case inner
    /// The number of tokens, `vocab_size`.
    case vocabulary
    /// All heads' queries, heads × the width of a head.
    case queries
    /// All heads' keys, or values: fewer than queries where several heads share them.
    case keys
    /// Queries, keys and values side by side.
    case queriesKeysValues
    /// The number of positions that have an embedding.
    case positions
    /// The width of a head.
    case headWidth
    /// Gates and the feed-forward layer's values side by side.
    case gatesAndInner
    /// The width of the embedding of tokens, where it isn't the model's.
    case embedding
  }

  /// One tensor, or one for each layer.
  public struct Row: Sendable, Hashable {
    /// Hugging Face's parameter name.
    public let name: String
    /// The extents, outermost first.
    public let shape: [Dimension]
    /// What the forward pass uses it for.
    public let role: DecoderRole
    /// What a configuration must say for it to be there; nil if it always is.
    public let condition: Condition?
    /// Other names that the same tensor has in some files.
    public let aliases: [String]

    static func weight(
      _ name: String, _ shape: [Dimension], _ role: DecoderRole, if condition: Condition? = nil,
      aliases: [String] = []
    ) -> Row {
      Row(name: name, shape: shape, role: role, condition: condition, aliases: aliases)
    }
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
    /// The embedding of tokens has a width of its own.
    case projectedEmbedding
  }

  /// Numbers for the dimensions.
  public struct Dimensions: Sendable, Hashable {
    /// The number of layers.
    public var layers: Int
    /// The residual stream's width.
    public var model: Int
    /// The feed-forward layer's width.
    public var inner: Int
    /// The number of tokens.
    public var vocabulary: Int
    /// All heads' queries.
    public var queries: Int
    /// All heads' keys.
    public var keys: Int
    /// The number of positions that have an embedding.
    public var positions: Int
    /// The width of a head, where tensors have it.
    public var headWidth: Int
    /// The width of the embedding of tokens.
    public var embedding: Int
    /// What the configuration says.
    public var conditions: Set<Condition>

    /// Widths of the residual stream are below this.
    ///
    /// Shapes are products of such numbers, tables have rows for every layer, and rotations a number for every pair of a head's dimensions. No
    /// model comes near: the widest have 20,000 dimensions, the deepest a few hundred layers.
    static let widthLimit = 1 << 20
    /// Numbers of layers are below this.
    static let layerLimit = 1 << 12
    /// Numbers of heads, and where they are told their widths, are below this.
    static let headLimit = 1 << 16

    /// Numbers for the dimensions.
    ///
    /// - Parameters:
    ///   - layers: the number of layers.
    ///   - model: the residual stream's width.
    ///   - inner: the feed-forward layer's width.
    ///   - vocabulary: the number of tokens.
    ///   - queries: of all heads; nil is the model's width.
    ///   - keys: of all heads; nil is that of the queries.
    ///   - positions: that have an embedding.
    ///   - headWidth: of a head, where tensors have it.
    ///   - embedding: the width of the embedding of tokens; nil is the model's.
    ///   - conditions: what the configuration says.
    public init(
      layers: Int, model: Int, inner: Int, vocabulary: Int, queries: Int? = nil, keys: Int? = nil,
      positions: Int = 0, headWidth: Int = 0, embedding: Int? = nil,
      conditions: Set<Condition> = [.untiedHead]
    ) {
      self.layers = layers
      self.model = model
      self.inner = inner
      self.vocabulary = vocabulary
      self.queries = queries ?? model
      self.keys = keys ?? queries ?? model
      self.positions = positions
      self.headWidth = headWidth
      self.embedding = embedding ?? model
      self.conditions = conditions
    }

    /// The number for one.
    public subscript(dimension: Dimension) -> Int {
      switch dimension {
      case .model: model
      case .inner: inner
      case .vocabulary: vocabulary
      case .queries: queries
      case .keys: keys
      case .queriesKeysValues: queries + 2 * keys
      case .positions: positions
      case .headWidth: headWidth
      case .gatesAndInner: 2 * inner
      case .embedding: embedding
      }
    }
  }

  /// Beginnings of names that checkpoints of the model without its head lack.
  private static let prefixes = ["transformer.", "model.", "gpt_neox."]

  /// Every tensor of a model of that size, in order.
  public func tensors(_ dimensions: Dimensions) -> [Tensor] {
    let rows = rows.filter { $0.condition.map(dimensions.conditions.contains) ?? true }
    var tensors: [Tensor] = []
    var position = 0
    while position < rows.count {
      let run = rows[position...].prefix { $0.name.contains("{i}") }
      if run.isEmpty {
        tensors.append(tensor(rows[position], layer: nil, dimensions))
        position += 1
      } else {
        for layer in 0..<dimensions.layers {
          for row in run { tensors.append(tensor(row, layer: layer, dimensions)) }
        }
        position = run.endIndex
      }
    }
    return tensors
  }

  /// What the head has where it has weights of its own, whether or not the configuration ties it to the embedding.
  public func headTensors(_ dimensions: Dimensions) -> [Tensor] {
    rows.filter { $0.role.projection == .head }.map { tensor($0, layer: nil, dimensions) }
  }

  private func tensor(_ row: Row, layer: Int?, _ dimensions: Dimensions) -> Tensor {
    Tensor(row: row, layer: layer, shape: Shape(row.shape.map { dimensions[$0] }))
  }

  /// The row of a role; nil if the family has none.
  public func row(_ role: DecoderRole) -> Row? { rows.first { $0.role == role } }

  /// A tensor of a model.
  public struct Tensor: Sendable, Hashable {
    /// The row of the table that it is of.
    public let row: Row
    /// Its layer; nil for what belongs to none.
    public let layer: Int?
    /// Its extents.
    public let shape: Shape

    /// Hugging Face's parameter name.
    public var name: String { row.name(layer: layer) }
    /// Where it stands in the decoder.
    public var place: DecoderPlace { DecoderPlace(row.role, layer) }

    /// Its name, other names of it, and those that each has in checkpoints of the model without its head, or with another.
    public var spellings: [String] {
      ([row.name] + row.aliases).flatMap { pattern in
        let name = Row.name(pattern, layer: layer)
        guard let prefix = Architecture.prefixes.first(where: name.hasPrefix) else { return [name] }
        let rest = String(name.dropFirst(prefix.count))
        // Classes for questions and answers have the bare model under GPT-2's name.
        return [name, rest] + (prefix == "model." ? ["transformer.\(rest)"] : [])
      }
    }
  }
}

extension Architecture.Row {
  /// The name of the tensor in a layer.
  public func name(layer: Int?) -> String { Self.name(name, layer: layer) }

  fileprivate static func name(_ pattern: String, layer: Int?) -> String {
    layer.map { pattern.replacing("{i}", with: String($0)) } ?? pattern
  }
}

/// A tensor's place in a decoder.
public struct DecoderPlace: Hashable, Sendable {
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
