import FileContainers
import Foundation
public import TensorModel

extension DecoderConfiguration {
  /// Reads Hugging Face's `config.json`.
  ///
  /// - Throws: `unsupported` for families and settings that aren't known; `usage` for values that can't be right.
  public init(_ configuration: HuggingFaceConfiguration) throws(CheckpointError) {
    var settings = SettingsReader(configuration.document)
    let family = try settings.text("model_type", default: "")
    switch family {
    case "gptj": try self.init(gptj: &settings)
    case "gpt2": try self.init(gpt2: &settings)
    case "gpt_neo": try self.init(gptNeo: &settings)
    case "gpt_neox": try self.init(gptNeoX: &settings)
    case "llama", "mistral", "qwen2": try self.init(llama: &settings, family)
    default:
      throw CheckpointError(
        .unsupported, "the forward pass doesn't know this family", file: "config.json",
        expected: Architectures.all.map(\.name).joined(separator: ", "),
        found: family.isEmpty ? "no model_type" : family)
    }
    try settings.expectNothingElse(harmless: Self.harmless)
    // Where queries don't say how wide they are, the heads share the model's width.
    guard dimensions.model == heads * headWidth || dimensions.queries == heads * headWidth,
      headWidth > 0, heads % keyHeads == 0
    else {
      throw CheckpointError(
        .usage, "the configuration's heads don't divide", file: "config.json",
        found: "\(heads) heads, \(keyHeads) of keys, width \(dimensions.model)")
    }
  }

  /// What only training, generation, classification or other software looks at.
  private static let harmless: Set<String> = [
    "_name_or_path", "_attn_implementation", "_attn_implementation_autoset", "architectures",
    "attention_dropout", "attention_probs_dropout_prob", "attn_implementation", "attn_pdrop",
    "auto_map", "bos_token_id",
    "chunk_size_feed_forward", "classifier_dropout", "decoder_start_token_id", "dtype",
    "embd_pdrop", "embed_dropout", "eos_token_id", "finetuning_task", "gradient_checkpointing",
    "hidden_dropout", "hidden_dropout_prob", "id2label", "initializer_range", "is_decoder",
    "label2id", "n_ctx",
    "output_attentions", "output_hidden_states", "pad_token_id", "predict_special_tokens",
    "pretraining_tp", "problem_type", "reorder_and_upcast_attn", "resid_dropout", "resid_pdrop",
    "return_dict", "rotary", "sep_token_id", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params",
    "tokenizer_class", "torch_dtype", "torchscript", "transformers_version", "use_bfloat16",
    "use_cache", "unk_token_id", "cls_token_id", "mask_token_id", "tie_encoder_decoder",
  ]

  private init(
    family: String, dimensions: Architecture.Dimensions, heads: Int, keyHeads: Int? = nil,
    headWidth: Int, norm: Norm, residual: Residual, activation: Activation, positionLimit: Int
  ) {
    self.family = family
    self.dimensions = dimensions
    self.heads = heads
    self.keyHeads = keyHeads ?? heads
    self.headWidth = headWidth
    self.norm = norm
    self.residual = residual
    self.activation = activation
    self.positionLimit = positionLimit
    attentionScales = Array(
      repeating: 1 / Double(headWidth).squareRoot(), count: dimensions.layers)
    windows = Array(repeating: nil, count: dimensions.layers)
  }

  private init(gptj settings: inout SettingsReader) throws(CheckpointError) {
    let model = try settings.count(
      "n_embd", default: 4096, below: Architecture.Dimensions.widthLimit)
    let heads = try settings.count("n_head", default: 16, below: Architecture.Dimensions.headLimit)
    let limit = try settings.count("n_positions", default: 2048)
    let width = model / heads
    let conditions = try Self.headCondition(&settings, isTied: false)
    self.init(
      family: "gptj",
      dimensions: Architecture.Dimensions(
        layers: try settings.count(
          "n_layer", default: 28, below: Architecture.Dimensions.layerLimit), model: model,
        inner: try settings.count("n_inner", default: 4 * model),
        vocabulary: try settings.count("vocab_size", default: 50400), conditions: conditions),
      heads: heads, headWidth: width,
      norm: .layer(epsilon: try settings.number("layer_norm_epsilon", default: 1e-5)),
      residual: .parallel,
      activation: try Self.activation(&settings, "activation_function", default: "gelu_new"),
      positionLimit: limit)
    // Published with the weights of GPT-J, whose code has always scaled.
    guard try settings.flag("scale_attn_weights", default: true) else {
      throw settings.unsupported("scale_attn_weights", expected: "true")
    }
    let rotated = try settings.count("rotary_dim", default: min(64, width))
    guard rotated <= width, rotated % 2 == 0 else {
      throw CheckpointError(
        .usage, "rotary dimensions come in pairs within a head", file: "config.json",
        found: "'rotary_dim': \(rotated), a head has \(width)")
    }
    let frequencies = Rotary.frequencies(rotated, 10000)
    rotary = Rotary(
      dimensions: rotated, layout: .interleaved, base: 10000, frequencies: frequencies,
      unscaledFrequencies: frequencies, factor: 1)
  }

  private init(gpt2 settings: inout SettingsReader) throws(CheckpointError) {
    let model = try settings.count(
      "n_embd", default: 768, below: Architecture.Dimensions.widthLimit)
    let heads = try settings.count("n_head", default: 12, below: Architecture.Dimensions.headLimit)
    let limit = try settings.count("n_positions", default: 1024)
    let conditions = try Self.headCondition(&settings, isTied: true)
    self.init(
      family: "gpt2",
      dimensions: Architecture.Dimensions(
        layers: try settings.count(
          "n_layer", default: 12, below: Architecture.Dimensions.layerLimit), model: model,
        inner: try settings.count("n_inner", default: 4 * model),
        vocabulary: try settings.count("vocab_size", default: 50257), positions: limit,
        conditions: conditions),
      heads: heads, headWidth: model / heads,
      norm: .layer(epsilon: try settings.number("layer_norm_epsilon", default: 1e-5)),
      residual: .sequential,
      activation: try Self.activation(&settings, "activation_function", default: "gelu_new"),
      positionLimit: limit)
    fusedOrder = .consecutive
    if try !settings.flag("scale_attn_weights", default: true) {
      attentionScales = attentionScales.map { _ in 1 }
    }
    if try settings.flag("scale_attn_by_inverse_layer_idx", default: false) {
      attentionScales = attentionScales.enumerated().map { $1 / Double($0 + 1) }
    }
    if try settings.flag("add_cross_attention", default: false) {
      throw settings.unsupported("add_cross_attention", expected: "false")
    }
  }

  private init(gptNeo settings: inout SettingsReader) throws(CheckpointError) {
    let model = try settings.count(
      "hidden_size", default: 2048, below: Architecture.Dimensions.widthLimit)
    let heads = try settings.count(
      "num_heads", default: 16, below: Architecture.Dimensions.headLimit)
    let limit = try settings.count("max_position_embeddings", default: 2048)
    let conditions = try Self.headCondition(&settings, isTied: true)
    self.init(
      family: "gpt_neo",
      dimensions: Architecture.Dimensions(
        layers: try settings.count(
          "num_layers", default: 24, below: Architecture.Dimensions.layerLimit), model: model,
        inner: try settings.count("intermediate_size", default: 4 * model),
        vocabulary: try settings.count("vocab_size", default: 50257), positions: limit,
        conditions: conditions),
      heads: heads, headWidth: model / heads,
      norm: .layer(epsilon: try settings.number("layer_norm_epsilon", default: 1e-5)),
      residual: .sequential,
      activation: try Self.activation(&settings, "activation_function", default: "gelu_new"),
      positionLimit: limit)
    attentionScales = attentionScales.map { _ in 1 }
    let window = try settings.count("window_size", default: 256)
    let kinds = try Self.neoAttention(&settings, layers: dimensions.layers)
    guard kinds.count == dimensions.layers else {
      throw settings.unsupported(
        "attention_types", expected: "'global' or 'local' for each of \(dimensions.layers) layers")
    }
    windows = kinds.map { $0 == "local" ? window : nil }
  }

  /// `[[["global", "local"], 12]]` written out, as `attention_layers` may have it already.
  private static func neoAttention(
    _ settings: inout SettingsReader, layers: Int
  ) throws(CheckpointError) -> [String] {
    let types = settings.value("attention_types")
    if let written = settings.value("attention_layers")?.elements?.map({ $0.text ?? "" }) {
      return written.allSatisfy({ ["global", "local"].contains($0) }) ? written : []
    }
    guard let types else {
      return (0..<layers).map { $0 % 2 == 0 ? "global" : "local" }
    }
    var kinds: [String] = []
    for group in types.elements ?? [] {
      guard let parts = group.elements, parts.count == 2, let names = parts[0].elements,
        let count = parts[1].integer, count >= 0, count <= layers, !names.isEmpty,
        names.count * count <= layers - kinds.count,
        names.allSatisfy({ ["global", "local"].contains($0.text) })
      else { return [] }
      for _ in 0..<count { kinds += names.compactMap(\.text) }
    }
    return kinds
  }

  private init(gptNeoX settings: inout SettingsReader) throws(CheckpointError) {
    let model = try settings.count(
      "hidden_size", default: 6144, below: Architecture.Dimensions.widthLimit)
    let heads = try settings.count(
      "num_attention_heads", default: 64, below: Architecture.Dimensions.headLimit)
    let limit = try settings.count("max_position_embeddings", default: 2048)
    var conditions = try Self.headCondition(&settings, isTied: false)
    if try settings.flag("attention_bias", default: true) { conditions.insert(.attentionBias) }
    self.init(
      family: "gpt_neox",
      dimensions: Architecture.Dimensions(
        layers: try settings.count(
          "num_hidden_layers", default: 44, below: Architecture.Dimensions.layerLimit),
        model: model,
        inner: try settings.count("intermediate_size", default: 24576),
        vocabulary: try settings.count("vocab_size", default: 50432), conditions: conditions),
      heads: heads, headWidth: model / heads,
      norm: .layer(epsilon: try settings.number("layer_norm_eps", default: 1e-5)),
      residual: try settings.flag("use_parallel_residual", default: true)
        ? .parallelWithTwoNorms : .sequential,
      activation: try Self.activation(&settings, "hidden_act", default: "gelu"),
      positionLimit: limit)
    fusedOrder = .byHead
    rotary = try Rotary(
      &settings, headWidth: headWidth, fraction: 0.25, thetaKey: "rotary_emb_base",
      fractionKey: "rotary_pct", layout: .halves, positionLimit: limit)
    _ = settings.value("rope_theta")
  }

  private init(
    llama settings: inout SettingsReader, _ family: String
  ) throws(CheckpointError) {
    let model = try settings.count(
      "hidden_size", default: 4096, below: Architecture.Dimensions.widthLimit)
    let heads = try settings.count(
      "num_attention_heads", default: 32, below: Architecture.Dimensions.headLimit)
    let keyHeads = try settings.count(
      "num_key_value_heads", default: family == "mistral" ? 8 : heads,
      below: Architecture.Dimensions.headLimit)
    let width = try settings.count(
      "head_dim", default: model / heads, below: Architecture.Dimensions.headLimit)
    let limit = try settings.count("max_position_embeddings", default: 2048)
    var conditions = try Self.headCondition(&settings, isTied: false)
    if family == "qwen2" {
      conditions.insert(.attentionBias)
    } else if try settings.flag("attention_bias", default: false) {
      conditions.insert(.attentionBias)
    }
    if try settings.flag("mlp_bias", default: false) { conditions.insert(.feedForwardBias) }
    self.init(
      family: family,
      dimensions: Architecture.Dimensions(
        layers: try settings.count(
          "num_hidden_layers", default: 32, below: Architecture.Dimensions.layerLimit),
        model: model,
        inner: try settings.count("intermediate_size", default: 11008),
        vocabulary: try settings.count("vocab_size", default: 32000), queries: heads * width,
        keys: keyHeads * width, conditions: conditions),
      heads: heads, keyHeads: keyHeads, headWidth: width,
      norm: .rootMeanSquare(epsilon: try settings.number("rms_norm_eps", default: 1e-6)),
      residual: .sequential,
      activation: try Self.activation(&settings, "hidden_act", default: "silu"),
      positionLimit: limit)
    rotary = try Rotary(
      &settings, headWidth: width, layout: .halves, positionLimit: limit)
    guard rotary?.dimensions == width else {
      throw settings.unsupported("partial_rotary_factor", expected: "1 for this family")
    }
    try readWindows(&settings)
  }

  /// Mistral's window is everywhere; Qwen2's only where it is switched on, and not in its first layers.
  private mutating func readWindows(_ settings: inout SettingsReader) throws(CheckpointError) {
    let window = settings.value("sliding_window")
    let isOn = try settings.flag("use_sliding_window", default: family == "mistral")
    let first = try settings.count(
      "max_window_layers", default: family == "qwen2" ? 28 : 1, atLeast: 0)
    let types = settings.value("layer_types")?.elements
    guard family != "llama" else { return }
    guard isOn, let window else { return }
    guard let size = window.integer, size > 0 else {
      throw settings.unsupported("sliding_window", expected: "a number of tokens")
    }
    if let types {
      guard types.count == dimensions.layers,
        types.allSatisfy({ ["sliding_attention", "full_attention"].contains($0.text) })
      else {
        throw settings.unsupported(
          "layer_types", expected: "'sliding_attention' or 'full_attention' for each layer")
      }
      windows = types.map { $0.text == "sliding_attention" ? size : nil }
    } else {
      windows = windows.indices.map { family == "mistral" || $0 >= first ? size : nil }
    }
  }

  private static func headCondition(
    _ settings: inout SettingsReader, isTied: Bool
  ) throws(CheckpointError) -> Set<Architecture.Condition> {
    try settings.flag("tie_word_embeddings", default: isTied) ? [] : [.untiedHead]
  }

  private static func activation(
    _ settings: inout SettingsReader, _ key: String, default standard: String
  ) throws(CheckpointError) -> Activation {
    switch try settings.text(key, default: standard) {
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
    case "gelu", "gelu_python": return .gelu
    case "silu", "swish": return .silu
    case "relu": return .relu
    default:
      throw settings.unsupported(key, expected: "gelu_new, gelu_pytorch_tanh, gelu, silu, relu")
    }
  }
}
