public import ModelArchitectures
public import TensorModel

/// What a model's layers have several of, whatever tensors hold them: each on its own, in one tensor, turned, or as blocks.
public struct StackedTensors: Sendable {
  private let placed: [DecoderPlace: CanonicalTensor]
  private let checkpoint: Checkpoint

  /// Of tensors by their places.
  ///
  /// - Parameters:
  ///   - placed: of a model.
  ///   - checkpoint: that their expressions are over.
  public init(_ placed: [DecoderPlace: CanonicalTensor], _ checkpoint: Checkpoint) {
    self.placed = placed
    self.checkpoint = checkpoint
  }

  /// All of a layer as one tensor, `[count, …]`; weights are `[count, out, in]`.
  ///
  /// - Parameters:
  ///   - role: of a single one.
  ///   - layer: theirs.
  /// - Returns: nil where the layer has none.
  /// - Throws: `malformed` for tensors that don't fit each other.
  public func stack(
    _ role: DecoderRole, _ layer: Int?
  ) throws(CheckpointError) -> TensorStack? {
    if let whole = try whole(role, layer) { return whole }
    guard let projection = role.projection else { return nil }
    // What is asked for may be a part of what is there, or be made of parts.
    for fused in [DecoderRole.Projection.expertGateUp, .expertGateUpInTurn] {
      guard let part = fused.parts.firstIndex(of: projection) else { continue }
      if let both = try whole(role.of(fused), layer) {
        return both.separated(inTurn: fused == .expertGateUpInTurn)[part]
      }
    }
    guard projection.parts.count == 2 else { return nil }
    guard let gates = try stack(role.of(projection.parts[0]), layer),
      let values = try stack(role.of(projection.parts[1]), layer)
    else { return nil }
    return TensorStack(
      gates: gates, values: values, inTurn: projection == .expertGateUpInTurn)
  }

  /// One of a layer.
  ///
  /// - Parameters:
  ///   - role: its own.
  ///   - layer: its.
  ///   - number: which one, from 0.
  /// - Returns: its expression and type; nil where there is none.
  /// - Throws: `malformed` for tensors that don't fit each other.
  public func member(
    _ role: DecoderRole, _ layer: Int?, _ number: Int
  ) throws(CheckpointError) -> (expression: TensorExpression, type: TensorType)? {
    if let own = placed[DecoderPlace(role, layer, number)] {
      return (own.expression, TensorType(own.dtype, own.shape))
    }
    if let projection = role.projection {
      for fused in [DecoderRole.Projection.expertGateUp, .expertGateUpInTurn] {
        guard let part = fused.parts.firstIndex(of: projection),
          placed[DecoderPlace(role, layer)] == nil,
          let both = try whole(role.of(fused), layer)
        else { continue }
        return both.only(number).separated(inTurn: fused == .expertGateUpInTurn)[part].member(0)
      }
    }
    if let projection = role.projection, projection.parts.count == 2,
      try whole(role, layer) == nil
    {
      // Gate and values of one, without those of the others.
      guard let gate = try member(role.of(projection.parts[0]), layer, number),
        let value = try member(role.of(projection.parts[1]), layer, number)
      else { return nil }
      let both = TensorStack(
        gates: TensorStack([gate.expression], each: gate.type),
        values: TensorStack([value.expression], each: value.type),
        inTurn: projection == .expertGateUpInTurn)
      return both.member(0)
    }
    return try stack(role, layer)?.member(number)
  }

  /// What a row of the family's table asks for, made of what is there.
  ///
  /// - Parameter tensor: of the family, in any spelling.
  /// - Returns: the tensor under the row's name; nil where it isn't there, or what is there can't be so.
  /// - Throws: `malformed` for tensors that don't fit each other.
  public func tensor(
    _ tensor: Architecture.Tensor
  ) throws(CheckpointError) -> CanonicalTensor? {
    func canonical(
      _ expression: TensorExpression, _ type: TensorType
    ) -> CanonicalTensor {
      CanonicalTensor(
        name: tensor.name, shape: type.shape, dtype: type.dtype, expression: expression)
    }
    if let own = placed[tensor.place] {
      return canonical(own.expression, TensorType(own.dtype, own.shape))
    }
    let role = tensor.row.role
    if let number = tensor.number {
      return try member(role, tensor.layer, number).map { canonical($0.expression, $0.type) }
    }
    switch role {
    case .weight(let projection, let orientation) where projection.isOfExperts:
      guard let stack = try stack(.weight(projection), tensor.layer)?.asValues else { return nil }
      let turned = orientation == .inOut ? stack.transposed : stack
      return canonical(turned.expression, turned.type)
    case .bias(let projection) where projection.isOfExperts:
      return try stack(role, tensor.layer).map { canonical($0.expression, $0.type) }
    case .mxfp4Blocks(let projection), .mxfp4Scales(let projection):
      guard let stack = try stack(.weight(projection), tensor.layer), stack.type.dtype == .mxfp4
      else { return nil }
      let isCodes = if case .mxfp4Blocks = role { true } else { false }
      let part: TensorExpression = isCodes ? .codes(stack.expression) : .scales(stack.expression)
      return canonical(part, try checkpoint.type(of: part))
    default: return nil
    }
  }

  // MARK: What is there

  /// All of a layer, as some tensors of it have them without taking anything apart; nil without such.
  private func whole(
    _ role: DecoderRole, _ layer: Int?
  ) throws(CheckpointError) -> TensorStack? {
    if let first = placed[DecoderPlace(role, layer, 0)] {
      var members: [CanonicalTensor] = []
      while let member = placed[DecoderPlace(role, layer, members.count)] { members.append(member) }
      let dtype = DType.common(members.map(\.dtype))
      return TensorStack(
        members.map { $0.dtype == dtype ? $0.expression : .cast($0.expression, dtype) },
        each: TensorType(dtype, first.shape))
    }
    if let tensor = placed[DecoderPlace(role, layer)] { return try Self.stack(tensor) }
    guard case .weight(let projection, _) = role else { return nil }
    if let tensor = placed[DecoderPlace(.weight(projection, .inOut), layer)] {
      return try Self.stack(tensor)?.transposed
    }
    guard let codes = placed[DecoderPlace(.mxfp4Blocks(projection), layer)],
      let scales = placed[DecoderPlace(.mxfp4Scales(projection), layer)]
    else { return nil }
    let blocks = TensorExpression.blocks([codes.expression, scales.expression], .mxfp4)
    return TensorStack(blocks, try checkpoint.type(of: blocks))
  }

  private static func stack(_ tensor: CanonicalTensor) throws(CheckpointError) -> TensorStack? {
    guard tensor.shape.rank > 1 else { return nil }
    return TensorStack(tensor.expression, TensorType(tensor.dtype, tensor.shape))
  }
}

extension DecoderRole {
  /// The same of another projection.
  fileprivate func of(_ projection: Projection) -> DecoderRole {
    if case .bias = self { .bias(projection) } else { .weight(projection) }
  }
}
