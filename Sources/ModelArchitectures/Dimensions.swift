extension Architecture {
  /// An extent that a configuration gives a number to.
  public struct Dimension: Sendable, Hashable, ExpressibleByStringLiteral {
    /// What messages call it.
    public let rawValue: String

    /// One that a single family has, by the name that its configuration has for it.
    public init(stringLiteral name: String) { rawValue = name }

    /// The residual stream's width, `n_embd`.
    public static let model: Dimension = "model"
    /// The feed-forward layer's width, `n_inner`.
    public static let inner: Dimension = "feed-forward width"
    /// The number of tokens, `vocab_size`.
    public static let vocabulary: Dimension = "vocabulary"
    /// All heads' queries, heads × the width of a head.
    public static let queries: Dimension = "queries"
    /// All heads' keys, or values: fewer than queries where several heads share them.
    public static let keys: Dimension = "keys"
    /// Queries, keys and values side by side.
    public static let queriesKeysValues: Dimension = "queries, keys and values"
    /// The number of positions that have an embedding.
    public static let positions: Dimension = "positions"
    /// The width of a head.
    public static let headWidth: Dimension = "head width"
    /// Gates and the feed-forward layer's values side by side.
    public static let gatesAndInner: Dimension = "2 · feed-forward width"
    /// The width of the embedding of tokens, where it isn't the model's.
    public static let embedding: Dimension = "embedding width"
    /// Heads of the attention.
    public static let heads: Dimension = "heads"
    /// Heads of keys and values.
    public static let keyHeads: Dimension = "key heads"
    /// Experts of a layer.
    public static let experts: Dimension = "experts"
    /// An expert's width.
    public static let expertInner: Dimension = "expert width"
    /// Gates and an expert's values side by side.
    public static let gatesAndExpertInner: Dimension = "2 · expert width"
    /// Blocks of 32 in the model's width.
    public static let modelBlocks: Dimension = "model / 32"
    /// Blocks of 32 in an expert's width.
    public static let expertInnerBlocks: Dimension = "expert width / 32"
    /// Bytes of the codes of such a block.
    public static let blockBytes: Dimension = "16 bytes"
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
    /// Heads of the attention, where tensors are numbered by them.
    public var heads = 0
    /// Heads of keys, likewise.
    public var keyHeads = 0
    /// Experts of a layer.
    public var experts = 0
    /// An expert's width.
    public var expertInner = 0
    /// Layers without experts, of families that have some.
    public var denseLayers: Set<Int> = []
    /// Layers that have what only some layers of the family have.
    public var markedLayers: Set<Int> = []
    /// Extents that a single family has.
    public var others: [Dimension: Int] = [:]

    /// Widths of the residual stream are below this.
    ///
    /// Shapes are products of such numbers, tables have rows for every layer, and rotations a number for every pair of a head's dimensions. No
    /// model comes near: the widest have 20,000 dimensions, the deepest a few hundred layers.
    static let widthLimit = 1 << 20
    /// Numbers of layers are below this.
    static let layerLimit = 1 << 12
    /// Numbers of heads, and where they are told their widths, are below this.
    static let headLimit = 1 << 16
    /// Numbers of experts of all layers together are below this: the largest models have 30,000.
    static let expertLimit = 1 << 18

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

    /// Weights of a block of MXFP4, each of four bits.
    private static let blockWidth = 32

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
      case .heads: heads
      case .keyHeads: keyHeads
      case .experts: experts
      case .expertInner: expertInner
      case .gatesAndExpertInner: 2 * expertInner
      case .modelBlocks: model / Self.blockWidth
      case .expertInnerBlocks: expertInner / Self.blockWidth
      case .blockBytes: Self.blockWidth / 2
      default: others[dimension] ?? 0
      }
    }
  }
}
