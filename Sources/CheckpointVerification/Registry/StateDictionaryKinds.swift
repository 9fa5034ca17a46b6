import TensorModel

extension FindingKinds {
  /// What a PyTorch file holds beside a plain state dict, or instead of one.
  static let stateDictionaries: [FindingKind] = [
    FindingKind(
      "nested-state-dict", "structure", .note,
      "The tensors lie inside another dictionary",
      """
      The file isn't a plain state dict: the weights are in an entry of it, which the message \
      names. The entry's tensors are read as the checkpoint. Nothing needs to be done if this \
      is the right entry.
      """),
    FindingKind(
      "tensor-attributes", "structure", .note,
      "Attributes of tensors are left out",
      """
      Some tensors were saved with Python attributes of their own. These hold no weights, and \
      they are neither read nor run. Nothing needs to be done as long as the model works \
      without them.
      """),
    FindingKind(
      "no-tensors", "structure", .warning,
      "The state dict holds no tensors",
      """
      The file can be read, but no tensor is in it. An adapter that was never filled or an \
      empty model makes such files. Save the model's state dict again.
      """),
    FindingKind(
      "not-a-tensor", "structure", .note,
      "Entries that aren't tensors are left out",
      """
      The state dict also has numbers, texts or other objects. They are no weights, and \
      conversions don't carry them. Note down the settings among them that you need.
      """),
    FindingKind(
      "training-state-left-out", "structure", .note,
      "Training state beside the weights is left out",
      """
      The file also has an optimizer, a scheduler, or counters of the training. A model has no \
      use for them, and conversions don't carry them. Keep the original file if the training \
      should go on.
      """),
    FindingKind(
      "tensors-left-out", "structure", .warning,
      "Tensors outside of the state dict are left out",
      """
      The file has tensors that aren't read: they lie in lists without names, are arrays of \
      numpy, or belong to a second set of weights beside the one that was chosen. If they are \
      part of the model, save it again as one plain state dict.
      """),
    FindingKind(
      "skipped-objects", "structure", .note,
      "Python objects are skipped",
      """
      The pickle has objects of Python classes that aren't weights. Pickles can run code when \
      Python loads them; here nothing is run and the objects are left out. Save only the state \
      dict if you pass the file on.
      """),
    FindingKind(
      "data-missing", "contents", .error,
      "A tensor has no data",
      """
      The file names the tensor, but its values aren't there: the model was saved from \
      PyTorch's meta device, or by one of several processes that held only a part (DeepSpeed's \
      ZeRO-3). Load the model with its weights and save it again, or gather all parts first, \
      for DeepSpeed with zero_to_fp32.py.
      """),
  ]
}
