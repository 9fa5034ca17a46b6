import TensorModel

extension FindingKinds {
  /// What a configuration says, and whether the model is what it says.
  static let configuration: [FindingKind] = [
    FindingKind(
      "configuration-unusable", "configuration", .error,
      "The configuration can't be used",
      """
      The configuration lacks a setting, or a setting has a value that contradicts others or \
      can't be right. Without it nobody can say which tensors the model must have. It is a \
      warning where weights can be read without it. Correct the file, or pass another one with \
      --config.
      """),
    FindingKind(
      "model-unusable", "configuration", .error,
      "The tensors can't be understood as a model",
      """
      The checkpoint opens, but its tensors can't be brought under the names of a model: names \
      contradict each other, or quantized parts don't fit together. The message says where. \
      Get the checkpoint again, or convert it with a program that knows its layout.
      """),
    FindingKind(
      "custom-code", "configuration", .warning,
      "The model has code of its own",
      """
      The configuration names Python files in 'auto_map', which transformers runs with \
      trust_remote_code. This code isn't looked at, and it can compute something else than the \
      family that the configuration names. Read the code before you trust either.
      """),
    FindingKind(
      "unknown-setting", "configuration", .note,
      "No program reads a setting",
      """
      The configuration has a key that transformers' class for this model type doesn't read, \
      so it can't change the model. It is a leftover of a training framework, or it is \
      misspelled. Correct it if you meant another key.
      """),
    FindingKind(
      "setting-uncomputed", "configuration", .note,
      "A setting asks for something that isn't computed here",
      """
      The configuration has a setting, such as an activation or a kind of rotary positions, \
      that weighbridge's own reference doesn't compute. Names and shapes are checked all the \
      same. Only `forward`, `compare --forward` and formats that need the computation refuse \
      the model.
      """),
    FindingKind(
      "quantization-claim", "configuration", .error,
      "Configuration and weights disagree about quantization",
      """
      The experts are stored as MXFP4 blocks and the configuration doesn't say so, or the \
      other way round; or the configuration says that weights are quantized where none is, or \
      in another way than they are, or says nothing of weights that are; or a single layer \
      is plain where it is said to be quantized, or has codes where it is said to have none, \
      or has other bits, groups or scales than is said. Other programs load none of these \
      weights then, and some make up random ones. It is a warning where only some stop, and \
      where they can make codes of floats as they load them. Add, correct or remove \
      'quantization_config' in config.json, as the message says.
      """),
    FindingKind(
      "token-outside", "configuration", .warning,
      "A token has no row in the embedding",
      """
      The tokenizer has an id that the embedding has no row for, and programs stop or read \
      other memory when a text has that token: tokenizer and weights are probably of different \
      models, or tokens were added without enlarging the embedding. Get the matching files, or \
      enlarge the embedding.
      """),
    FindingKind(
      "shards-missing", "configuration", .error,
      "Shards of the checkpoint are missing",
      """
      The names of the files say how many shards there are, and not all of them are in the \
      folder. Every tensor in them is missing. Get the other shards.
      """),
    FindingKind(
      "prefix-attention", "configuration", .warning,
      "The model sees its prompt as a whole",
      """
      The attention masks stored in the file are all ones: tokens of the prompt see those that \
      come later (prefix attention). Most programs ignore stored masks and compute causal \
      attention, which gives other results. Use a format that can carry it, or give it up on \
      purpose with --attention causal.
      """),
    FindingKind(
      "default-buffer", "configuration", .note,
      "Buffers that every model of the family has are left out",
      """
      The file stores masks, fill values or rotary tables that follow from the configuration. \
      They were compared with the default ones and are the same. They are no weights, so \
      conversions leave them out and nothing is lost.
      """),
    FindingKind(
      "model-buffer", "configuration", .error,
      "A stored buffer isn't the default one",
      """
      An attention mask, a fill value or a rotary table in the file differs from what the \
      configuration gives, so that the model computes something of its own. This can't be \
      expressed in other formats. Remove the buffer from the file to give it up on purpose.
      """),
    FindingKind(
      "part-set-aside", "configuration", .note,
      "Parts beside the language model are set aside",
      """
      The checkpoint also has tensors of another part: a vision tower, an audio encoder, or \
      layers that predict further tokens. They are copied and compared, but neither checked \
      nor run. Nothing needs to be done.
      """),
    FindingKind(
      "name-prefix", "configuration", .note,
      "A wrapper's prefix stands before the tensors' names",
      """
      All names begin with something like 'module.' or '_orig_mod.', which a wrapper of the \
      training put there. It is ignored here, and conversions leave it out. Other programs \
      look for the names without it, so convert the checkpoint before you pass it on.
      """),
  ]
}
