/// What a weight is for, and in which layer it is.
public struct WeightPlace: Sendable, Hashable {
  /// What it is for, in a known family's words, as in "attention query"; else its name: `*` stands for its numbers, and what only says that a decoder's layers follow is left
  /// out, so that it is `self_attn.q_proj` of `model.layers.7.self_attn.q_proj.weight`.
  public let kind: String
  /// Its layer, from 0; nil for what belongs to none.
  public let layer: Int?
  /// What stands before the layer's number in the name, as in "encoder.block"; nil for the layers of a known family, and outside of layers.
  public let stack: String?

  /// Layers of a decoder are numbered after one of these.
  private static let lists: Set<Substring> = ["blk", "layers", "h", "layer", "blocks", "block"]
  /// What may stand before that and says nothing: the model has no other stack.
  private static let wholes: Set<Substring> = [
    "model", "transformer", "gpt_neox", "language_model",
  ]

  /// A place that is known already.
  ///
  /// - Parameters:
  ///   - layer: from 0; nil for none.
  ///   - kind: what is there, in any words.
  public init(layer: Int?, kind: String) {
    (self.kind, self.layer, stack) = (kind, layer, nil)
  }

  /// A place in a known family's decoder.
  public init(_ place: DecoderPlace) {
    (kind, layer, stack) = (place.role.kind, place.layer, nil)
  }

  /// The place that a name tells.
  ///
  /// A part of a name that is a number, or ends with one as in `layer_7`, is a layer's where it is the first, an expert's or the like where
  /// it is a later one.
  public init(named name: String) {
    var kind = ""
    var found: (layer: Int, stack: String)?
    var rest = name[...]
    while !rest.isEmpty {
      let end = rest.firstIndex { $0 == "." || $0 == "/" } ?? rest.endIndex
      let part = rest[..<end]
      if let (word, number) = Self.number(of: part) {
        found = found ?? (number, Self.trimmed(kind + word))
        kind += word + "*"
      } else {
        kind += part
      }
      if end < rest.endIndex { kind.append(rest[end]) }
      rest = end < rest.endIndex ? rest[rest.index(after: end)...] : ""
    }
    if let found {
      if kind.hasSuffix(".weight") { kind.removeLast(7) }
      let layers = "\(found.stack).*."
      if Self.isOnly(found.stack), kind.hasPrefix(layers) { kind.removeFirst(layers.count) }
    }
    self.kind = kind
    layer = found?.layer
    stack = found.map(\.stack)
  }

  /// Longer numbers count no layers.
  private static let maximumDigitCount = 4

  /// The number that a part of a name is, or ends with after `_`, and what stands before it.
  private static func number(of part: Substring) -> (word: String, number: Int)? {
    let start = part.utf8.lastIndex { !(48...57).contains($0) }.map { part.utf8.index(after: $0) }
    let digits = part[(start ?? part.startIndex)...]
    let word = part[..<digits.startIndex]
    let isNumbered =
      word.isEmpty || ["layer_", "layers_", "block_", "blocks_", "h_"].contains(word)
    guard isNumbered, digits.utf8.count <= maximumDigitCount, let number = Int(digits) else {
      return nil
    }
    return (String(word), number)
  }

  /// Whether the beginning of a name says that these are the layers of a decoder, and nothing else.
  private static func isOnly(_ stack: String) -> Bool {
    let parts = stack.split(separator: ".", omittingEmptySubsequences: false)
    return parts.last.map(lists.contains) == true && parts.dropLast().allSatisfy(wholes.contains)
  }

  /// A beginning of a name without what joined it to the rest.
  private static func trimmed(_ beginning: String) -> String {
    var beginning = beginning
    while let last = beginning.last, "./_".contains(last) { beginning.removeLast() }
    return beginning
  }
}
