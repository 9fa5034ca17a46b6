import FileContainers
import ModelArchitectures
import TensorModel

/// What the variables of a TensorFlow checkpoint are as a model of a family whose table they fit.
struct TensorFlowModel {
  /// The family.
  let architecture: Architecture
  /// How its checkpoints are laid out.
  let table: TensorFlowTable
  /// Sizes that the shapes prove; the vocabulary may be padded.
  let shown: Architecture.Dimensions
  private let types: [ExactName: TensorType]

  /// Finds the family of which most variables of the first layer, and those outside of layers, are there; nil for models of no such family.
  ///
  /// - Parameter tensors: all that are stored.
  init?(_ tensors: [TensorInfo]) {
    let types = Dictionary(
      tensors.map { (ExactName($0.name), TensorType($0.dtype, $0.shape)) },
      uniquingKeysWith: { first, _ in first })
    var best: (Architecture, TensorFlowTable, Int)?
    for architecture in Architectures.all {
      guard let table = architecture.tensorFlow else { continue }
      let count = table.variables.count { types[ExactName($0.name(layer: 0))] != nil }
      if count * 2 > table.variables.count, count > best?.2 ?? 0 {
        best = (architecture, table, count)
      }
    }
    guard let (architecture, table, _) = best else { return nil }
    self.architecture = architecture
    self.table = table
    self.types = types
    let layered = table.variables.filter { $0.name.contains("{i}") }
    var layers = 0
    while layered.contains(where: { types[ExactName($0.name(layer: layers))] != nil }) {
      layers += 1
    }
    func shape(_ tensor: String) -> Shape? {
      table.variables.first { $0.tensor == tensor }.flatMap { types[ExactName($0.name)]?.shape }
    }
    let tokens = shape("transformer.wte.weight")?.dimensions ?? []
    shown = Architecture.Dimensions(
      layers: layers, model: tokens.last ?? 0, inner: 0, vocabulary: tokens.first ?? 0,
      positions: shape("transformer.wpe.weight")?.dimensions.first ?? 0)
  }

  /// The dtype of the embedding, which most weights share.
  var dtype: DType? {
    table.variables.first.flatMap { types[ExactName($0.name)]?.dtype }
  }

  /// The variables of so many layers in the family's order, with the tensors that they are.
  private func variables(
    _ layers: Int
  ) -> [(variable: TensorFlowTable.Variable, layer: Int?)] {
    var found: [(TensorFlowTable.Variable, Int?)] = []
    let sizes = Architecture.Dimensions(
      layers: layers, model: 1, inner: 1, vocabulary: 1, positions: 1, conditions: [])
    let byTensor = Dictionary(
      table.variables.map { ($0.tensor, $0) }, uniquingKeysWith: { first, _ in first })
    for tensor in architecture.tensors(sizes) {
      if let variable = byTensor[tensor.row.name] { found.append((variable, tensor.layer)) }
    }
    return found
  }

  /// The model's tensors under Hugging Face's names, then what the family doesn't have under its own.
  ///
  /// - Parameters:
  ///   - weights: the stored tensors that are weights.
  ///   - sizes: what the configuration says, where there is one.
  /// - Returns: the tensors that are there.
  /// - Throws: `malformed` for shapes that can't be laid out so.
  func canonicalTensors(
    _ weights: [CanonicalTensor], _ sizes: Architecture.Dimensions?
  ) throws(CheckpointError) -> [CanonicalTensor] {
    var canonical: [CanonicalTensor] = []
    var used: Set<ExactName> = []
    for (variable, layer) in variables(max(sizes?.layers ?? 0, shown.layers)) {
      let name = variable.name(layer: layer)
      guard let stored = types[ExactName(name)] else { continue }
      used.insert(ExactName(name))
      let expression = variable.arrangement.applied(
        to: name, stored.shape, vocabulary: sizes?.vocabulary)
      do throws(CheckpointError) {
        let type = try expression.type { _ in stored }
        canonical.append(
          CanonicalTensor(
            name: variable.tensorName(layer: layer),
            shape: type.shape, dtype: type.dtype, expression: expression))
      } catch { throw error.in(tensor: name) }
    }
    return canonical + weights.filter { !used.contains(ExactName($0.name)) }
  }

  /// Makes sure that all variables are there that a configuration asks for.
  ///
  /// - Throws: `missing` with the first that isn't; `malformed` for fewer rows of the embedding than tokens.
  func check(_ sizes: Architecture.Dimensions) throws(CheckpointError) {
    let names = variables(sizes.layers).map { $0.variable.name(layer: $0.layer) }
    let missing = names.filter { types[ExactName($0)] == nil }
    if let first = missing.first {
      throw CheckpointError(
        .missing,
        "a variable that the model needs is not in the checkpoint"
          + (missing.count > 1 ? " (and \(missing.count - 1) more)" : ""), tensor: first,
        expected: "\(names.count) variables of a model with \(counted(sizes.layers, "layer"))",
        hint:
          "nothing is made up for it: get the files again, or the configuration that belongs to them"
      )
    }
    for variable in table.variables where variable.arrangement == .trimmed {
      guard let shape = types[ExactName(variable.name)]?.shape, let rows = shape.dimensions.first,
        rows < sizes.vocabulary
      else { continue }
      throw CheckpointError(
        .malformed, "fewer rows than the vocabulary has tokens", tensor: variable.name,
        expected: "at least \(sizes.vocabulary)", found: "\(shape)",
        hint: "do the configuration and the weights belong together?")
    }
  }

  /// What is said of rows that are left out because no token has them.
  func paddingFindings(_ sizes: Architecture.Dimensions) -> [Finding] {
    table.variables.filter { $0.arrangement == .trimmed }.compactMap { variable in
      guard let rows = types[ExactName(variable.name)]?.shape.dimensions.first,
        rows > sizes.vocabulary
      else { return nil }
      return Finding(
        .note, "padding-trimmed",
        "the last \(rows - sizes.vocabulary) of \(rows) rows are padding, and are left out: the vocabulary has \(sizes.vocabulary) tokens",
        tensor: variable.name)
    }
  }
}
