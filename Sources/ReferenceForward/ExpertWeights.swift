import CheckpointFormats
import ModelArchitectures
import TensorModel

extension DecoderWeights {
  /// Whether a layer's experts have gates and values in turn, so that reading them so is cheapest.
  func hasAlternatingGates(_ layer: Int) -> Bool {
    places[Place(.weight(.expertGateUpInTurn, .inOut), layer)] != nil
      || places[Place(.mxfp4Blocks(.expertGateUpInTurn), layer)] != nil
  }

  /// A weight of one expert, which is read when it is used.
  ///
  /// - Parameters:
  ///   - projection: of the expert.
  ///   - layer: its.
  ///   - number: of the expert.
  ///   - reader: of the weights.
  /// - Returns: the projection, without its bias.
  /// - Throws: `missing` where the layer has no such expert; what compiling throws.
  func expert(
    _ projection: DecoderRole.Projection, _ layer: Int, _ number: Int, _ reader: WeightReader
  ) throws(CheckpointError) -> Linear {
    let stored = places[Place(.weight(projection, .inOut), layer)]
    let orientation: DecoderRole.Orientation = stored == nil ? .outIn : .inOut
    let member: (expression: TensorExpression, type: TensorType)?
    if let stored {
      let extents = Array(stored.shape.dimensions[1...])
      member = (
        .reshape(
          .slice(stored.expression, axis: 0, range: number..<number + 1), Shape(extents)),
        TensorType(stored.dtype, Shape(extents))
      )
    } else {
      member = try stacks.member(.weight(projection), layer, number)
    }
    guard let member else {
      throw CheckpointError(
        .missing, "the layer has no such expert", expected: "\(projection.rawValue) of \(number)")
    }
    let tensor = CanonicalTensor(
      name: "expert \(number) of layer \(layer)", shape: member.type.shape,
      dtype: member.type.dtype, expression: member.expression)
    return try Linear(
      DecoderPlace(.weight(projection), layer, number), tensor, orientation, bias: nil, reader,
      isResident: false)
  }

  /// The biases of all experts, `[experts, out]`; nil without any.
  func expertBiases(
    _ projection: DecoderRole.Projection, _ layer: Int, _ reader: WeightReader
  ) throws(CheckpointError) -> FloatBuffer? {
    guard let stack = try stacks.stack(.bias(projection), layer) else { return nil }
    return try reader.values(
      CanonicalTensor(
        name: "biases of experts of layer \(layer)", shape: stack.type.shape,
        dtype: stack.type.dtype, expression: stack.expression))
  }
}
