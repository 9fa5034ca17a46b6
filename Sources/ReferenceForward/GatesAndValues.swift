import CTensorKernels
import ModelArchitectures

/// The function between an expert's two products: gates and values in one row become f(gate) · value.
struct GatesAndValues: Sendable {
  /// The projection that makes both.
  let projection: DecoderRole.Projection
  private let clamp: DecoderConfiguration.Experts.ClampedGate?
  private let activation: DecoderConfiguration.Activation

  init(
    _ experts: DecoderConfiguration.Experts, _ activation: DecoderConfiguration.Activation,
    inTurn: Bool
  ) {
    projection = inTurn ? .expertGateUpInTurn : .expertGateUp
    clamp = experts.clampedGate
    self.activation = activation
  }

  /// Computes one row; `row` is changed.
  ///
  /// - Parameters:
  ///   - row: `[2 count]`, gates first or both in turn.
  ///   - count: of values.
  ///   - result: room for them.
  func apply(
    _ row: UnsafeMutablePointer<Float>, _ count: Int, into result: UnsafeMutablePointer<Float>
  ) {
    let inTurn = projection == .expertGateUpInTurn
    let (first, step) = inTurn ? (1, 2) : (count, 1)
    guard let clamp else {
      for index in 0..<count { result[index] = row[index * step] }
      activation.apply(result, count)
      for index in 0..<count { result[index] *= row[first + index * step] }
      return
    }
    let (alpha, limit) = (Float(clamp.alpha), Float(clamp.limit))
    // gate · σ(alpha · gate) is silu(alpha · gate) / alpha, and half of the gate where alpha is 0.
    let (inner, outer) = alpha == 0 ? (1, 2) : (alpha, alpha)
    for index in 0..<count { result[index] = inner * min(row[index * step], limit) }
    if alpha != 0 { wb_silu(result, count) }
    for index in 0..<count {
      let value = min(max(row[first + index * step], -limit), limit)
      result[index] = (value + 1) * (result[index] / outer)
    }
  }
}
