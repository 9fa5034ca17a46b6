import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorModel

/// What the weights of a decoder are called in a GGUF file of its model, where experts are stacked, gates and values apart.
struct ImportanceNames {
  private let table: GGUFTable?
  private let configuration: DecoderConfiguration

  /// Names for a source's model; of families that no graph of llama.cpp computes the names that most graphs have.
  init(_ architecture: Architecture?, _ configuration: DecoderConfiguration) {
    table = architecture?.gguf
    self.configuration = configuration
  }

  /// The names of a place: one, or of gates and values of experts two.
  ///
  /// The head that shares the embedding's weights has the embedding's name.
  func names(_ role: DecoderRole, _ layer: Int?) -> [String] {
    let isTied = !configuration.dimensions.conditions.contains(.untiedHead)
    if role.projection == .head, isTied {
      return names(.tokenEmbedding, nil)
    }
    return role.ggufRoles.map { part in
      table?.name(of: part, layer: layer, configuration.dimensions) ?? part.ggufName(layer: layer)
    }
  }

  /// Sums under their names, those of experts of a layer together.
  ///
  /// - Parameter squares: what was summed up.
  /// - Returns: an entry for each weight.
  func entries(_ squares: ColumnSquares) -> [ExactName: ImportanceSums.Entry] {
    var entries: [ExactName: ImportanceSums.Entry] = [:]
    let places = Dictionary(grouping: squares.sums) { DecoderPlace($0.key.role, $0.key.layer) }
    for (place, members) in places {
      let columnCount = members[0].value.squares.count
      let isOfExperts = place.role.projection?.isOfExperts ?? false
      let expertCount = isOfExperts ? configuration.dimensions.experts : 1
      var entry = ImportanceSums.Entry(
        sums: Array(repeating: 0, count: expertCount * columnCount),
        counts: Array(repeating: 0, count: expertCount))
      for (place, sums) in members {
        let expert = place.number ?? 0
        entry.counts[expert] = Double(sums.rowCount)
        entry.sums.replaceSubrange(
          expert * columnCount..<(expert + 1) * columnCount, with: sums.squares)
      }
      for name in names(place.role, place.layer) { entries[ExactName(name)] = entry }
    }
    return entries
  }
}
