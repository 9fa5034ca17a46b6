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
  /// Small differences between the graph and the model.
  let findings: [Finding]

  /// Finds the graph of a source's model.
  ///
  /// - Throws: `usage` without a configuration, `unsupported` with the reason where no graph computes the same.
  init(_ source: Source) throws(CheckpointError) {
    guard let bytes = try source.huggingFaceConfiguration() else {
      throw CheckpointError(
        .usage, "a GGUF file needs the model's configuration", file: source.path,
        hint: "pass its config.json with --config")
    }
    let parsed = try HuggingFaceConfiguration(parsing: bytes)
    configuration = try DecoderConfiguration(parsed)
    guard let architecture = parsed.architecture, let table = architecture.gguf else {
      throw CheckpointError(
        .unsupported, "llama.cpp has no graph for this family", found: configuration.family,
        hint: configuration.family == Architecture.gptNeo.name
          ? "GPT-Neo's attention is not scaled, and every other layer sees only so many tokens: no graph there does that"
          : nil)
    }
    self.architecture = architecture
    self.table = table
    findings = Self.differences(configuration)
    try requireSameAttention()
    try requireSameRest()
  }

  private func requireSameAttention() throws(CheckpointError) {
    let scale = 1 / Double(configuration.headWidth).squareRoot()
    guard configuration.attentionScales.allSatisfy({ $0 == scale }) else {
      throw inexpressible("attention scales that depend on the layer, or are none")
    }
    guard configuration.windows.allSatisfy({ $0 == nil }) || table.architecture == "llama" else {
      throw inexpressible("layers that see only so many tokens")
    }
    guard let rotary = configuration.rotary else { return }
    switch rotary.scaling {
    case .none, .linear: break
    case .llama3:
      guard table.architecture == "llama" else {
        throw inexpressible("rotary positions scaled by 'llama3' for this family")
      }
    case .yarn:
      throw CheckpointError(
        .unsupported, "rotary positions scaled by 'yarn' can't be written to GGUF yet",
        file: "config.json")
    case .dynamic:
      throw inexpressible("rotary positions scaled by 'dynamic', as the sequence's length has it")
    }
    guard table.architecture != "llama" || rotary.dimensions == configuration.headWidth else {
      throw inexpressible("rotary positions of a part of the head")
    }
  }

  private func requireSameRest() throws(CheckpointError) {
    let expected: [DecoderConfiguration.Activation] =
      switch table.architecture {
      case "llama", "qwen2": [.silu]
      case "gptneox": [.gelu, .geluTanh]
      default: [.geluTanh, .gelu]
      }
    guard expected.contains(configuration.activation) else {
      throw inexpressible("the activation '\(configuration.activation.rawValue)'")
    }
    if table.architecture == "gptneox",
      !configuration.dimensions.conditions.contains(.attentionBias)
    {
      throw inexpressible("attention without biases")
    }
  }

  private func inexpressible(_ what: String) -> CheckpointError {
    CheckpointError(
      .unsupported, "no graph of llama.cpp has \(what)", file: "config.json",
      found: "a model of the family '\(configuration.family)'")
  }

  private static func differences(_ configuration: DecoderConfiguration) -> [Finding] {
    var findings: [Finding] = []
    if configuration.activation == .gelu {
      findings.append(
        Finding(
          .note, "gguf-gelu",
          "llama.cpp computes GELU by tanh, the model by erf: values differ by less than 0.0005"))
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

  /// The keys that say how the graph is built.
  func entries(fileType: Int, name: String?) -> [(key: String, value: GGUFValue)] {
    let (dimensions, prefix) = (configuration.dimensions, table.architecture)
    var entries: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text(prefix)), ("general.type", .text("model")),
    ]
    if let name { entries.append(("general.name", .text(name))) }
    entries += [
      ("general.file_type", .count(fileType)), ("general.quantization_version", .count(2)),
      ("weighbridge.model_type", .text(architecture.name)),
      ("\(prefix).context_length", .count(configuration.positionLimit ?? 2048)),
      ("\(prefix).embedding_length", .count(dimensions.model)),
      ("\(prefix).block_count", .count(dimensions.layers)),
      ("\(prefix).feed_forward_length", .count(dimensions.inner)),
      ("\(prefix).attention.head_count", .count(configuration.heads)),
      ("\(prefix).attention.head_count_kv", .count(configuration.keyHeads)),
      ("\(prefix).vocab_size", .count(dimensions.vocabulary)),
    ]
    switch configuration.norm {
    case .layer(let epsilon):
      entries.append(("\(prefix).attention.layer_norm_epsilon", .number(epsilon)))
    case .rootMeanSquare(let epsilon):
      entries.append(("\(prefix).attention.layer_norm_rms_epsilon", .number(epsilon)))
    }
    if configuration.heads * configuration.headWidth != dimensions.model {
      entries += [
        ("\(prefix).attention.key_length", .count(configuration.headWidth)),
        ("\(prefix).attention.value_length", .count(configuration.headWidth)),
      ]
    }
    if let window = configuration.windows.compactMap({ $0 }).first {
      entries.append(("\(prefix).attention.sliding_window", .count(window)))
    }
    if let rotary = configuration.rotary {
      entries += [
        ("\(prefix).rope.dimension_count", .count(rotary.dimensions)),
        ("\(prefix).rope.freq_base", .number(rotary.base)),
      ]
      entries += GGUFRotaryKeys.entries(rotary.scaling, prefix)
    }
    if table.architecture == "gptneox" {
      entries.append(
        ("\(prefix).use_parallel_residual", .bool(configuration.residual != .sequential)))
    }
    return entries
  }
}
