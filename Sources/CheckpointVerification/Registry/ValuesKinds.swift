import TensorModel

extension FindingKinds {
  /// Values that no trained weights should have.
  static let values: [FindingKind] = [
    FindingKind(
      "nan", "values", .error,
      "A tensor has values that are NaN",
      """
      Some weights, or scales of quantized weights, aren't numbers. Everything that is \
      computed with them becomes NaN too. A training run that diverged, a conversion that \
      overflowed or damage of the file makes them. Go back to a checkpoint without them; they \
      can't be repaired.
      """),
    FindingKind(
      "infinity", "values", .error,
      "A tensor has infinite values",
      """
      Some weights, or scales of quantized weights, are infinite. The usual cause is a \
      conversion to F16 of values above 65504, or a training run that diverged. Convert the \
      model again from its original, to a dtype with a larger range such as BF16 or F32.
      """),
    FindingKind(
      "all-zero", "values", .warning,
      "All values of a matrix are zero",
      """
      A matrix of weights holds nothing but zeros, so its layer computes nothing. The writer \
      allocated the tensor and never filled it, or the data were lost. Some models do begin \
      their training like this; otherwise get or make the file again.
      """),
    FindingKind(
      "constant", "values", .warning,
      "All values of a matrix are the same",
      """
      A matrix of weights holds one number throughout. Trained weights never do, so it was \
      initialized and never loaded or trained. Compare it with the model's original.
      """),
    FindingKind(
      "duplicate-tensor", "values", .warning,
      "Two matrices have the same bytes",
      """
      A matrix is equal to another one bit for bit, and the model doesn't tie the two. A merge \
      or a script that copied a layer makes such files on purpose; otherwise a layer was \
      written twice and another one is lost. Compare it with the model's original.
      """),
    FindingKind(
      "zero-scale", "values", .error,
      "A quantized weight has scales of zero",
      """
      All scales of a quantized weight are zero. Where weights are divided by them, as by the \
      global scale of compressed-tensors' NVFP4, none is a finite number. Where weights are \
      multiplied by them all weights are zero, which is a warning. The writer didn't fill the \
      tensor, or it was damaged: get the file again.
      """),
    FindingKind(
      "zero-tail", "values", .warning,
      "The file's data end with zeros",
      """
      The last tensor of a file ends with a long run of zero bytes. A download that reserves \
      the file's space first and then stops leaves such files, and their size looks right. \
      Whole rows of zeros at the end of an embedding or a head fill up the vocabulary, and don't \
      count: up to an eighth of its rows, and at most 1,024. More are found, and so are 4 KiB or \
      more of zeros at the end of the last row that has other values. \
      Compare the file's digest with the publisher's, or download it again.
      """),
  ]
}
