public import TensorModel

extension MeshTable.Leaf {
  /// The Hugging Face tensor that it belongs to, `{i}` standing for the layer.
  public var tensorName: String {
    switch use {
    case .tensor(let name), .transposed(let name), .addedToRows(of: let name): name
    }
  }

  /// What every element is before training: scales are 1, everything else that starts equal is 0.
  public var initialValue: FillValue { FillValue(name.hasSuffix("/scale") ? 1 : 0) }

  /// One shard's part of a leaf: what `whole` makes the tensor of again, bit for bit.
  ///
  /// Sums have everything in shard 0 and −0 elsewhere, which leaves even −0 as it is; copies that nobody uses are as before training.
  /// From parts like these mesh-transformer-jax's own `reshard`, which guesses from values, makes the same tensors.
  ///
  /// - Parameters:
  ///   - shard: which.
  ///   - count: how many shards there are.
  ///   - tensor: that it belongs to.
  ///   - dimensions: of the model.
  ///   - dtype: for parts that aren't taken from the tensor.
  ///   - stored: the type of a stored tensor, nil if there is none of that name.
  /// - Returns: the part, not cast; nil if so many shards can't be made.
  /// - Throws: what `TensorExpression.type` throws.
  public func part(
    _ shard: Int, of count: Int, _ tensor: TensorExpression,
    _ dimensions: Architecture.Dimensions, _ dtype: DType, stored: (String) -> TensorType?
  ) throws(CheckpointError) -> TensorExpression? {
    guard let shape = shardShape(dimensions, shards: count) else { return nil }
    func filled(_ value: FillValue) -> TensorExpression { .fill(value, TensorType(dtype, shape)) }
    let whole: TensorExpression
    switch use {
    case .tensor: whole = tensor
    case .transposed: whole = tensor.transposed
    case .addedToRows: return filled(FillValue(-0.0))
    }
    switch partition {
    case .summed: return shard == 0 ? whole : filled(FillValue(-0.0))
    case .firstShard: return shard == 0 ? whole : filled(initialValue)
    case .axis(let axis):
      let extent = shape.dimensions[axis]
      return try whole.sliced(
        axis: axis, range: shard * extent..<(shard + 1) * extent, stored: stored)
    }
  }
}
