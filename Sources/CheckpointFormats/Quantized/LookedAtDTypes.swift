import ModelArchitectures
public import TensorModel

/// By which dtypes stored elements are looked at, where values that are no numbers are looked for: scales of quantized weights stand in bytes whose dtype
/// doesn't say so.
public struct LookedAtDTypes: Sendable {
  private let byteScales: Set<ExactName>

  private static let endings = ["scale", "scales", "scale_inv"]

  /// - Parameter source: whose tensors they are.
  public init(_ source: Source) {
    let model = try? source.model()
    var scales: Set<ExactName> = []
    for (place, tensor) in model?.placed ?? [:] {
      if case .mxfp4Scales = place.role { scales.insert(ExactName(tensor.name)) }
    }
    let parts = model?.quantized?.parts ?? []
    for name in parts where Self.endings.contains(where: name.text.hasSuffix) {
      scales.insert(name)
    }
    byteScales = scales
  }

  /// The dtype for a stored tensor.
  public func dtype(_ name: String, _ dtype: DType) -> DType {
    dtype == .u8 && byteScales.contains(ExactName(name)) ? .f8e8m0 : dtype
  }
}
