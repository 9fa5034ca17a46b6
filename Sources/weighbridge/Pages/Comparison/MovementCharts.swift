import CheckpointComparison
import ModelArchitectures
import TensorModel

/// Charts of how far tensors moved, of those kinds in which any did.
struct MovementCharts {
  let panels: LayerPanels?
  /// What isn't drawn because nothing moved there; nil if all kinds are.
  let stillText: String?

  /// At most this many kinds are named.
  private static let namedCount = 30

  /// Charts of tensors that both checkpoints have.
  ///
  /// - Parameters:
  ///   - tensors: in the order of the first.
  ///   - ofChanges: whether kinds that differ by no more than their dtypes explain are left out, too.
  init(_ tensors: [ComparedTensor], ofChanges: Bool) {
    let styles = SeriesStyle.assigned(["equal", "equal after rounding", "changed"])
    let values = tensors.compactMap { tensor -> LayerPanels.Value? in
      guard let movement = tensor.movement, movement.elementCount > 0 else { return nil }
      return LayerPanels.Value(
        place: tensor.place,
        number: movement.relativeL2,
        series: tensor.isEqual ? 0 : tensor.relation == .equalAfterRounding ? 1 : 2,
        text: "\(tensor.name) \(threeDigits(movement.relativeL2))")
    }
    let moved = Set(
      values.filter { ofChanges ? $0.series == 2 : $0.number != 0 }.map { Chart($0) })
    let drawn = values.filter { moved.contains(Chart($0)) }
    panels = LayerPanels(drawn, styles, shown: Set(drawn.map(\.series)))
    stillText = Self.text(
      values.filter { !moved.contains(Chart($0)) }, isAll: moved.isEmpty, ofChanges)
  }

  /// What is in one chart: a kind, or all that is in no layer.
  private struct Chart: Hashable {
    let kind: String?

    init(_ value: LayerPanels.Value) {
      kind = value.place.layer == nil ? nil : value.place.kind
    }
  }

  private static func text(
    _ values: [LayerPanels.Value], isAll: Bool, _ ofChanges: Bool
  ) -> String? {
    guard !values.isEmpty else {
      return isAll ? "Both have no tensor of floats in common, so there is nothing to draw." : nil
    }
    if isAll {
      return ofChanges
        ? "No tensor of floats differs by more than its dtypes explain, so there is nothing to draw."
        : "No value is moved in any tensor of floats, so there is nothing to draw."
    }
    var found = Set<String>()
    let kinds = values.map(\.place.kind).filter { found.insert($0).inserted }
    let names = kinds.prefix(namedCount).joined(separator: ", ")
    let rest = kinds.count - namedCount
    return
      "\(ofChanges ? "Nothing but dtypes changed" : "Nothing moved") in \(counted(values.count, "tensor")), which aren’t drawn: \(names)\(rest > 0 ? ", and \(counted(rest, "other kind"))" : "")."
  }
}
