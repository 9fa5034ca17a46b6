import ModelArchitectures
public import TensorModel

/// By which dtypes stored elements are looked at, where values that are no numbers are looked for: scales of quantized weights stand in bytes whose dtype
/// doesn't say so, and how they are read does.
public struct LookedAtDTypes: Sendable {
  private var bytes: [ExactName: DType] = [:]

  /// - Parameter source: whose tensors they are.
  public init(_ source: Source) {
    guard let model = try? source.model() else { return }
    for (place, tensor) in model.placed {
      if case .mxfp4Scales = place.role { bytes[ExactName(tensor.name)] = .f8e8m0 }
    }
    guard model.quantized != nil else { return }
    for tensor in model.tensors { look(tensor.expression) }
  }

  private mutating func look(_ expression: TensorExpression) {
    var pending = [expression]
    while let next = pending.popLast() {
      switch next {
      case .blocks(let parts, .mxfp4):
        for name in parts[1].sources { bytes[ExactName(name)] = .f8e8m0 }
      case .decode(let operand, .e8m0, _, _):
        for name in operand.sources { bytes[ExactName(name)] = .f8e8m0 }
      case .decode(let operand, .e4m3, _, _):
        for name in operand.sources { bytes[ExactName(name)] = .f8e4m3 }
      default: break
      }
      pending += next.operands
    }
  }

  /// The dtype for a stored tensor.
  public func dtype(_ name: String, _ dtype: DType) -> DType {
    dtype == .u8 ? bytes[ExactName(name)] ?? dtype : dtype
  }
}
