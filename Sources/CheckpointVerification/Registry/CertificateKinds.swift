import TensorModel

extension FindingKinds {
  /// A checkpoint against the certificate that was written with it.
  static let certificate: [FindingKind] = [
    FindingKind(
      "certificate-unusable", "certificate", .error,
      "The certificate can't be used",
      """
      The file with the certificate's name isn't a certificate that can be read: its JSON is \
      malformed, or it lacks parts. Nothing was compared with it. Restore the original \
      certificate, or convert the model again.
      """),
    FindingKind(
      "certificate-of-others", "certificate", .error,
      "The certificate names none of the checkpoint's files",
      """
      A certificate lies in the folder or beside the file, and it is about files that aren't \
      there. It was changed, it belongs to another checkpoint, or the file was renamed \
      together with it. Give the file its name again, put the right certificate there, or \
      remove this one. A certificate beside a file that is of another one there is none of it, \
      and isn't looked at.
      """),
    FindingKind(
      "certificate-root", "certificate", .error,
      "The certificate contradicts itself",
      """
      The root digest in the certificate isn't the one that its list of tensors gives. \
      Somebody edited the certificate. Restore the original, or convert the model again from \
      its source.
      """),
    FindingKind(
      "certificate-claim", "certificate", .error,
      "The certificate says something that isn't true",
      """
      The certificate states where tensors lie, how many there are, what they were made of, or \
      how much was rounded. One of these statements contradicts what was found. The \
      certificate was edited, or the checkpoint isn't the one that was certified; with \
      --against, check that OTHER is the true source. Keys that no certificate of the version \
      has are a warning.
      """),
    FindingKind(
      "certificate-digest", "certificate", .error,
      "A tensor has changed since it was certified",
      """
      The digest of the tensor's bytes isn't the one in the certificate. At least one value is \
      different from what was written. Restore the file, or convert the model again; if the \
      change was made on purpose, the certificate is no longer valid.
      """),
    FindingKind(
      "certificate-tensor-missing", "certificate", .error,
      "A certified tensor is missing",
      """
      The certificate lists a tensor that the checkpoint doesn't have. It was removed after \
      the conversion, or a file is missing. Restore the checkpoint, or convert the model \
      again.
      """),
    FindingKind(
      "certificate-tensor-extra", "certificate", .error,
      "A tensor isn't in the certificate",
      """
      The checkpoint has a tensor that the certificate doesn't list. It was added after the \
      conversion, and nobody vouches for it. Restore the checkpoint, or convert the model \
      again.
      """),
    FindingKind(
      "certificate-tensor-type", "certificate", .error,
      "A tensor has another type or shape than certified",
      """
      The dtype or the shape of a tensor isn't the one in the certificate. The file was \
      written again by another program, or replaced. Restore the checkpoint, or convert the \
      model again.
      """),
    FindingKind(
      "certificate-file-missing", "certificate", .error,
      "A certified file is missing",
      """
      The certificate lists a file that went along with the weights, such as a tokenizer, and \
      it isn't there or can't be read. Copy it again from the source, or convert the model \
      again.
      """),
    FindingKind(
      "certificate-file-changed", "certificate", .error,
      "A file has changed since it was certified",
      """
      A file has another size or digest than the certificate says. Editing config.json or a \
      tokenizer by hand makes this finding, and so does damage. Restore the file, or convert \
      the model again to get a new certificate.
      """),
    FindingKind(
      "certificate-file-extra", "certificate", .warning,
      "A file isn't in the certificate",
      """
      The folder holds a file that belongs to a model and that the certificate doesn't list. \
      It was added after the conversion. It is an error where it changes what programs load, \
      such as a tokenizer's file. It is a warning where it is harmless, and for weights that \
      aren't read and for programs, which no conversion carries along; remove it if it doesn't \
      belong there.
      """),
  ]
}
