import FileContainers
import ModelArchitectures
import TensorModel

/// Tensors that a family's table doesn't ask for: what they are, and whether they show that configuration and weights don't belong together.
struct Strangers {
  private let architecture: Architecture
  private let layerCount: Int
  /// Layers behind the last that the configuration announces.
  private let furtherLayers: Int
  /// All names of the model as it is.
  private let known: Set<ExactName>
  /// All of the family, in any configuration, numbers zeroed.
  private let ofFamily: Set<String>
  private let isGGUF: Bool

  /// What a stranger is.
  enum Kind {
    /// A sign that something is wrong.
    case problem(ModelProblem)
    /// Nothing that changes what is computed.
    case finding(Finding)
    /// A part of layers that predict further tokens.
    case ofFurtherLayer
  }

  /// Strangers of a checkpoint.
  ///
  /// - Parameters:
  ///   - checkpoint: as it is stored.
  ///   - architecture: the family.
  ///   - dimensions: the sizes.
  ///   - expected: what the table has.
  ///   - furtherLayers: layers behind the last that predict further tokens.
  init(
    _ checkpoint: Checkpoint, _ architecture: Architecture, _ dimensions: Architecture.Dimensions,
    _ expected: [Architecture.Tensor], furtherLayers: Int
  ) {
    self.architecture = architecture
    self.furtherLayers = furtherLayers
    layerCount = dimensions.layers
    isGGUF = checkpoint.format == GGUFFormat.name
    var known = Set(expected.flatMap { $0.spellings.map { ExactName($0) } })
    if isGGUF, let table = architecture.gguf {
      // What the configuration has no place for keeps the file's own name.
      for tensor in expected {
        for role in tensor.row.role.ggufRoles {
          known.insert(ExactName(table.name(of: role, layer: tensor.layer, dimensions)))
        }
      }
    }
    self.known = known
    ofFamily = Set(architecture.rows.flatMap { [$0.name] + $0.aliases }.map(Architecture.zeroed))
  }

  /// Whether some model of the family has a tensor of that name.
  func isOfFamily(_ name: String) -> Bool { ofFamily.contains(NumberedName(name).zeroed) }

  /// What a tensor is that the table doesn't ask for.
  ///
  /// - Parameters:
  ///   - tensor: the stranger.
  ///   - file: that holds it.
  /// - Returns: what to say of it.
  func kind(of tensor: CanonicalTensor, in file: String?) -> Kind {
    let name = NumberedName(tensor.name)
    func problem(_ check: String, _ message: String, hint: String) -> Kind {
      .problem(
        ModelProblem(
          check, CheckpointError(.malformed, message, file: file, tensor: tensor.name, hint: hint)))
    }
    if known.contains(name.zeroing(1)) {
      return problem(
        "number-unknown", "there are more of them than the configuration has",
        hint: "do the configuration (number of experts, of heads) and the weights belong together?")
    }
    // A number that is too large for a layer's is none of the model's.
    let layer = name.numbers.first.map { Int($0) ?? .max } ?? 0
    if (layerCount..<layerCount + furtherLayers).contains(layer) { return .ofFurtherLayer }
    if layer >= layerCount, isOfFamily(tensor.name) || known.contains(ExactName(name.zeroed)) {
      return problem(
        "layer-unknown",
        "belongs to a layer that the configuration doesn't have: it has \(counted(layerCount, "layer"))",
        hint: "do the configuration (number of layers) and the weights belong together?")
    }
    if let family = Architectures.family(of: name.zeroed, isGGUF: isGGUF, besides: architecture) {
      return problem(
        "tensor-uncomputed",
        family == architecture.name
          ? "the family has such a tensor, but this configuration switches it off: it would not be computed with"
          : "models of the family '\(family)' compute with such a tensor, '\(architecture.name)' doesn't",
        hint: "do the configuration (model_type) and the weights belong together?")
    }
    return .finding(
      Finding(
        .warning, "tensor-unknown", "the family has no such tensor", file: file,
        tensor: tensor.name))
  }

  /// What is said of layers that predict further tokens.
  static func setAside(_ count: Int, _ first: String) -> Finding {
    Finding(
      .note, "part-set-aside",
      "\(counted(count, "tensor")) of layers that predict further tokens (num_nextn_predict_layers), which are copied and compared, but neither checked nor run",
      tensor: first)
  }
}

extension HuggingFaceConfiguration {
  /// Layers behind the last, which predict further tokens.
  fileprivate static let furtherLayersKey = "num_nextn_predict_layers"

  /// How many there are.
  var furtherLayers: Int {
    let count = document[Self.furtherLayersKey]?.integer ?? 0
    return (0..<1 << 12).contains(count) ? count : 0
  }
}
