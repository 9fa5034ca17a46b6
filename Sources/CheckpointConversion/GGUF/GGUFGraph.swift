import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// A model as one of llama.cpp's graphs: which one, with which settings, and what is known to differ.
struct GGUFGraph {
  /// The family.
  let architecture: Architecture
  /// Its layout in GGUF files.
  let table: GGUFTable
  /// How the model computes.
  let configuration: DecoderConfiguration
  /// Its `config.json`.
  private let document: [UInt8]
  /// Small differences between the graph and the model.
  let findings: [Finding]

  /// Finds the graph of a source's model.
  ///
  /// - Throws: `usage` without a configuration, `unsupported` with the reason where no graph computes the same.
  init(_ source: Source) throws(CheckpointError) {
    let (document, decoder) = try source.computation(for: "a GGUF file")
    self.document = document.bytes
    configuration = decoder
    guard let architecture = document.architecture, let table = architecture.gguf else {
      let reason = document.architecture?.missingFromGGUF.map {
        "\($0): no graph there does that. "
      }
      throw CheckpointError(
        .unsupported, "llama.cpp has no graph for this family", found: configuration.family,
        hint: "\(reason ?? "")A store keeps the model as it is: --to store")
    }
    self.architecture = architecture
    self.table = table
    findings = Self.differences(configuration)
    try requireSameAttention()
    try requireSameRest()
  }

  private func requireSameAttention() throws(CheckpointError) {
    let scale = 1 / Double(configuration.headWidth).squareRoot()
    let isScaled = table.keys.contains { $0.meaning == .attentionScale }
    let wanted = isScaled ? configuration.attentionScales.first ?? scale : scale
    guard configuration.attentionScales.allSatisfy({ $0 == wanted }) else {
      throw inexpressible("attention scales that depend on the layer, or are none")
    }
    guard configuration.windows.allSatisfy({ $0 == nil }) || table.windows != .none else {
      throw inexpressible("layers with a window, which see only so many tokens, for this family")
    }
    guard table.hasSlopes == (configuration.positionSlopes != nil) else {
      throw inexpressible("positions added to scores (alibi) for this family")
    }
    let rotated = configuration.rotatedLayers.indices.map { layer in
      table.unrotatedPeriod.map { (layer + 1) % $0 != 0 } ?? true
    }
    guard configuration.rotatedLayers == rotated else {
      throw inexpressible("rotary positions in these layers only (no_rope_layers)")
    }
    guard let rotary = configuration.rotary else { return }
    switch rotary.scaling {
    case .none, .linear: break
    case .llama3:
      guard table.hasRotaryDivisors else {
        throw inexpressible("rotary positions scaled by 'llama3' for this family")
      }
    case .yarn:
      throw CheckpointError(
        .unsupported, "rotary positions scaled by 'yarn' can't be written to GGUF yet",
        file: "config.json", hint: "a store keeps the model as it is: --to store")
    case .longrope:
      throw CheckpointError(
        .unsupported, "rotary positions scaled by 'longrope' can't be written to GGUF yet",
        file: "config.json", hint: "a store keeps the model as it is: --to store")
    case .dynamic:
      throw inexpressible("rotary positions scaled by 'dynamic', as the sequence's length has it")
    }
    guard table.rotatesParts || rotary.dimensions == configuration.headWidth else {
      throw inexpressible("rotary positions of a part of the head")
    }
  }

  private func requireSameRest() throws(CheckpointError) {
    guard table.activations.contains(configuration.activation) else {
      throw inexpressible("the activation '\(configuration.activation.rawValue)'")
    }
    guard table.requirements.isSubset(of: configuration.dimensions.conditions) else {
      throw inexpressible("projections without biases (attention_bias, use_bias) for this family")
    }
    guard table.exclusions.isDisjoint(with: configuration.dimensions.conditions) else {
      throw inexpressible("biases (attention_bias, mlp_bias) for this family")
    }
    let factors: [(GGUFSetting.Meaning, Double)] = [
      (.embeddingFactor, configuration.embeddingFactor),
      (.residualFactor, configuration.residualFactor), (.logitDivisor, configuration.logitDivisor),
    ]
    guard
      factors.allSatisfy({ factor in
        factor.1 == 1 || table.keys.contains { $0.meaning == factor.0 }
      })
    else { throw inexpressible("factors of embeddings, residuals or logits for this family") }
  }

  private func inexpressible(_ what: String) -> CheckpointError {
    CheckpointError(
      .unsupported, "no graph of llama.cpp has \(what)", file: "config.json",
      found: "a model of the family '\(configuration.family)'",
      hint: "a store keeps the model as it is: --to store")
  }

  private static func differences(_ configuration: DecoderConfiguration) -> [Finding] {
    var findings: [Finding] = []
    switch configuration.activation {
    case .gelu:
      findings.append(
        Finding(
          .note, "gguf-gelu",
          "llama.cpp computes GELU by tanh, the model by erf: values differ by less than 0.0005"))
    case .geluTanh:
      findings.append(
        Finding(
          .note, "gguf-gelu",
          "llama.cpp takes GELU from a table of 16-bit floats: log-probabilities differ by up to 0.01"
        ))
    case .silu, .relu: break
    }
    if let window = configuration.windows.compactMap({ $0 }).first {
      findings.append(
        Finding(
          .warning, "gguf-window",
          "llama.cpp has no sliding window for this graph: beyond \(window) tokens results differ"))
    }
    return findings
  }

  // MARK: Metadata

  /// The keys that say how the graph is built, and those that bring the source's configuration back.
  func entries(fileType: Int, name: String?) -> [(key: String, value: GGUFValue)] {
    var entries: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text(table.architecture)), ("general.type", .text("model")),
    ]
    if let name { entries.append(("general.name", .text(name))) }
    return entries + [
      ("general.file_type", .count(fileType)), ("general.quantization_version", .count(2)),
      (GGUFConfiguration.familyKey, .text(architecture.name)),
      (GGUFConfiguration.documentKey, .text(String(decoding: document, as: UTF8.self))),
    ] + table.entries(of: configuration)
  }
}
