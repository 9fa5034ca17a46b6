import TensorModel

extension FindingKinds {
  /// A checkpoint against what its certificate says that it was made of.
  static let derivation: [FindingKind] = [
    FindingKind(
      "replay-difference", "derivation", .error,
      "Making the checkpoint again gives other values",
      """
      The conversion that the certificate describes was run again on the source, and a tensor \
      came out different. The checkpoint was changed, or it was made of another source. \
      Convert the model again and replace this copy.
      """),
    FindingKind(
      "replay-plan", "derivation", .error,
      "The recorded conversion can't be repeated",
      """
      The certificate's plan doesn't fit the source: it names tensors that aren't there, or \
      its expressions give other shapes. The certificate was edited, or the source is another \
      model. Check which source the certificate names.
      """),
    FindingKind(
      "replay-source", "derivation", .error,
      "The source isn't the one that was converted",
      """
      The source's files differ in name, size or digest from those that the certificate lists \
      as inputs. The result can't be traced back to this source. Find the original source, or \
      convert the model again from this one.
      """),
  ]
}
