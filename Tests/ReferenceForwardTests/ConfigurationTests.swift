import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// What `config.json` says about how a model computes.
@Suite struct ConfigurationTests {
  private func parsed(_ text: String) throws(CheckpointError) -> DecoderConfiguration {
    try DecoderConfiguration(HuggingFaceConfiguration(parsing: Array(text.utf8)))
  }

  private func parsed(_ object: [String: Any]) throws -> DecoderConfiguration {
    let data = try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
    return try parsed(String(decoding: data, as: UTF8.self))
  }

  // MARK: Published ones

  @Test func readsGPTJ() throws {
    let read = try parsed(Published.gptJ)
    #expect(read.family == "gptj")
    #expect(read.dimensions.layers == 28 && read.dimensions.model == 4096)
    #expect(read.dimensions.inner == 16384 && read.dimensions.vocabulary == 50400)
    #expect(read.heads == 16 && read.keyHeads == 16 && read.headWidth == 256)
    #expect(read.dimensions.conditions.contains(.untiedHead))
    #expect(read.residual == .parallel && read.activation == .geluTanh)
    #expect(read.norm == .layer(epsilon: 1e-5))
    #expect(read.rotary?.dimensions == 64 && read.rotary?.layout == .interleaved)
    #expect(read.attentionScales == Array(repeating: 1 / 16, count: 28))
    #expect(read.windows.allSatisfy { $0 == nil })
    #expect(read.positionLimit == 2048)
  }

  @Test func readsPythia() throws {
    let read = try parsed(Published.pythia)
    #expect(read.family == "gpt_neox")
    #expect(read.dimensions.layers == 12 && read.dimensions.model == 768)
    #expect(read.dimensions.inner == 3072 && read.dimensions.vocabulary == 50304)
    #expect(read.residual == .parallelWithTwoNorms && read.activation == .gelu)
    #expect(read.rotary?.dimensions == 16 && read.rotary?.layout == .halves)
    #expect(read.fusedOrder == .byHead)
    #expect(read.dimensions.conditions == [.untiedHead, .attentionBias])
  }

  @Test func readsGPTNeoX20B() throws {
    let read = try parsed(Published.gptNeoX20B)
    #expect(read.dimensions.layers == 44 && read.heads == 64 && read.headWidth == 96)
    #expect(read.rotary?.dimensions == 24 && read.activation == .geluTanh)
  }

  @Test func readsLlama3() throws {
    let read = try parsed(Published.llama3)
    #expect(read.family == "llama")
    #expect(read.heads == 32 && read.keyHeads == 8 && read.headWidth == 128)
    #expect(read.dimensions.queries == 4096 && read.dimensions.keys == 1024)
    #expect(read.norm == .rootMeanSquare(epsilon: 1e-5) && read.activation == .silu)
    #expect(read.residual == .sequential)
    let frequencies = try #require(read.rotary?.frequencies)
    #expect(frequencies.count == 64 && frequencies[0] == 1)
    #expect(abs(frequencies[1] - pow(500000, -1.0 / 64)) < 1e-15)
    #expect(read.dimensions.conditions == [.untiedHead])
  }

  @Test func readsLlama31sScaling() throws {
    let read = try parsed(Published.llama31)
    let frequencies = try #require(read.rotary?.frequencies)
    // The fastest are as they were, the slowest eight times slower, and none in between is beyond.
    for (index, frequency) in frequencies.enumerated() {
      let plain = pow(500000, -Double(index) / 64)
      let wavelength = 2 * Double.pi / plain
      let ratio = plain / frequency
      if wavelength < 2048 { #expect(abs(ratio - 1) < 1e-12) }
      if wavelength > 8192 { #expect(abs(ratio - 8) < 1e-12) }
      #expect(ratio > 0.999_999 && ratio < 8.000_001)
    }
    #expect(read.rotary?.factor == 1)
  }

  @Test func readsMistral() throws {
    let read = try parsed(Published.mistral)
    #expect(read.family == "mistral")
    #expect(read.keyHeads == 8 && read.dimensions.inner == 14336)
    #expect(read.windows == Array(repeating: 4096, count: 32))
    let later = try parsed(
      Published.mistral.replacing("\"sliding_window\": 4096", with: "\"sliding_window\": null"))
    #expect(later.windows.allSatisfy { $0 == nil })
  }

  @Test func readsQwen2() throws {
    let read = try parsed(Published.qwen2)
    #expect(read.family == "qwen2")
    #expect(read.heads == 14 && read.keyHeads == 2 && read.headWidth == 64)
    // Biases of queries, keys and values; the head is the embedding; the window is switched off.
    #expect(read.dimensions.conditions == [.attentionBias])
    #expect(read.windows.allSatisfy { $0 == nil })
  }

  @Test func qwen2sWindowBeginsAfterTheFirstLayers() throws {
    let text = Published.qwen2.replacing(
      "\"use_sliding_window\": false", with: "\"use_sliding_window\": true")
    let windows = try parsed(text).windows
    #expect(windows.prefix(21).allSatisfy { $0 == nil })
    #expect(windows.suffix(3).allSatisfy { $0 == 131072 })
  }

  @Test func qwen2sWindowMayBeginAtTheFirstLayer() throws {
    let text = Published.qwen2
      .replacing("\"use_sliding_window\": false", with: "\"use_sliding_window\": true")
      .replacing("\"max_window_layers\": 21", with: "\"max_window_layers\": 0")
    #expect(try parsed(text).windows == Array(repeating: 131072, count: 24))
  }

  // MARK: What isn't known

  static let unknown: [(String, String)] = [
    ("gptj", "alibi"), ("gpt2", "position_embedding_type"), ("gpt_neo", "qk_norm"),
    ("gpt_neox", "use_something_new"), ("llama", "logit_scale"), ("mistral_window", "softcap"),
    ("qwen2_tied", "moe_layers"),
  ]

  /// What transformers' class doesn't read can't change the model.
  @Test(arguments: unknown)
  func anUnknownSettingChangesNothing(name: String, key: String) throws {
    var configuration = try ModelSample(name).configuration
    let plain = try parsed(configuration)
    configuration[key] = 7
    #expect(try parsed(configuration) == plain)
    let bytes = try JSONSerialization.data(withJSONObject: configuration)
    let findings = try HuggingFaceConfiguration(parsing: Array(bytes)).findings
    #expect(findings.map(\.check) == ["unknown-setting"])
    #expect(findings.first?.severity == .note && findings.first?.message.contains(key) == true)
  }

  static let unsupported: [(String, String, String)] = [
    ("gptj", "activation_function", "relu6"), ("gpt_neox", "hidden_act", "mish"),
    ("llama", "hidden_act", "xielu"), ("gpt_neo", "attention_types", "all"),
    ("llama", "model_type", "jamba"),
  ]

  @Test(arguments: unsupported)
  func aValueThatIsNotKnownIsNamed(name: String, key: String, value: String) throws {
    var configuration = try ModelSample(name).configuration
    configuration["attention_layers"] = nil
    configuration[key] = value
    let error = failure { try parsed(configuration) }
    #expect(error?.code == .unsupported)
    #expect(error?.summary.contains(key == "model_type" ? value : key) == true)
  }

  @Test func aFractionOfAHeadThatFitsNoIntegerIsAnError() throws {
    var configuration = try ModelSample("gpt_neox").configuration
    configuration["rope_parameters"] = ["rope_type": "default", "partial_rotary_factor": 1e300]
    let error = failure { try parsed(configuration) }
    #expect(
      error?.code == .unsupported
        && error?.summary.contains("rope_parameters.partial_rotary_factor") == true)
    configuration["rope_parameters"] = ["rope_type": "default"]
    configuration["rotary_pct"] = 1e300
    let older = failure { try parsed(configuration) }
    #expect(older?.code == .unsupported && older?.summary.contains("'rotary_pct'") == true)
  }

  @Test(arguments: [["local"], []])
  func moreAttentionTypesThanLayersAreAnError(types: [String]) throws {
    var configuration = try ModelSample("gpt_neo").configuration
    configuration["attention_layers"] = nil
    configuration["attention_types"] = [[types, 3] as [Any], [types, 3]]
    #expect(failure { try parsed(configuration) }?.code == .unsupported)
  }

  @Test(arguments: ["su", "mrope", "ntk"])
  func scalingThatIsNotKnownIsNamed(kind: String) throws {
    var configuration = try ModelSample("llama").configuration
    configuration["rope_parameters"] = ["rope_type": kind, "rope_theta": 10000, "factor": 2]
    let error = failure { try parsed(configuration) }
    #expect(error?.code == .unsupported)
    #expect(error?.found?.contains(kind) == true)
  }

  static let impossible: [(String, String, any Sendable)] = [
    ("gptj", "n_head", 0), ("gptj", "n_head", 3), ("gptj", "rotary_dim", 7),
    ("gptj", "rotary_dim", 1000), ("gptj", "n_layer", 1 << 20), ("gpt2", "n_embd", "wide"),
    ("gpt2", "n_head", 7), ("gpt_neo", "num_heads", 5), ("gpt_neox", "num_attention_heads", 7),
    ("llama", "num_key_value_heads", 3), ("llama", "rms_norm_eps", "small"),
    ("llama", "tie_word_embeddings", 1), ("mistral_window", "sliding_window", "none"),
    ("llama", "head_dim", 1 << 30), ("llama", "num_attention_heads", 1 << 30),
    ("llama", "num_key_value_heads", 1 << 30), ("gptj", "n_embd", 1 << 29),
  ]

  @Test(arguments: impossible.indices)
  func aValueThatCantBeRightIsAnError(index: Int) throws {
    let (name, key, value) = Self.impossible[index]
    var configuration = try ModelSample(name).configuration
    configuration[key] = value
    let error = failure { try parsed(configuration) }
    #expect(error != nil, "\(name) \(key): \(value)")
  }
}
