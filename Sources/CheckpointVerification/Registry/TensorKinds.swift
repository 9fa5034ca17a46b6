import TensorModel

extension FindingKinds {
  /// A model's tensors against its family's table and its configuration's sizes.
  static let tensors: [FindingKind] = [
    FindingKind(
      "tensor-missing", "configuration", .error,
      "A tensor of the model is missing",
      """
      The configuration asks for this tensor, and no file has it. Loaders fill such a gap with \
      random numbers, often with no more than a warning. Get the file again, or the \
      configuration that belongs to it.
      """),
    FindingKind(
      "tensor-shape", "configuration", .error,
      "A tensor has the wrong shape",
      """
      The shape isn't the one that the configuration's sizes give, or a vocabulary has another \
      number of tokens than the embedding has rows, or a key of a GGUF file says another count, \
      such as vocab_size. Weights and configuration don't belong together, or the tensor was \
      cut. Get both from the same place.
      """),
    FindingKind(
      "tensor-transposed", "configuration", .error,
      "A matrix is transposed",
      """
      The matrix has the right sizes in the wrong order, as another framework stores it, under \
      PyTorch's names. A conversion script forgot to transpose it. Convert the model again \
      from its original.
      """),
    FindingKind(
      "tensor-dtype", "configuration", .error,
      "A weight has a dtype that it can't have",
      """
      Integers stand where the family has float weights, or floats where codes of a quantized \
      format belong. Quantized weights without their scales look like this. Get the file \
      again, or the configuration that says how the weights are quantized.
      """),
    FindingKind(
      "tensor-twice", "configuration", .warning,
      "A parameter is stored under two names",
      """
      Two tensors stand for the same parameter in two spellings. One is used, the other isn't, \
      and other programs may choose differently. Remove the one that you don't want.
      """),
    FindingKind(
      "tensor-unknown", "configuration", .warning,
      "The family has no such tensor",
      """
      The tensor isn't in the table of the model's family. It is copied and compared, but \
      nothing is computed with it. It is a leftover of training, or the configuration names \
      the wrong family.
      """),
    FindingKind(
      "tensor-uncomputed", "configuration", .error,
      "The model wouldn't compute with a tensor that it has",
      """
      Another family has a tensor of this name, or a setting of the configuration switches it \
      off. Loaders drop it silently, and the model gives other results than it was trained \
      for. Check 'model_type' and the settings in config.json.
      """),
    FindingKind(
      "layer-unknown", "configuration", .error,
      "A tensor belongs to a layer that the configuration doesn't have",
      """
      The layer's number in the tensor's name is too large for the configuration's number of \
      layers. Loaders drop the layer silently. Get the configuration that belongs to the \
      weights.
      """),
    FindingKind(
      "number-unknown", "configuration", .error,
      "There are more experts or heads than the configuration says",
      """
      The number in the tensor's name, of an expert for example, is larger than the \
      configuration allows. Loaders drop the tensor silently. Get the configuration that \
      belongs to the weights.
      """),
    FindingKind(
      "unknown-names", "configuration", .error,
      "Most of the family's tensors can't be found",
      """
      More than half of the tensors that the configuration asks for aren't there under any \
      known name. Either the configuration is another model's, or a program saved the weights \
      under names of its own. The names are kept as they are; other programs won't find them.
      """),
    FindingKind(
      "expert-spellings", "configuration", .error,
      "The experts are stored in two spellings",
      """
      A mixture's experts are either one tensor each or stacked in one tensor per layer, and \
      here both occur. Merging two checkpoints or a conversion that stopped half way makes \
      such files. Make the file again from one source.
      """),
    FindingKind(
      "tied-weights", "configuration", .note,
      "Head and embedding disagree about being tied",
      """
      The configuration, the names and the values are three ways to tell whether the head is \
      the embedding once more, and here they don't say the same. It is a warning where the \
      configuration ties them and their values differ: the stored head counts here, and other \
      programs ignore it. Correct 'tie_word_embeddings' in config.json.
      """),
    FindingKind(
      "companion-missing", "configuration", .error,
      "A quantized weight lacks its scales",
      """
      A quantized weight is stored as codes with scales, zero points or other companions, and \
      one of these is missing. Its values can't be computed. Get the file again, or quantize \
      the model again.
      """),
    FindingKind(
      "quantized-part", "configuration", .error,
      "A part of a quantized weight doesn't fit",
      """
      Codes, scales or zero points of a weight have a shape, dtype or value that contradicts \
      the others or the configuration. Its values can't be computed, or would be wrong. Get \
      the file again, or quantize the model again.
      """),
    FindingKind(
      "quantized-weights", "configuration", .note,
      "The weights are quantized",
      """
      The note says how many weights are stored as codes and scales, and in which format. A \
      copy keeps them as they are; other conversions compute their values. It is a fact for \
      your records; nothing is wrong.
      """),
    FindingKind(
      "cache-scales", "configuration", .note,
      "The checkpoint has scales for attention's cache",
      """
      Some tensors are scales with which a server quantizes its cache of keys and values. They \
      are no weights. Only a copy keeps them; conversions to other formats leave them out.
      """),
    FindingKind(
      "zero-points-of-other-version", "configuration", .warning,
      "Zero points are of the other version of GPTQ",
      """
      GPTQ has two versions, whose zero points differ by one, and the configuration names the \
      one that isn't stored. What is stored counts here. Programs that believe the \
      configuration compute wrong weights, so correct 'checkpoint_format' in config.json.
      """),
    FindingKind(
      "quantization-settings", "configuration", .warning,
      "Settings of quantization contradict the file",
      """
      config.json says something of groups or widths that the file contradicts, or quantize_config.json \
      says something else than config.json, or its 'quantization' something else than its \
      'quantization_config'. The message has both values, and which one counts here. Programs \
      that believe the other compute wrong weights, so correct the file that is wrong.
      """),
    FindingKind(
      "zero-points-ignored", "configuration", .warning,
      "Zero points are stored that don't count",
      """
      The weights have zero points beside them, but the configuration says 'symmetric': true. \
      Programs that load the model don't subtract them then, and neither is it done here. If \
      the weights were quantized with zero points, the configuration is wrong: correct \
      'symmetric' in config.json.
      """),
  ]
}
