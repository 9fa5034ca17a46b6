/// Where in a model a tensor is, by its name in GGUF: `blk.7.attn_q.weight` is the `attn_q` of layer 7.
struct TensorPlace: Hashable {
  /// Its layer, from 0; nil outside of layers.
  let layer: Int?
  /// What it is there: the name without layer and `.weight`.
  let kind: String

  /// Longer numbers are no layers of a model: the axis ends with the last.
  private static let maximumDigitCount = 4

  /// Takes a name apart.
  init(_ name: String) {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count > 1 && parts.last == "weight" { parts.removeLast() }
    if parts.count > 2, parts[0] == "blk", parts[1].count <= Self.maximumDigitCount,
      parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let layer = Int(parts[1])
    {
      self.layer = layer
      parts.removeFirst(2)
    } else {
      layer = nil
    }
    kind = parts.joined(separator: ".")
  }
}
