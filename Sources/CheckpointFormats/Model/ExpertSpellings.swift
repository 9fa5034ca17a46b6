import FileContainers
import ModelArchitectures
import TensorModel

/// How a checkpoint has the experts of its mixture, told by names.
struct ExpertSpellings {
  /// The spelling of most tensors, the published one where there are no experts; nil for families without.
  let spelling: Architecture.ExpertSpelling?
  /// A tensor of each, where there are several spellings.
  let rivals: [String]
  /// Whether no layer has its experts in more than one of them.
  let areOfDifferentLayers: Bool

  /// Looks for tensors that only one spelling has.
  init(_ names: Set<ExactName>, _ architecture: Architecture) {
    let spellings = architecture.spellings
    guard spellings.count > 1 else {
      (spelling, rivals, areOfDifferentLayers) = (spellings.first, [], false)
      return
    }
    var found: [(spelling: Architecture.ExpertSpelling, names: [ExactName])] = []
    for spelling in spellings {
      let forms = architecture.rows.filter { row in
        row.spelling == spelling && row.role.projection?.isOfExperts ?? false
      }.map { Form($0.name) }
      let matching = names.filter { name in forms.contains { $0.matches(name.text) } }
      if !matching.isEmpty { found.append((spelling, Array(matching))) }
    }
    spelling = (found.max { $0.names.count < $1.names.count })?.spelling ?? spellings.first
    rivals = found.count > 1 ? found.compactMap { $0.names.min()?.text } : []
    let layers = found.map { Set($0.names.compactMap { NumberedName($0.text).numbers.first }) }
    areOfDifferentLayers =
      layers.reduce(0) { $0 + $1.count } == layers.reduce(Set()) { $0.union($1) }.count
  }

  /// Whether there are several.
  var areSeveral: Bool { rivals.count > 1 }

  /// What stands after the layer in a row's name, around a number if it has one.
  private struct Form {
    private let head: String?
    private let tail: String

    init(_ pattern: String) {
      let inLayer = pattern.split(separator: "{i}").last.map(String.init) ?? pattern
      let parts = inLayer.split(separator: "{n}").map(String.init)
      head = parts.count > 1 ? parts[0] : nil
      tail = parts.last ?? inLayer
    }

    func matches(_ name: String) -> Bool {
      name.hasSuffix(tail) && (head.map { name.contains($0) } ?? true)
    }
  }

  /// What is wrong where there are several; nil otherwise.
  var problem: ModelProblem? {
    guard areSeveral else { return nil }
    return ModelProblem(
      "expert-spellings",
      CheckpointError(
        .malformed,
        areOfDifferentLayers
          ? "some layers have their experts in one spelling, others in another"
          : "the experts are there twice, as tensors of their own and stacked",
        tensor: rivals[1], expected: "one spelling", found: "'\(rivals[0])' too",
        hint: areOfDifferentLayers
          ? "a conversion that stopped half way makes such files: make it again from its source"
          : "merging two checkpoints makes such files: make it again from one of them"))
  }

  /// What is wrong where the configuration doesn't say what the experts are: other programs make up weights then; here tensors count.
  ///
  /// - Parameters:
  ///   - architecture: the family.
  ///   - document: the configuration.
  /// - Returns: nil where both agree.
  func problem(_ architecture: Architecture, _ document: JSONValue) -> ModelProblem? {
    let method = document["quantization_config"]?["quant_method"]?.text
    let (areBlocks, areSaidToBe) = (spelling == .mxfp4, method == "mxfp4")
    guard architecture.spellings.contains(.mxfp4), areBlocks != areSaidToBe else { return nil }
    return ModelProblem(
      "quantization-claim",
      CheckpointError(
        .malformed,
        areBlocks
          ? "the experts are blocks of MXFP4, which the configuration doesn't say: other programs load none of them"
          : "the configuration says that the experts are blocks of MXFP4, which they aren't: other programs load none of them",
        file: HuggingFaceConfiguration.fileName,
        expected: areBlocks
          ? "'quantization_config' with 'quant_method': \"mxfp4\"" : "no 'quantization_config'",
        found: method.map { "'quant_method': \"\($0)\"" } ?? "none",
        hint: "weighbridge convert writes a configuration that says it"), stopsNothing: true)
  }
}
