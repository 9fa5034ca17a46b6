public import TensorModel

/// A model family as data: its tensors' names, shapes and places in other layouts.
///
/// Rows, no code.
public struct Architecture: Sendable {
  /// The family, as `model_type` in `config.json` names it.
  public let name: String
  /// The class that transformers loads it with.
  public let modelClass: String
  /// The tensors that every checkpoint of the family has, in the order of transformers' state dict.
  ///
  /// `{i}` in a name stands for the layer.
  public let rows: [Row]
  /// How a Mesh-Transformer checkpoint of the family is laid out, if there are any.
  public let mesh: MeshTable?

  /// An extent that a configuration gives a number to.
  public enum Dimension: String, Sendable, Hashable {
    /// The residual stream's width, `n_embd`.
    case model
    /// The feed-forward layer's width, `n_inner`.
    case inner
    /// The number of tokens, `vocab_size`.
    case vocabulary
  }

  /// One tensor, or one for each layer.
  public struct Row: Sendable, Hashable {
    /// Hugging Face's parameter name.
    public let name: String
    /// The extents, outermost first.
    public let shape: [Dimension]

    static func weight(_ name: String, _ shape: [Dimension]) -> Row {
      Row(name: name, shape: shape)
    }
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

    /// Numbers for the dimensions.
    public init(layers: Int, model: Int, inner: Int, vocabulary: Int) {
      self.layers = layers
      self.model = model
      self.inner = inner
      self.vocabulary = vocabulary
    }

    /// The number for one.
    public subscript(dimension: Dimension) -> Int {
      switch dimension {
      case .model: model
      case .inner: inner
      case .vocabulary: vocabulary
      }
    }
  }

  /// Every tensor of a model of that size, in order.
  public func tensors(_ dimensions: Dimensions) -> [(name: String, shape: Shape, row: Row)] {
    var tensors: [(name: String, shape: Shape, row: Row)] = []
    func append(_ row: Row, layer: Int?) {
      let name = layer.map { row.name.replacing("{i}", with: String($0)) } ?? row.name
      tensors.append((name, Shape(row.shape.map { dimensions[$0] }), row))
    }
    var position = 0
    while position < rows.count {
      let run = rows[position...].prefix { $0.name.contains("{i}") }
      if run.isEmpty {
        append(rows[position], layer: nil)
        position += 1
      } else {
        for layer in 0..<dimensions.layers {
          for row in run { append(row, layer: layer) }
        }
        position = run.endIndex
      }
    }
    return tensors
  }
}
