import CheckpointFormats
import ModelArchitectures
import TensorModel

/// One of mlx-lm's models: what it calls its tensors, and what it can compute.
///
/// The list is in `MLXModels.swift`; facts are those of mlx-lm 0.32.
struct MLXModel: Sendable {
  /// The family whose weights it takes.
  let family: String
  /// The name of its file in mlx_lm/models, `model_type`.
  let modelType: String
  /// Parts of Hugging Face's names, and what replaces them, one after the other.
  let names: [(from: String, to: String)]
  /// The keys that it is built from, each with what it says.
  let keys: [(key: String, meaning: Meaning)]
  /// Activations that it computes; of GELU always the form with tanh.
  let activations: Set<DecoderConfiguration.Activation>
  /// What the configuration must say of tensors that it always has.
  var requirements: Set<Architecture.Condition> = []
  /// Whether the feed-forward layer is four times as wide as the model, whatever the configuration says.
  var isFourfold = false
  /// What a tied head is: a tensor of its own, or nothing at all (nil), where it can't have another.
  var head = Head.asConfigured
  /// Whether rotary positions can be scaled.
  var scales = false
  /// Rows of queries and keys by halves of what is rotated, where the family has pairs.
  var pairsHalves = false
  /// Projections with biases that the family doesn't have.
  var zeroBiases: [DecoderRole.Projection] = []

  /// How it makes logits.
  enum Head: Sendable {
    /// With a head of its own, or the embedding's weights.
    case asConfigured
    /// Always with a head of its own, which repeats the embedding where the model's is tied.
    case own
    /// Always with the embedding's weights.
    case embedding
  }

  /// What a key of the configuration says.
  enum Meaning: Sendable {
    case layers, model, inner, vocabulary, positions, heads, keyHeads, headWidth
    case epsilon, rotaryBase, rotaryDimensions, rotaryFraction, parallelResidual
    case isTied, hasAttentionBias, hasFeedForwardBias
  }

  /// The name of a tensor of the family's table.
  func name(of tensor: String) -> String {
    names.reduce(tensor) { $0.replacing($1.from, with: $1.to) }
  }
}

/// A source's model as mlx-lm computes it.
struct MLXGraph {
  /// Which of mlx-lm's models.
  let model: MLXModel
  /// The family.
  let architecture: Architecture
  /// How the model computes.
  let configuration: DecoderConfiguration
  /// Its `config.json`.
  let document: HuggingFaceConfiguration
  /// Differences between what mlx-lm computes and the model.
  let findings: [Finding]

  /// Finds the model.
  ///
  /// - Throws: `usage` without a configuration, `unsupported` with the reason where none computes the same.
  init(_ source: Source) throws(CheckpointError) {
    let (document, decoder) = try source.computation(for: "a checkpoint for MLX")
    let candidates = MLXModel.all.filter { $0.family == decoder.family }
    guard let architecture = document.architecture, let first = candidates.first else {
      throw CheckpointError(
        .unsupported, "how mlx-lm has this family isn't known here",
        expected: Set(MLXModel.all.map(\.family)).sorted().joined(separator: ", "),
        found: decoder.family,
        hint: "schemes of GGUF and for vLLM take it: weighbridge quantize --help")
    }
    let isFourfold = decoder.dimensions.inner == 4 * decoder.dimensions.model
    model = candidates.first { isFourfold || !$0.isFourfold } ?? first
    self.architecture = architecture
    self.document = document
    configuration = decoder
    findings = Self.differences(decoder)
    try requireSame()
  }

  private func requireSame() throws(CheckpointError) {
    let dimensions = configuration.dimensions
    guard !model.isFourfold || dimensions.inner == 4 * dimensions.model else {
      throw inexpressible(
        "a feed-forward layer of another width than four times the model's, \(4 * dimensions.model)",
        found: "\(dimensions.inner)")
    }
    let scale = 1 / Double(configuration.headWidth).squareRoot()
    guard configuration.attentionScales.allSatisfy({ $0 == scale }) else {
      throw inexpressible("attention scales other than 1 / √\(configuration.headWidth)")
    }
    guard model.activations.contains(configuration.activation) else {
      throw inexpressible("this activation", found: configuration.activation.rawValue)
    }
    guard model.requirements.isSubset(of: dimensions.conditions) else {
      throw inexpressible("projections without biases")
    }
    guard model.head != .embedding || !dimensions.conditions.contains(.untiedHead) else {
      throw inexpressible("a head of its own (tie_word_embeddings: false)")
    }
    guard configuration.rotary.map({ $0.dimensions % 2 == 0 }) ?? true else {
      throw inexpressible("rotary positions of an odd number of dimensions")
    }
    switch configuration.rotary?.scaling {
    case nil, .some(.none): break
    case .linear, .llama3:
      guard model.scales else { throw inexpressible("scaled rotary positions") }
    case .yarn, .dynamic, .longrope:
      throw inexpressible("rotary positions scaled as here (rope_type)")
    }
    guard configuration.rotatedLayers.allSatisfy({ $0 }) else {
      throw inexpressible("rotary positions in some layers only")
    }
  }

  private func inexpressible(_ what: String, found: String? = nil) -> CheckpointError {
    CheckpointError(
      .unsupported, "mlx-lm's '\(model.modelType)' can't have \(what)", file: "config.json",
      found: found, hint: "a store keeps the model as it is: --to store")
  }

  private static func differences(_ configuration: DecoderConfiguration) -> [Finding] {
    var findings: [Finding] = []
    if configuration.activation == .gelu {
      findings.append(
        Finding(
          .warning, "mlx-gelu",
          "mlx-lm computes GELU by tanh, the model by erf: logits differ by about 0.001"))
    }
    if let window = configuration.windows.compactMap({ $0 }).first {
      findings.append(
        Finding(
          .warning, "mlx-window",
          "mlx-lm has no sliding window for this model: beyond \(window) tokens results differ"))
    }
    return findings
  }
}
