/// Where in a model a tensor is, by its name: `blk.7.attn_q.weight` is the `attn_q` of layer 7, and so is the `self_attn.q_proj` in `model.layers.7.self_attn.q_proj.weight`.
struct TensorPlace: Hashable {
  /// Its layer, from 0; nil outside of layers.
  let layer: Int?
  /// What it is there: the name without layer and `.weight`, further numbers as `*`, such as those of experts.
  let kind: String

  /// Longer numbers are no layers of a model: the axis ends with the last.
  private static let maximumDigitCount = 4
  /// What stands before a layer's number.
  private static let lists: Set<Substring> = ["blk", "layers", "h", "layer", "blocks", "block"]
  /// What says nothing before them.
  private static let wholes: Set<Substring> = [
    "model", "transformer", "gpt_neox", "language_model",
  ]

  /// A place that is known already.
  init(layer: Int?, kind: String) {
    self.layer = layer
    self.kind = kind
  }

  /// Takes a name apart.
  init(_ name: String) {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count > 1 && parts.last == "weight" { parts.removeLast() }
    let place = parts.indices.dropFirst().first {
      Self.lists.contains(parts[$0 - 1]) && parts[$0].count <= Self.maximumDigitCount
        && Self.isNumber(parts[$0]) && $0 + 1 < parts.count
    }
    layer = place.flatMap { Int(parts[$0]) }
    if let place {
      parts = parts[..<(place - 1)].filter { !Self.wholes.contains($0) } + parts[(place + 1)...]
    }
    kind = parts.map { place != nil && Self.isNumber($0) ? "*" : $0 }.joined(separator: ".")
  }

  private static func isNumber(_ part: Substring) -> Bool {
    !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) }
  }
}

/// `0–3, 7` for numbers that follow each other from 0 to 3, and 7.
func ranges(_ numbers: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for number in Set(numbers).sorted() {
    if let last = runs.last, last.upperBound == number - 1 {
      runs[runs.count - 1] = last.lowerBound...number
    } else {
      runs.append(number...number)
    }
  }
  return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }
    .joined(separator: ", ")
}
