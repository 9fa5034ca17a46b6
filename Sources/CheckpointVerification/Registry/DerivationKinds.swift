import TensorModel

extension FindingKinds {
  /// A checkpoint against what its certificate says that it was made of.
  static let derivation: [FindingKind] = [
    FindingKind(
      "replay-difference", "derivation", .error,
      "Making the checkpoint again gives something else",
      """
      The conversion that the certificate describes was run again on the source, and a tensor, a \
      file's header or a file beside the weights came out different. The checkpoint was changed, or \
      it was made of another source. Convert the model again and replace this copy.
      """),
    FindingKind(
      "replay-plan", "derivation", .error,
      "The certificate states another conversion",
      """
      With the certificate's settings the source gives another plan than the certificate has: other \
      tensors, expressions or files. The certificate was edited, the source is another model, or \
      options such as --config and --assets are missing. Give them as for the conversion, or convert \
      the model again.
      """),
    FindingKind(
      "replay-source", "derivation", .error,
      "The source isn't the one that was converted",
      """
      The source's files differ in name, size or digest from those that the certificate lists \
      as inputs, or its tensors from those that the signed derivation names. The result can't be \
      traced back to this source. Find the original source, or convert the model again from this one.
      """),
  ]
}
