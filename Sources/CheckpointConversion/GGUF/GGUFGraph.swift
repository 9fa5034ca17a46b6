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
  /// The family that the file is of.
  private let family: String
  /// Its `config.json`.
  private let document: [UInt8]
  /// Small differences between the graph and the model.
  let findings: [Finding]

  /// Finds the graph of a source's model.
  ///
  /// - Throws: `usage` without a configuration, `unsupported` with the reason where no graph computes the same.
  init(_ source: Source) throws(CheckpointError) {
    try Self.requireGraph(source)
    let (document, decoder) = try source.computation(for: "a GGUF file")
    // Of models with other parts the language model alone is in the file.
    let written = document.languageModel ?? document
    self.document = written.ofValues
    family = written.modelType ?? ""
    configuration = decoder
    guard let architecture = document.architecture, let table = architecture.gguf else {
      throw Self.missingGraph(document.architecture, configuration.family)
    }
    self.architecture = architecture
    self.table = table
    findings = Self.differences(configuration, table.windows)
    try requireSameAttention()
    try requireSameRest()
  }

  /// Stops at families without a table of their files, whatever else is wrong with them.
  private static func requireGraph(_ source: Source) throws(CheckpointError) {
    guard let bytes = try source.huggingFaceConfiguration(),
      let architecture = try HuggingFaceConfiguration(parsing: bytes).architecture,
      architecture.gguf == nil
    else { return }
    throw missingGraph(architecture, architecture.name)
  }

  private static func missingGraph(
    _ architecture: Architecture?, _ family: String
  ) -> CheckpointError {
    let isKnownLess = architecture?.isOfSizesOnly ?? false
    let reason = architecture?.missingFromGGUF.map { "\($0): no graph there does that. " }
    return CheckpointError(
      .unsupported,
      isKnownLess
        ? "GGUF isn't written for this family, of which only the tensors are known here"
        : "llama.cpp has no graph for this family", found: family,
      hint: "\(reason ?? "")A store keeps the model as it is: --to store")
  }

  private func requireSameAttention() throws(CheckpointError) {
    let isShared = table.sharedScaleLayerCount == configuration.dimensions.layers
    let width =
      isShared
      ? configuration.dimensions.model / configuration.heads : configuration.headWidth
    let scale = 1 / Double(width).squareRoot()
    let isScaled = table.keys.contains { $0.meaning == .attentionScale }
    let scales = Set(configuration.attentionScales)
    guard scales.count == 1 else {
      throw inexpressible("attention scales that depend on the layer, or that aren't there")
    }
    guard isScaled || scales == [scale] else {
      throw inexpressible(
        "attention scales other than 1 / √\(width) (query_pre_attn_scalar) for this model")
    }
    guard configuration.windows.allSatisfy({ $0 == nil }) || table.windows != .none else {
      throw inexpressible("layers with a window, which see only the last tokens, for this family")
    }
    guard !table.needsWindow || configuration.windows.contains(where: { $0 != nil }) else {
      throw unfulfilled("a layer with a window (layer_types)")
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
    case .yarn: break
    case .longrope:
      guard table.hasLongrope else {
        throw inexpressible("rotary positions scaled by 'longrope' for this family")
      }
    case .dynamic:
      throw inexpressible("rotary positions scaled by 'dynamic', as the sequence's length has it")
    }
    if let sliding = configuration.slidingRotary, sliding.scaling != .none {
      throw inexpressible("scaled rotary positions in layers with a window")
    }
    guard rotary.dimensions % 2 == 0 else {
      throw inexpressible("rotary positions of an odd number of dimensions")
    }
    guard table.rotatesParts || rotary.dimensions == configuration.headWidth else {
      throw inexpressible("rotary positions of a part of the head")
    }
  }

  private func requireSameRest() throws(CheckpointError) {
    guard table.activations.contains(configuration.activation) else {
      throw inexpressible("the activation '\(configuration.activation.rawValue)'")
    }
    let conditions = configuration.dimensions.conditions
    guard table.requirements.isSubset(of: conditions) else {
      throw unfulfilled("biases (attention_bias, use_bias)")
    }
    let excluded = table.exclusions.intersection(conditions).map(\.inexpressibleText).sorted()
    guard excluded.isEmpty else {
      throw inexpressible("\(excluded.joined(separator: " or ")) for this family")
    }
    guard configuration.dimensions.denseLayers.isEmpty else {
      throw inexpressible(
        "layers without experts (mlp_only_layers, decoder_sparse_step, num_experts) for this family"
      )
    }
    guard configuration.experts?.weighting == table.expertWeighting else {
      throw inexpressible("experts weighted so (norm_topk_prob) for this family")
    }
    guard configuration.experts?.clampedGate == table.clampedGate else {
      throw inexpressible("experts' gates cut at other numbers (swiglu_alpha, swiglu_limit)")
    }
    let caps: [(GGUFSetting.Meaning, Double?, String)] = [
      (.scoreCap, configuration.scoreCap, "attn_logit_softcapping"),
      (.logitCap, configuration.logitCap, "final_logit_softcapping"),
    ]
    for (meaning, cap, setting) in caps {
      let hasKey = table.keys.contains { $0.meaning == meaning }
      guard cap != nil || !table.alwaysCaps, cap == nil || hasKey else {
        throw cap == nil
          ? unfulfilled("a cap (\(setting))") : inexpressible("a cap (\(setting)) for this family")
      }
    }
    // What the graph multiplies embeddings with by itself is left out.
    let root = Double(configuration.dimensions.model).squareRoot()
    let embedding = configuration.embeddingFactor / (table.scalesEmbeddings ? root : 1)
    let factors: [(GGUFSetting.Meaning, Double)] = [
      (.embeddingFactor, embedding),
      (.residualFactor, configuration.residualFactor), (.logitDivisor, configuration.logitDivisor),
    ]
    guard
      factors.allSatisfy({ factor in
        factor.1 == 1 || table.keys.contains { $0.meaning == factor.0 }
      })
    else { throw inexpressible("factors of embeddings, residuals or logits for this family") }
    try requireNonzeroFactors()
  }

  /// A factor of 0 among the keys is none to llama.cpp: it computes as if the key weren't there.
  private func requireNonzeroFactors() throws(CheckpointError) {
    let factors: [(GGUFSetting.Meaning, Double)] = [
      (.attentionScale, configuration.attentionScales.first ?? 1),
      (.embeddingFactor, configuration.embeddingFactor),
      (.residualFactor, configuration.residualFactor),
    ]
    for (meaning, factor) in factors {
      guard let key = table.keys.first(where: { $0.meaning == meaning }) else { continue }
      guard Float(factor) != 0 else {
        throw inexpressible("a factor of 0 (\(key.setting ?? key.key)), which it takes for none")
      }
    }
  }

  private func inexpressible(_ what: String) -> CheckpointError {
    refusal("no graph of llama.cpp has \(what)")
  }

  private func unfulfilled(_ what: String) -> CheckpointError {
    refusal("llama.cpp's graph of this family always has \(what)")
  }

  private func refusal(_ message: String) -> CheckpointError {
    CheckpointError(
      .unsupported, message, file: "config.json",
      found: "a model of the family '\(configuration.family)'",
      hint: "a store keeps the model as it is: --to store")
  }

  private static func differences(
    _ configuration: DecoderConfiguration, _ windows: GGUFTable.Windows
  ) -> [Finding] {
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
    if case .yarn(let scaling) = configuration.rotary?.scaling, !scaling.truncates {
      findings.append(
        Finding(
          .warning, "gguf-yarn",
          "llama.cpp always rounds yarn's range to whole dimensions (truncate: true), the model doesn't: results differ"
        ))
    }
    if configuration.addsOneToNorms {
      findings.append(
        Finding(
          .note, "gguf-norms",
          "norm weights are written as 1 + weight in F32, which rounds what is small; the certificate says by how much"
        ))
    }
    if windows == .ignored, let window = configuration.windows.compactMap({ $0 }).first {
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
      (GGUFConfiguration.familyKey, .text(family)),
      (GGUFConfiguration.documentKey, .text(String(decoding: document, as: UTF8.self))),
    ] + table.entries(of: configuration)
  }
}

extension Architecture.Condition {
  /// What a graph hasn't got, with the settings that ask for it.
  fileprivate var inexpressibleText: String {
    switch self {
    case .attentionBias: "biases of the attention (attention_bias, bias)"
    case .feedForwardBias: "biases of the feed-forward layer (mlp_bias)"
    case .untiedHead: "a head of its own (tie_word_embeddings false)"
    case .secondNorm:
      "layers whose feed-forward part comes after the attention (parallel_attn false)"
    default: "'\(rawValue)'"
    }
  }
}
