import TensorModel

extension FindingKinds {
  /// What the files of a GPT-NeoX training tell beside the model.
  static let gptNeoX: [FindingKind] = [
    FindingKind(
      "replicas-differ", "structure", .warning,
      "The ranks' copies of a tensor differ",
      """
      Every tensor-parallel rank has a copy of this tensor, and training should keep the copies \
      equal. Here they aren't, which happens in long trainings: GPT-NeoX-20B's published \
      checkpoint is one. The model gets the mean, computed in F32 and rounded once, as the \
      published models did. One layer of another step is an error; if the difference is large in \
      every layer, a rank's files may be of another step: get the step's files again.
      """),
    FindingKind(
      "gelu-approximation", "structure", .note,
      "GELU was computed by its tanh approximation",
      """
      The training ran with bias_gelu_fusion, which computes GELU by an approximation. config.json \
      says so (gelu_fast), so that the model computes what was trained. Other converters write \
      gelu, which gives slightly other logits.
      """),
    FindingKind(
      "training-arguments", "structure", .warning,
      "The training's own notes can't be read",
      """
      Files beside the weights note the model's sizes and the training's step, and are compared \
      with the configuration. This one can't be read. The weights don't depend on it; get the file \
      again if you want the comparison.
      """),
  ]
}
