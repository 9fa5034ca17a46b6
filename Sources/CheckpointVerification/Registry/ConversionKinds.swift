import TensorModel

extension FindingKinds {
  /// What conversions leave out, change or refuse to lose silently.
  static let conversion: [FindingKind] = [
    FindingKind(
      "tensor-left-out", "conversion", .warning,
      "Tensors are left out of the result",
      """
      The target's model has no place for some of the source's tensors, so the result doesn't \
      have them. The message names the first one. Make sure that the model works without them, \
      or choose a format that keeps everything, such as safetensors.
      """),
    FindingKind(
      "metadata-left-out", "conversion", .note,
      "Metadata are left out",
      """
      The target has no place for some of the source's metadata, which the message lists. \
      Weights aren't concerned. Keep the source, or write down what you need of them.
      """),
    FindingKind(
      "files-left-out", "conversion", .note,
      "Files beside the weights are left out",
      """
      A single file such as GGUF has no room for some of the files that go with the model. The \
      message lists them. Copy those that you need by hand.
      """),
    FindingKind(
      "code-left-out", "conversion", .warning,
      "The model's own code is left out",
      """
      The configuration names Python files in 'auto_map', and conversions don't copy code. \
      Programs that need it can't load the result. Read the code, and copy it yourself if you \
      trust it.
      """),
    FindingKind(
      "tokenizer-left-out", "conversion", .warning,
      "The tokenizer doesn't go along",
      """
      The source has its tokenizer as keys of a GGUF file, and no tokenizer files say the \
      same. The result has none. Copy the tokenizer's files of the model that the GGUF file \
      was made of, for example with --assets.
      """),
    FindingKind(
      "dtype-kept", "conversion", .note,
      "Some tensors keep their dtype",
      """
      --dtype changes floats of 16 and 32 bits and more, and leaves integers, truth values and \
      8-bit floats as they are. The message lists the dtypes that were kept. Nothing needs to \
      be done.
      """),
    FindingKind(
      "overflow", "conversion", .warning,
      "Finite values became infinite",
      """
      A value was too large for the new dtype, and --allow-overflow let it become infinite. \
      The model computes NaN or worse results with it. Choose a dtype with a larger range, \
      such as BF16 or F32.
      """),
    FindingKind(
      "input-replaced", "conversion", .warning,
      "An input was replaced since the conversion began",
      """
      A file of the source isn't the one that the interrupted conversion read, though size and \
      time are the same. What was already written can't be relied on, so everything is made \
      again. Nothing needs to be done if you replaced the file yourself.
      """),
    FindingKind(
      "standard-input-not-read", "conversion", .warning,
      "Standard input isn't read",
      """
      An interrupted conversion has already unpacked its archive, and --resume goes on with \
      that. What comes on standard input now is ignored. Begin again without --resume if the \
      archive is another one.
      """),
    FindingKind(
      "attention-declared", "conversion", .note,
      "The command declares prefix attention",
      """
      The option --attention prefix says that the model sees its prompt as a whole, and the \
      checkpoint doesn't say so itself. It is a warning where the checkpoint says the \
      opposite. The result depends on your being right.
      """),
    FindingKind(
      "attention-given-up", "conversion", .warning,
      "Prefix attention is given up",
      """
      The model was made to see its prompt as a whole, and --attention causal makes a result \
      that sees it causally. It computes something else for the same prompt. Choose a format \
      that carries prefix attention if that matters.
      """),
    FindingKind(
      "mesh-two-shards", "conversion", .note,
      "Two shards can't be resharded by the original script",
      """
      The script of mesh-transformer-jax guesses from values how tensors were cut, and with \
      two shards it guesses wrong for biases. Weighbridge reads the result correctly. Write \
      four or more shards, or one, if the script shall read it.
      """),
  ]
}
