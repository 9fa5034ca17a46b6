import FileContainers
public import TensorModel

/// The model's part of a Mesh-Transformer configuration file, such as `configs/6B_roto_256.json`.
public struct MeshConfiguration: Sendable, Hashable {
  /// `layers`.
  public let layers: Int
  /// `d_model`.
  public let modelWidth: Int
  /// `n_heads`.
  public let heads: Int
  /// `n_vocab`, padding included.
  public let vocabulary: Int
  /// `seq`, the longest sequence.
  public let sequenceLength: Int
  /// `pe_rotary_dims`, at most a head's width: the original clamps it silently.
  public let rotaryDimensions: Int

  /// GPT-J-6B's, which no file of the release contains.
  public static let gptj6B = MeshConfiguration(
    layers: 28, modelWidth: 4096, heads: 16, vocabulary: 50400, sequenceLength: 2048,
    rotaryDimensions: 64)

  init(
    layers: Int, modelWidth: Int, heads: Int, vocabulary: Int, sequenceLength: Int,
    rotaryDimensions: Int
  ) {
    self.layers = layers
    self.modelWidth = modelWidth
    self.heads = heads
    self.vocabulary = vocabulary
    self.sequenceLength = sequenceLength
    self.rotaryDimensions = rotaryDimensions
  }

  /// Reads the original JSON, or Hugging Face's `config.json` of a GPT-J.
  ///
  /// - Throws: `malformed` for broken JSON; `usage` for missing or null keys; `unsupported` for variants that GPT-J in Hugging Face's form
  ///   can't express (other norms and position encodings).
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    let document = try JSONValue(parsing: bytes)
    if document["model_type"] != nil {
      try self.init(huggingFace: document)
    } else {
      try self.init(mesh: document)
    }
  }

  private init(mesh document: JSONValue) throws(CheckpointError) {
    for (key, supported) in [("norm", "layernorm"), ("pe", "rotary")] {
      if let value = document[key], value.text != supported {
        throw CheckpointError(
          .unsupported, "Hugging Face's GPT-J can't express this model's '\(key)'",
          expected: "\"\(supported)\"", found: value.shortText)
      }
    }
    func number(_ key: String) throws(CheckpointError) -> Int {
      try document.positiveInteger(
        key, hint: "take it from the JSON file that the model was trained with (configs/*.json)")
    }
    let (modelWidth, heads) = (try number("d_model"), try number("n_heads"))
    // The original's default is 64, never more than a head has.
    let rotary = document["pe_rotary_dims"] == nil ? 64 : try number("pe_rotary_dims")
    try self.init(
      checking: try number("layers"), modelWidth, heads, try number("n_vocab"), try number("seq"),
      rotary)
  }

  private init(huggingFace document: JSONValue) throws(CheckpointError) {
    guard document["model_type"]?.text == "gptj" else {
      throw CheckpointError(
        .unsupported, "a Mesh-Transformer checkpoint holds a GPT-J",
        expected: "\"model_type\": \"gptj\"",
        found: document["model_type"]?.shortText)
    }
    let modelWidth = try document.positiveInteger("n_embd")
    if let inner = document["n_inner"]?.integer, inner != 4 * modelWidth {
      throw CheckpointError(
        .unsupported, "a Mesh-Transformer's feed-forward layer is 4 times as wide as the model",
        expected: "n_inner \(4 * modelWidth) or null", found: "\(inner)")
    }
    try self.init(
      checking: try document.positiveInteger("n_layer"), modelWidth,
      try document.positiveInteger("n_head"), try document.positiveInteger("vocab_size"),
      try document.positiveInteger("n_positions"), try document.positiveInteger("rotary_dim"))
  }

  private init(
    checking layers: Int, _ modelWidth: Int, _ heads: Int, _ vocabulary: Int, _ sequenceLength: Int,
    _ rotary: Int
  ) throws(CheckpointError) {
    guard layers < Architecture.Dimensions.layerLimit,
      modelWidth < Architecture.Dimensions.widthLimit, heads < Architecture.Dimensions.headLimit
    else {
      throw CheckpointError(
        .usage, "the configuration's sizes are those of no model",
        expected: """
          less than \(Architecture.Dimensions.layerLimit) layers, \
          \(Architecture.Dimensions.headLimit) heads, width \(Architecture.Dimensions.widthLimit)
          """,
        found: "\(layers) layers, \(heads) heads, width \(modelWidth)")
    }
    guard modelWidth % heads == 0 else {
      throw CheckpointError(
        .usage, "the configuration's heads don't divide the model's width",
        found: "\(heads) heads, width \(modelWidth)")
    }
    let rotaryDimensions = min(rotary, modelWidth / heads)
    guard rotaryDimensions % 2 == 0 else {
      throw CheckpointError(
        .usage, "rotary dimensions come in pairs", expected: "an even number",
        found: "\(rotaryDimensions)")
    }
    self.init(
      layers: layers, modelWidth: modelWidth, heads: heads, vocabulary: vocabulary,
      sequenceLength: sequenceLength, rotaryDimensions: rotaryDimensions)
  }

  /// The sizes that the table's shapes depend on.
  public var dimensions: Architecture.Dimensions {
    Architecture.Dimensions(
      layers: layers, model: modelWidth, inner: 4 * modelWidth, vocabulary: vocabulary)
  }

  /// `config.json` as transformers wants it for GPT-J.
  ///
  /// - Parameter dtype: of most of the weights; nil if `config.json` can't name it.
  /// - Returns: its text.
  public func huggingFaceConfiguration(dtype: DType) -> [UInt8] {
    // The end-of-text token of GPT-2's tokenizer, if the vocabulary reaches that far.
    let endOfText: JSONValue = vocabulary > 50256 ? .integer(50256) : .null
    let dropout = JSONValue.number("0.0")
    var members: [JSONValue.Member] = [
      .init("activation_function", .string("gelu_new")),
      .init("architectures", .array([.string(Architecture.gptj.modelClass)])),
      .init("attn_pdrop", dropout),
      .init("bos_token_id", endOfText),
      .init("embd_pdrop", dropout),
      .init("eos_token_id", endOfText),
      .init("initializer_range", .number("0.02")),
      .init("layer_norm_epsilon", .number("1e-05")),
      .init("model_type", .string(Architecture.gptj.name)),
      .init("n_embd", .integer(modelWidth)),
      .init("n_head", .integer(heads)),
      .init("n_inner", .null),
      .init("n_layer", .integer(layers)),
      .init("n_positions", .integer(sequenceLength)),
      .init("resid_pdrop", dropout),
      .init("rotary_dim", .integer(rotaryDimensions)),
      .init("tie_word_embeddings", .bool(false)),
    ]
    // Both transformers 4 and 5 read this spelling; 5 alone reads `dtype`.
    if let name = dtype.torchName { members.append(.init("torch_dtype", .string(name))) }
    members += [
      .init("use_cache", .bool(true)),
      .init("vocab_size", .integer(vocabulary)),
    ]
    return Array((JSONValue.object(members).documentText + "\n").utf8)
  }

  /// A Mesh configuration filled in as far as shapes prove it, `null` where they don't, for the user to complete.
  public static func template(_ dimensions: Architecture.Dimensions, shards: Int) -> String {
    JSONValue.object([
      .init("layers", .integer(dimensions.layers)),
      .init("d_model", .integer(dimensions.model)),
      .init("n_heads", .null),
      .init("n_vocab", .integer(dimensions.vocabulary)),
      .init("norm", .string("layernorm")),
      .init("pe", .string("rotary")),
      .init("pe_rotary_dims", .null),
      .init("seq", .null),
      .init("cores_per_replica", .integer(shards)),
    ]).documentText
  }
}
