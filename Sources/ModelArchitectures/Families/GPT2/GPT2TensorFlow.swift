import FileContainers
import TensorModel

extension TensorFlowTable {
  /// GPT-2 as it was published: variables of `model.py`, `hparams.json`, `encoder.json` and `vocab.bpe`.
  ///
  /// Source: src/model.py of openai/gpt-2. Weights are `[1, in, out]`: convolutions of width 1, as which they were written.
  static let gpt2 = TensorFlowTable(
    variables: [
      .variable("model/wte", "transformer.wte.weight"),
      .variable("model/wpe", "transformer.wpe.weight"),
      .variable("model/h{i}/ln_1/g", "transformer.h.{i}.ln_1.weight"),
      .variable("model/h{i}/ln_1/b", "transformer.h.{i}.ln_1.bias"),
      .variable("model/h{i}/attn/c_attn/w", "transformer.h.{i}.attn.c_attn.weight", .unwrapped),
      .variable("model/h{i}/attn/c_attn/b", "transformer.h.{i}.attn.c_attn.bias"),
      .variable("model/h{i}/attn/c_proj/w", "transformer.h.{i}.attn.c_proj.weight", .unwrapped),
      .variable("model/h{i}/attn/c_proj/b", "transformer.h.{i}.attn.c_proj.bias"),
      .variable("model/h{i}/ln_2/g", "transformer.h.{i}.ln_2.weight"),
      .variable("model/h{i}/ln_2/b", "transformer.h.{i}.ln_2.bias"),
      .variable("model/h{i}/mlp/c_fc/w", "transformer.h.{i}.mlp.c_fc.weight", .unwrapped),
      .variable("model/h{i}/mlp/c_fc/b", "transformer.h.{i}.mlp.c_fc.bias"),
      .variable("model/h{i}/mlp/c_proj/w", "transformer.h.{i}.mlp.c_proj.weight", .unwrapped),
      .variable("model/h{i}/mlp/c_proj/b", "transformer.h.{i}.mlp.c_proj.bias"),
      .variable("model/ln_f/g", "transformer.ln_f.weight"),
      .variable("model/ln_f/b", "transformer.ln_f.bias"),
    ],
    configurationName: "hparams.json",
    sidecars: ["encoder.json": "vocab.json", "vocab.bpe": "merges.txt"],
    configuration: { (hparams, dtype) throws(CheckpointError) in
      try configuration(hparams, dtype)
    },
    template: { sizes in
      .object([
        .init("n_vocab", .integer(sizes.vocabulary)), .init("n_ctx", .integer(sizes.positions)),
        .init("n_embd", .integer(sizes.model)), .init("n_head", .null),
        .init("n_layer", .integer(sizes.layers)),
      ])
    })

  private static func configuration(
    _ hparams: JSONValue, _ dtype: DType?
  ) throws(CheckpointError) -> JSONValue {
    var settings = SettingsReader(hparams, place: "")
    let vocabulary = try settings.count("n_vocab")
    let dropout = JSONValue.number("0.0")
    var members: [JSONValue.Member] = [
      .init("activation_function", .string("gelu_new")),
      .init("architectures", .array([.string(Architecture.gpt2.modelClass)])),
      .init("attn_pdrop", dropout),
      .init("bos_token_id", endOfText(vocabulary)),
      .init("embd_pdrop", dropout),
      .init("eos_token_id", endOfText(vocabulary)),
      .init("initializer_range", .number("0.02")),
      .init("layer_norm_epsilon", .number("1e-05")),
      .init("model_type", .string(Architecture.gpt2.name)),
      .init(
        "n_embd",
        .integer(try settings.count("n_embd", below: Architecture.Dimensions.widthLimit))),
      .init(
        "n_head", .integer(try settings.count("n_head", below: Architecture.Dimensions.headLimit))),
      .init("n_inner", .null),
      .init(
        "n_layer",
        .integer(try settings.count("n_layer", below: Architecture.Dimensions.layerLimit))),
      .init("n_positions", .integer(try settings.count("n_ctx"))),
      .init("resid_pdrop", dropout),
      .init("tie_word_embeddings", .bool(true)),
    ]
    if let name = dtype?.torchName { members.append(.init("torch_dtype", .string(name))) }
    members += [.init("use_cache", .bool(true)), .init("vocab_size", .integer(vocabulary))]
    return .object(members)
  }

  /// The end-of-text token of GPT-2's tokenizer, if the vocabulary reaches that far.
  static func endOfText(_ vocabulary: Int) -> JSONValue {
    vocabulary > 50256 ? .integer(50256) : .null
  }
}
