/// How GPT-NeoX's own training code has the family's tensors: a module for each layer, cut over tensor-parallel ranks.
///
/// Layout: `megatron/mpu/layers.py` and `megatron/model/transformer.py` of EleutherAI/gpt-neox. Modules are numbered: the embedding, a function,
/// the layers, a function, the norm, the head. Queries, keys and values stand head by head, as in Hugging Face's models, so that ranks follow
/// each other and no row changes its place.
public enum NeoXTable {
  /// A tensor of a module.
  public struct Row: Sendable, Hashable {
    /// Its names in the module, that of older versions first.
    public let names: [String]
    /// Hugging Face's name, `{i}` standing for the layer; nil for what follows from the configuration.
    public let target: String?
    /// How ranks have it.
    public let cut: Cut
  }

  /// How a tensor is cut over ranks.
  public enum Cut: Sendable, Hashable {
    /// Each rank has a run of this axis.
    case axis(Int)
    /// Each rank has a copy.
    case replica
    /// Each rank has an addend where attention and feed-forward layer run in parallel (`gpt_j_residual`), since one reduction adds up both and
    /// the biases with them; a copy where they don't, since it is added after the reduction.
    case rowParallelBias
    /// Each rank has a copy of what the configuration says as well.
    case derived
  }

  /// What a module is.
  public enum Module: Sendable, Hashable {
    /// The embedding of tokens, number 0.
    case embedding
    /// A layer, numbers 2 and up.
    case layer(Int)
    /// The norm after the layers; a function stands before it.
    case finalNorm
    /// The head, absent where it is tied to the embedding.
    case head

    /// The number of the first layer's module.
    public static let firstLayer = 2

    /// The number of the module in a model of so many layers.
    public func number(layers: Int) -> Int {
      switch self {
      case .embedding: 0
      case .layer(let layer): layer + Self.firstLayer
      case .finalNorm: layers + 3
      case .head: layers + 4
      }
    }

    /// The modules of a model.
    public static func all(layers: Int, hasHead: Bool) -> [Module] {
      [.embedding] + (0..<layers).map { .layer($0) } + [.finalNorm] + (hasHead ? [.head] : [])
    }

    /// The tensors that it may have.
    public var rows: [Row] {
      switch self {
      case .embedding: NeoXTable.embedding
      case .layer: NeoXTable.layer
      case .finalNorm: NeoXTable.finalNorm
      case .head: NeoXTable.head
      }
    }

    /// What messages call it.
    public var title: String {
      switch self {
      case .embedding: "the embedding"
      case .layer(let layer): "layer \(layer)"
      case .finalNorm: "the final norm"
      case .head: "the head"
      }
    }

    /// Hugging Face's name of a row's tensor.
    public func target(of row: Row) -> String? {
      guard case .layer(let layer) = self else { return row.target }
      return row.target?.replacing("{i}", with: String(layer))
    }
  }

  private static let embedding = [
    Row(names: ["word_embeddings.weight"], target: "gpt_neox.embed_in.weight", cut: .axis(0))
  ]

  private static let layer: [Row] =
    norm("input_layernorm") + norm("post_attention_layernorm")
    + cut(["attention.query_key_value"], "attention.query_key_value", axis: 0)
    + cut(["attention.dense"], "attention.dense", axis: 1)
    + cut(["mlp.dense_h_to_4h", "mlp.linear1"], "mlp.dense_h_to_4h", axis: 0)
    + cut(["mlp.dense_4h_to_h", "mlp.linear2"], "mlp.dense_4h_to_h", axis: 1)
    + [Row(names: ["attention.rotary_emb.inv_freq"], target: nil, cut: .derived)]

  private static let finalNorm = ["weight", "bias"].map {
    Row(names: ["norm.\($0)"], target: "gpt_neox.final_layer_norm.\($0)", cut: .replica)
  }

  private static let head = [
    Row(names: ["final_linear.weight"], target: "embed_out.weight", cut: .axis(0))
  ]

  private static func norm(_ name: String) -> [Row] {
    ["weight", "bias"].map {
      Row(names: ["\(name).\($0)"], target: "gpt_neox.layers.{i}.\(name).\($0)", cut: .replica)
    }
  }

  /// A matrix and its bias: of matrices that are cut by rows the bias is cut too.
  private static func cut(_ names: [String], _ target: String, axis: Int) -> [Row] {
    [("weight", Cut.axis(axis)), ("bias", axis == 0 ? .axis(0) : .rowParallelBias)].map {
      part, cut in
      Row(
        names: names.map { "\($0).\(part)" }, target: "gpt_neox.layers.{i}.\(target).\(part)",
        cut: cut)
    }
  }
}
