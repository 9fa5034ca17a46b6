import TensorModel

extension FindingKinds {
  /// What quantizing loses, and what the programs that load the result can't do with it.
  static let quantization: [FindingKind] = [
    FindingKind(
      "quantized-twice", "conversion", .warning,
      "Weights that were quantized are quantized again",
      """
      The source stores codes and scales already, and what that lost can't be had back. \
      Quantizing their values again loses more. Start from the weights before quantization if \
      you can get them. Weights whose codes are moved, or stay as they are, don't count. \
      --strict refuses this.
      """),
    FindingKind(
      "quantized-again", "conversion", .warning,
      "Weights that were blocks are quantized again",
      """
      Some weights come from a block type, and their values are quantized once more. The errors \
      of both add up. Start from the original weights if you can get them. Blocks that stay as \
      they are, or whose codes are moved, don't count. --strict refuses this.
      """),
    FindingKind(
      "values-rounded", "conversion", .warning,
      "Weights that were blocks become floats with fewer bits",
      """
      The scheme leaves some weights as floats, such as the embedding of a model for vLLM. In the \
      source they are blocks, whose values have more bits than floats of 16 bits hold. Give these \
      weights F32 with --tensor-type if you want all of their bits. --strict refuses this.
      """),
    FindingKind(
      "quantization-loss", "conversion", .warning,
      "A quantized tensor has little to do with its weights",
      """
      The relative error of the tensor is one half or more. A few very large weights in it, or \
      a type with too few bits, can be the cause. Give the tensor more bits with \
      --tensor-type.
      """),
    FindingKind(
      "type-substituted", "conversion", .warning,
      "Tensors get another type than the scheme's",
      """
      Rows of these tensors don't fill the blocks of the type that was asked for, so they get \
      one with smaller blocks. The message says which share of the weights it is. --strict \
      refuses this instead.
      """),
    FindingKind(
      "nothing-quantized", "conversion", .warning,
      "No weight is quantized",
      """
      The scheme takes none of the model's tensors: their rows don't fill its groups, or \
      programs that load the format don't take what the model consists of for linear layers. \
      The result is a copy in floats. Choose another scheme. --strict refuses this.
      """),
    FindingKind(
      "importance-missing", "conversion", .note,
      "Tensors have no importances",
      """
      The importance matrix has no entry for some tensors, and they are quantized without. For \
      the embedding and the head this is usual; for others it is a warning, because the matrix \
      may be of another model. Make the matrix again with this model.
      """),
    FindingKind(
      "importance-ignored", "conversion", .warning,
      "The importance matrix changes nothing",
      """
      No tensor gets a type whose blocks depend on importances: Q8_0, MXFP4, NVFP4 and floats \
      don't, in llama.cpp neither. The file is the same as without the matrix, though it names \
      it. Leave out --imatrix, choose a scheme with fewer bits, or --quality best, by which all \
      blocks depend on them.
      """),
    FindingKind(
      "importance-unused", "conversion", .warning,
      "Importances belong to no tensor",
      """
      The importance matrix has entries that fit no tensor of the model. It was probably made \
      with another model or another version of it. Make the matrix again with this model.
      """),
    FindingKind(
      "moments-missing", "conversion", .note,
      "Tensors are quantized as by --quality best",
      """
      --quality max needs second moments of a layer's inputs, and a type whose codes are free once \
      scales are chosen: Q4_0 to Q8_0, Q2_K to Q6_K, MLX's affine ones and compressed-tensors' \
      integers. The embedding and the head have no moments as a rule (importance --process-output \
      measures the head's), experts have none. The others are made as --quality best makes them.
      """),
    FindingKind(
      "moments-experts", "importance", .note,
      "Experts have no second moments",
      """
      Every expert of a mixture would need matrices of its own, of inputs that only some tokens \
      give. They aren't made, and quantize --quality max makes experts as --quality best does.
      """),
    FindingKind(
      "importance-prior", "importance", .warning,
      "Experts that few tokens came to have a prior",
      """
      A text leads only some tokens to each expert. The squares of a handful of tokens say \
      little of what matters, so an expert that fewer than 32 tokens came to gets the mean of its \
      layer for the missing ones. Run importance on more text, or on text of more kinds, and add \
      the matrices with --merge.
      """),
    FindingKind(
      "text-left-out", "importance", .note,
      "The end of a text isn't run",
      """
      A text is cut into windows of equal length, as llama.cpp's tools cut it, and what doesn't \
      fill the last one is left out; so is what comes after the windows that --chunks allows. \
      Choose a smaller --window if the rest matters.
      """),
    FindingKind(
      "experts-unquantized", "conversion", .warning,
      "Stacked experts aren't quantized",
      """
      The model keeps all experts of a layer in one tensor, which isn't a linear layer to the \
      programs that load this format. They are written as floats, blocks of MXFP4 too, which \
      take about four times the room then; the message says how much. The result is larger \
      than you expect. Choose GGUF for such models.
      """),
    FindingKind(
      "fused-layers-differ", "conversion", .warning,
      "Layers that are loaded as one have different types",
      """
      vLLM makes one layer of queries, keys and values, and of gate and up. Several \
      quantization types in one of them can't be loaded. Give all of them the same type with \
      --tensor-type.
      """),
    FindingKind(
      "block-margin", "conversion", .warning,
      "A layer's width doesn't fill the groups",
      """
      transformers quantizes the activations of this scheme in groups of 128, and it refuses \
      layers of other widths. The result doesn't run there. Choose fp8, which has no groups.
      """),
    FindingKind(
      "values-bf16", "conversion", .warning,
      "transformers runs this format in BF16 only",
      """
      transformers computes the weights of this format in BF16, and the rest of the model has \
      another dtype. It fails when it runs the model. Convert the model to BF16 first, and \
      quantize that.
      """),
    FindingKind(
      "mlx-gelu", "conversion", .warning,
      "mlx-lm computes GELU in another way",
      """
      The model's activation is the exact GELU, and mlx-lm uses the approximation by tanh. \
      Logits differ by about 0.001. Nothing needs to be done unless you compare results \
      exactly.
      """),
    FindingKind(
      "mlx-window", "conversion", .warning,
      "mlx-lm has no sliding window for this model",
      """
      The model's attention sees only the last tokens, and mlx-lm's model sees all. Results \
      differ as soon as a text is longer than the window. Keep texts shorter than the window \
      that the message names.
      """),
  ]
}
