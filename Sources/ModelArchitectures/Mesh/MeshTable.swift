public import TensorModel

/// How a family's tensors lie in a Mesh-Transformer v1 checkpoint: which leaf, how it is cut over shards, which way round.
///
/// Layout: `mesh_transformer/checkpoint.py` and `transformer_shard.py` of kingoflolz/mesh-transformer-jax. Leaves have no names in the
/// files; their order is that of the sorted parameter tree.
public struct MeshTable: Sendable {
  /// The leaves in the order of the files, apart from layers, which sort as strings (0, 1, 10, 11, 2).
  public let before: [Leaf]
  /// A layer's leaves.
  public let layer: [Leaf]
  /// The leaves after all layers.
  public let after: [Leaf]

  /// One leaf of the parameter tree, `{i}` standing for the layer.
  public struct Leaf: Sendable, Hashable {
    /// Module and leaf below `causal_transformer_shard/~/`.
    public let name: String
    /// Extents of the whole leaf, before it is cut.
    public let shape: [Architecture.Dimension]
    /// How it is cut over shards.
    public let partition: Partition
    /// What becomes of it.
    public let use: Use
  }

  /// How a leaf is cut over shards.
  public enum Partition: Sendable, Hashable {
    /// Each shard has a run of this axis.
    case axis(Int)
    /// Each shard has an addend; the model's value is their sum.
    case summed
    /// Each shard has a copy, of which only shard 0's is used (and trained).
    case firstShard
  }

  /// What becomes of a leaf.
  public enum Use: Sendable, Hashable {
    /// It is the Hugging Face tensor of that name.
    case tensor(String)
    /// Transposed, it is the Hugging Face tensor of that name.
    case transposed(String)
    /// It is added to every row of the Hugging Face tensor of that name.
    case addedToRows(of: String)
  }

  /// Every leaf of a model with so many layers, in the order of the files.
  public func leaves(layers: Int) -> [(name: String, leaf: Leaf, layer: Int?)] {
    let order = (0..<layers).map(String.init).sorted { "\($0)/" < "\($1)/" }
    let layerLeaves = order.flatMap { number in
      layer.map {
        (name: $0.name.replacing("{i}", with: number), leaf: $0, layer: Int(number))
      }
    }
    return before.map { (name: $0.name, leaf: $0, layer: nil) } + layerLeaves
      + after.map { (name: $0.name, leaf: $0, layer: nil) }
  }

  /// The number of layers of a model with so many parameter leaves, if there is one.
  public func layers(leafCount: Int) -> Int? {
    let (layers, rest) = (leafCount - before.count - after.count)
      .quotientAndRemainder(dividingBy: layer.count)
    return layers > 0 && rest == 0 ? layers : nil
  }
}

extension MeshTable.Leaf {
  /// Extents of one shard's part.
  ///
  /// - Returns: nil if the cut axis isn't divisible.
  public func shardShape(_ dimensions: Architecture.Dimensions, shards: Int) -> Shape? {
    var extents = shape.map { dimensions[$0] }
    if case .axis(let axis) = partition {
      guard extents[axis] % shards == 0 else { return nil }
      extents[axis] /= shards
    }
    return Shape(extents)
  }

  /// The model's value of the leaf, from its parts in all shards, the first shard's first.
  public func whole(_ parts: [TensorExpression]) -> TensorExpression {
    switch partition {
    case .axis(let axis): parts.count == 1 ? parts[0] : .concatenate(parts, axis: axis)
    case .summed: .sum(parts)
    case .firstShard: parts[0]
    }
  }
}
