import FileContainers
import ModelArchitectures
import TensorModel

/// How a checkpoint has the experts of its mixture, told by names.
struct ExpertSpellings {
  /// The spelling of most tensors, the published one where there are no experts; nil for families without.
  let spelling: Architecture.ExpertSpelling?
  /// A tensor of each, where there are several spellings.
  let rivals: [String]
  /// What is where, where there are several.
  private let distribution: Distribution

  /// What several spellings have of a model.
  private enum Distribution {
    /// All have the same: weights are there more than once.
    case twice
    /// Each has layers of its own.
    case byLayer
    /// Each has weights of its own in the same layers.
    case byWeight
  }

  /// Looks for tensors that only one spelling has.
  init(_ names: Set<ExactName>, _ architecture: Architecture) {
    let spellings = architecture.spellings
    guard spellings.count > 1 else {
      (spelling, rivals, distribution) = (spellings.first, [], .twice)
      return
    }
    var found: [(spelling: Architecture.ExpertSpelling, names: [ExactName])] = []
    var layers: [Set<String>] = []
    var weights: [Set<String>] = []
    for spelling in spellings {
      let forms = architecture.rows.filter { row in
        row.spelling == spelling && row.role.projection?.isOfExperts ?? false
      }.map { (form: Form($0.name), isDown: $0.role.projection == .expertDown) }
      var matching: [ExactName] = []
      var places: (layers: Set<String>, weights: Set<String>) = ([], [])
      for name in names {
        guard let kind = forms.first(where: { $0.form.matches(name.text) }) else { continue }
        matching.append(name)
        let layer = NumberedName(name.text).numbers.first ?? ""
        places.layers.insert(layer)
        // Gates and values stand together.
        places.weights.insert("\(layer) \(kind.isDown)")
      }
      guard !matching.isEmpty else { continue }
      found.append((spelling, matching))
      layers.append(places.layers)
      weights.append(places.weights)
    }
    spelling = (found.max { $0.names.count < $1.names.count })?.spelling ?? spellings.first
    rivals = found.count > 1 ? found.compactMap { $0.names.min()?.text } : []
    func areApart(_ sets: [Set<String>]) -> Bool {
      sets.reduce(0) { $0 + $1.count } == sets.reduce(into: Set()) { $0.formUnion($1) }.count
    }
    distribution = areApart(layers) ? .byLayer : areApart(weights) ? .byWeight : .twice
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
    let message =
      switch distribution {
      case .twice: "the experts are there twice, in two spellings"
      case .byLayer: "some layers have their experts in one spelling, others in another"
      case .byWeight: "some weights of the experts are in one spelling, others in another"
      }
    let hint =
      switch distribution {
      case .twice: "merging two checkpoints makes such files: make it again from one of them"
      case .byLayer, .byWeight:
        "a conversion that stopped half way makes such files: make it again from its source"
      }
    return ModelProblem(
      "expert-spellings",
      CheckpointError(
        .malformed, message, tensor: rivals[1], expected: "one spelling",
        found: "'\(rivals[0])' too", hint: hint))
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
    guard architecture.spellings.contains(.mxfp4), areBlocks != areSaidToBe, !areSeveral else {
      return nil
    }
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
        hint: "weighbridge convert writes a configuration that says what they are"),
      stopsNothing: true)
  }
}
