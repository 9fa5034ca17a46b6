import FileContainers
public import TensorModel

/// A model family: its tensors' names, shapes and places in other layouts as data, and what its configuration means.
public struct Architecture: Sendable {
  /// The family, as `model_type` in `config.json` names it.
  public let name: String
  /// The class that transformers loads it with.
  public let modelClass: String
  /// The tensors that every checkpoint of the family has, in the order of transformers' state dict.
  ///
  /// `{i}` in a name stands for the layer.
  public let rows: [Row]
  /// The keys of `config.json` that transformers' class reads, with its defaults.
  let settings: ClassSettings
  /// Reads from them which tensors there are, and their shapes.
  let sizes: @Sendable (inout SettingsReader) throws(CheckpointError) -> Dimensions
  /// Reads from them, given the sizes, all that a forward pass does; settings that it doesn't do are refused.
  let decoder:
    @Sendable (inout SettingsReader, Dimensions) throws(CheckpointError) -> DecoderConfiguration
  /// Makes `mesh`, which only those need who read or write such files.
  let meshTable: @Sendable () -> MeshTable?
  /// Makes `gguf`, likewise.
  let ggufTable: @Sendable () -> GGUFTable?
  /// What no graph of llama.cpp does, where there is none.
  public var missingFromGGUF: String?
  /// The class of its linear layers, where transformers has one that reads `weight` in code of its own: no codes can stand in its place.
  public var linearClass: String?
  /// What the configuration of the language model stands under, in models that have another part; nil where it stands at the top.
  var nested: Nested?
  /// Makes `tensorFlow`, likewise.
  var tensorFlowTable: @Sendable () -> TensorFlowTable? = { nil }

  /// A language model within a model that has other parts.
  struct Nested: Sendable {
    /// The key of the language model's settings.
    let key: String
    /// The language model alone, as a family of its own.
    let family: String
    /// Beginnings of the names of the other parts' tensors.
    let others: [String]
  }

  /// The family of the language model alone, of models that have other parts; nil for others.
  public var languageFamily: String? { nested?.family }

  /// Whether only its tensors are known, and what it computes isn't.
  public var isOfSizesOnly: Bool { settings.isOfSizesOnly }

  /// Whether a tensor belongs to a part that isn't the language model, such as a vision tower.
  public func setsAside(_ name: String) -> Bool {
    nested?.others.contains(where: name.hasPrefix) ?? false
  }

  /// The settings of the language model.
  func settings(in document: JSONValue) -> JSONValue {
    nested.flatMap { document[$0.key] } ?? document
  }

  /// How a Mesh-Transformer checkpoint of the family is laid out, if there are any.
  public var mesh: MeshTable? { meshTable() }

  /// How TensorFlow checkpoints have the family's models, if any were published so.
  public var tensorFlow: TensorFlowTable? { tensorFlowTable() }

  /// How GGUF files have the family's models; nil where no graph there computes the same.
  public var gguf: GGUFTable? { ggufTable() }

  /// Beginnings of names that checkpoints of the model without its head lack.
  private static let prefixes = ["transformer.", "model.", "gpt_neox."]

  /// How files may have the experts' tensors, the published repositories' spelling first; none for families without experts.
  public var spellings: [ExpertSpelling] {
    var found: [ExpertSpelling] = []
    for spelling in rows.compactMap(\.spelling) where !found.contains(spelling) {
      found.append(spelling)
    }
    return found
  }

  /// Every tensor of a model of that size, in order.
  ///
  /// - Parameters:
  ///   - dimensions: the sizes.
  ///   - spelling: of the experts; nil is that of the published repositories.
  /// - Returns: the tensors.
  public func tensors(
    _ dimensions: Dimensions, _ spelling: ExpertSpelling? = nil
  ) -> [Tensor] {
    let spelling = spelling ?? spellings.first
    let rows = rows.filter { row in
      (row.spelling == nil || row.spelling == spelling)
        && (row.condition.map { $0.isOfLayers || dimensions.conditions.contains($0) } ?? true)
    }
    var tensors: [Tensor] = []
    var position = 0
    while position < rows.count {
      let run = rows[position...].prefix { $0.name.contains("{i}") }
      if run.isEmpty {
        tensors.append(tensor(rows[position], layer: nil, dimensions))
        position += 1
      } else {
        for layer in 0..<dimensions.layers { append(run, layer, dimensions, to: &tensors) }
        position = run.endIndex
      }
    }
    return tensors
  }

  /// The tensors of a layer; those that are numbered, such as experts, one number after the other.
  private func append(
    _ rows: ArraySlice<Row>, _ layer: Int, _ dimensions: Dimensions, to tensors: inout [Tensor]
  ) {
    var position = rows.startIndex
    while position < rows.endIndex {
      let counted = rows[position].numbered
      let run = rows[position...].prefix { $0.numbered == counted }
      let here = run.filter { $0.condition.map { $0.holds(in: layer, dimensions) } ?? true }
      for number in 0..<(counted.map { dimensions[$0] } ?? 1) {
        for row in here {
          tensors.append(
            tensor(row, layer: layer, number: counted == nil ? nil : number, dimensions))
        }
      }
      position = run.endIndex
    }
  }

  /// What the head has where it has weights of its own, whether or not the configuration ties it to the embedding.
  public func headTensors(_ dimensions: Dimensions) -> [Tensor] {
    rows.filter { $0.role.projection == .head }.map { tensor($0, layer: nil, dimensions) }
  }

  private func tensor(
    _ row: Row, layer: Int?, number: Int? = nil, _ dimensions: Dimensions
  ) -> Tensor {
    Tensor(
      row: row, layer: layer, number: number, shape: Shape(row.shape.map { dimensions[$0] }))
  }

  /// The row of a role; nil if the family has none.
  public func row(_ role: DecoderRole) -> Row? { rows.first { $0.role == role } }

  /// A tensor of a model.
  public struct Tensor: Sendable, Hashable {
    /// The row of the table that it is of.
    public let row: Row
    /// Its layer; nil for what belongs to none.
    public let layer: Int?
    /// Its number among those of its row in the layer, such as the expert's; nil for rows of one.
    public let number: Int?
    /// Its extents.
    public let shape: Shape

    /// Hugging Face's parameter name.
    public var name: String { row.name(layer: layer, number: number) }
    /// Where it stands in the decoder.
    public var place: DecoderPlace { DecoderPlace(row.role, layer, number) }

    /// Its name, other names of it, and those that each has in checkpoints of the model without its head, or with another.
    public var spellings: [String] {
      ([row.name] + row.aliases).flatMap { pattern in
        let name = Row.name(pattern, layer: layer, number: number)
        guard let prefix = Architecture.prefixes.first(where: name.hasPrefix) else { return [name] }
        let rest = String(name.dropFirst(prefix.count))
        // Classes for questions and answers have the bare model under GPT-2's name.
        return [name, rest] + (prefix == "model." ? ["transformer.\(rest)"] : [])
      }
    }
  }
}
