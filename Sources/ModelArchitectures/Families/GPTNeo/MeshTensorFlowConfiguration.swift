// The configuration that GPT-Neo is trained with (configs/*.json of EleutherAI/gpt-neo), as far as it says what the model computes:
//
//   n_vocab, n_embd, n_head, n_layer          sizes
//   n_positions, else n_ctx                   positions that have an embedding
//   attention_types                           [[["global", "local"], 12]]: for each layer one, the list so many times
//   local_attention_radius                    256 if it isn't there
//   activation_function, activation_fn        gelu, which is Mesh-TensorFlow's: the one with tanh, `gelu_new` to transformers
//   embed_dropout, attn_dropout, res_dropout  for training alone

import FileContainers
import TensorModel

/// GPT-Neo's own configuration.
struct MeshTensorFlowConfiguration {
  private let vocabulary: Int
  private let model: Int
  private let heads: Int
  private let layers: Int
  private let positions: Int
  private let attentionTypes: [JSONValue]
  private let attentionLayers: [String]
  private let window: Int
  private let dropouts: [(name: String, rate: JSONValue)]
  private let endOfText: JSONValue

  /// Settings that transformers' GPT-Neo has nothing for, unless they are as good as absent.
  private static let refused = [
    "rotary_emb", "axial_pos_emb", "mlp_glu", "scalenorm", "rezero", "macaron", "moe_layers",
    "share_parameters", "no_weight_tie", "num_mem_kv", "lightweight_conv_attention",
  ]

  /// Reads the configuration.
  ///
  /// - Throws: `usage` for sizes that are missing or impossible, `unsupported` for what transformers' GPT-Neo doesn't compute.
  init(_ document: JSONValue) throws(CheckpointError) {
    var settings = SettingsReader(document, place: "")
    for key in Self.refused {
      guard let value = document[key], !Self.isNothing(value) else { continue }
      throw Self.unsupported("'\(key)': nothing, or false", value)
    }
    for key in ["activation_function", "activation_fn"] {
      let name = try settings.text(key, default: "gelu")
      guard name == "gelu" else { throw Self.unsupported("'\(key)': 'gelu'", .string(name)) }
    }
    if let causal = document["causal"], causal.boolean != true, causal != .null {
      throw Self.unsupported("'causal': true", causal)
    }
    vocabulary = try settings.count("n_vocab")
    model = try settings.count("n_embd", below: Architecture.Dimensions.widthLimit)
    heads = try settings.count("n_head", below: Architecture.Dimensions.headLimit)
    layers = try settings.count("n_layer", below: Architecture.Dimensions.layerLimit)
    let key = document["n_positions"] == nil ? "n_ctx" : "n_positions"
    positions = try settings.count(key)
    window = try settings.count("local_attention_radius", default: 256)
    attentionTypes = document["attention_types"]?.elements ?? []
    attentionLayers = try Self.attentionLayers(attentionTypes, layers, settings)
    var dropouts: [(String, JSONValue)] = []
    for (key, name) in [
      ("attn_dropout", "attention_dropout"), ("embed_dropout", "embed_dropout"),
      ("res_dropout", "resid_dropout"),
    ] {
      let rate = try settings.number(key, default: 0)
      dropouts.append((name, rate == 0 ? .number("0.0") : document[key] ?? .number("0.0")))
    }
    self.dropouts = dropouts
    if let end = try settings.optionalCount("eos_id", atLeast: 0) {
      endOfText = end < vocabulary ? .integer(end) : .null
    } else {
      endOfText = TensorFlowTable.endOfText(vocabulary)
    }
  }

  /// What Python takes for false: the ways to say that a setting isn't used.
  private static func isNothing(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .bool(false), .array([]), .string(""), .object([]): true
    case .number: value.double == 0
    default: false
    }
  }

  private static func unsupported(_ expected: String, _ found: JSONValue) -> CheckpointError {
    CheckpointError(
      .unsupported, "a setting that transformers' GPT-Neo doesn't compute", expected: expected,
      found: found.shortText,
      hint: "no model of Hugging Face's computes the same; inspect lists the variables")
  }

  /// The kind of each layer's attention.
  private static func attentionLayers(
    _ groups: [JSONValue], _ layers: Int, _ settings: SettingsReader
  ) throws(CheckpointError) -> [String] {
    var kinds: [String] = []
    for group in groups {
      guard let parts = group.elements, parts.count == 2,
        let names = parts[0].elements?.map({ $0.text ?? "?" }), !names.isEmpty,
        let count = parts[1].integer, (0...layers).contains(count),
        names.count * count <= layers - kinds.count
      else { kinds = []; break }
      if let other = names.first(where: { !["global", "local"].contains($0) }) {
        throw unsupported("'attention_types' of 'global' and 'local'", .string(other))
      }
      for _ in 0..<count { kinds += names }
    }
    guard kinds.count == layers else {
      throw settings.misfit(
        "attention_types",
        "such as [[[\"global\", \"local\"], 12]], one for each of \(layers) layers")
    }
    return kinds
  }

  /// `config.json` as transformers wants it for GPT-Neo.
  func huggingFaceConfiguration(dtype: DType?) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("activation_function", .string("gelu_new")),
      .init("architectures", .array([.string(Architecture.gptNeo.modelClass)])),
      .init("attention_layers", .array(attentionLayers.map { .string($0) })),
      .init("attention_types", .array(attentionTypes)),
      .init("bos_token_id", endOfText),
      .init("eos_token_id", endOfText),
      .init("hidden_size", .integer(model)),
      .init("initializer_range", .number("0.02")),
      .init("intermediate_size", .null),
      .init("layer_norm_epsilon", .number("1e-05")),
      .init("max_position_embeddings", .integer(positions)),
      .init("model_type", .string(Architecture.gptNeo.name)),
      .init("num_heads", .integer(heads)),
      .init("num_layers", .integer(layers)),
      .init("tie_word_embeddings", .bool(true)),
      .init("use_cache", .bool(true)),
      .init("vocab_size", .integer(vocabulary)),
      .init("window_size", .integer(window)),
    ]
    members += dropouts.map { .init($0.name, $0.rate) }
    if let name = dtype?.torchName { members.append(.init("torch_dtype", .string(name))) }
    members.sort { $0.key < $1.key }
    return .object(members)
  }
}
