import CheckpointFormats
import ModelArchitectures
import TensorModel

/// What a weight is for, and in which layer it is.
public struct WeightPlace: Sendable, Hashable {
  /// What it is for, in a known family's words, as in "attention query"; else the name with `*` for its numbers.
  public let kind: String
  /// Its layer, from 0; nil for what belongs to none.
  public let layer: Int?
  /// What stands before the layer's number in the name, as in "encoder.block"; nil for the layers of a known family, and outside of layers.
  public let stack: String?

  /// A place in a known family's decoder.
  init(_ place: DecoderPlace) {
    (kind, layer, stack) = (place.role.kind, place.layer, nil)
  }

  /// The place that a name tells.
  ///
  /// A part of a name that is a number, or ends with one as in `layer_7`, is a layer's where it is the first, an expert's or the like where
  /// it is a later one.
  init(named name: String) {
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
    if found != nil, kind.hasSuffix(".weight") { kind.removeLast(7) }
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

  /// A beginning of a name without what joined it to the rest.
  private static func trimmed(_ beginning: String) -> String {
    var beginning = beginning
    while let last = beginning.last, "./_".contains(last) { beginning.removeLast() }
    return beginning
  }
}

/// Where the weights of compared models are, by their names.
struct WeightPlaces {
  private let known: [(model: ModelContents, places: [ExactName: DecoderPlace])]

  /// Those of some models: where one doesn't know a name, the next may.
  ///
  /// - Parameters:
  ///   - models: of any family, or none.
  ///   - spelling: that experts are compared in; nil for their own.
  init(_ models: [ModelContents], _ spelling: Architecture.ExpertSpelling?) {
    known = models.map { model in
      var places: [ExactName: DecoderPlace] = [:]
      for (place, tensor) in model.placed { places[ExactName(tensor.name)] = place }
      if let spelling, let (architecture, dimensions) = model.sizes {
        for tensor in architecture.tensors(dimensions, spelling) {
          places[ExactName(tensor.name)] = tensor.place
        }
      }
      return (model, places)
    }
  }

  /// Of a tensor, by its canonical name.
  subscript(name: String) -> WeightPlace {
    for (model, places) in known {
      let place = places[ExactName(name)] ?? places[model.fullName(of: name)]
      if let place { return WeightPlace(place) }
    }
    return WeightPlace(named: name)
  }
}
