import TensorModel

extension FindingKinds {
  /// Whether every byte of the tensors and of the files beside them can be read.
  static let contents: [FindingKind] = [
    FindingKind(
      "contents-unreadable", "contents", .error,
      "A tensor's bytes can't be read",
      """
      The catalogue is in order, but the data of the tensor can't be had: a compressed chunk \
      is damaged, a checksum is wrong, or codes contradict the format. The values are lost in \
      this copy. Get the file again.
      """),
    FindingKind(
      "bool-value", "contents", .warning,
      "A BOOL is neither 0 nor 1",
      """
      The tensor is declared as truth values, and one of its bytes is another number. Programs \
      treat such bytes differently. The file was damaged, or its writer stored other values \
      under the wrong dtype; save it again.
      """),
    FindingKind(
      "base", "contents", .note,
      "Tensors can be checked only together with the base",
      """
      The store or update holds differences to a base. Every chunk and every file of a store was \
      checked; of an update, whether its changes can be decompressed, with the checksums that \
      weighbridge adds and other writers may not. What the tensors are is known only together with \
      the base: name it by --base, and their digests are checked, too. weighbridge inspect says \
      which base it is.
      """),
    FindingKind(
      "wrong-base", "contents", .error,
      "The base isn't the one that this is a difference to",
      """
      A tensor of the checkpoint that --base names is missing, or isn't the one that the \
      difference was made with: another version of the model, or a damaged copy. With it the \
      tensors would come out wrong, so none is read. weighbridge inspect says which base it \
      is, by name and root; name that one by --base.
      """),
    FindingKind(
      "base-root", "contents", .note,
      "The base that was given isn't as a whole the one that the store names",
      """
      All tensors that the difference needs are the same, so every tensor comes out right. The \
      base has others beside them that the one did not have, or lacks some: masks, say. Or \
      somebody changed the store's manifest and its seal. weighbridge verify --replay tells: \
      it makes the difference again.
      """),
    FindingKind(
      "base-unproven", "contents", .warning,
      "Nothing tells whether an update's unchanged tensors are the right ones",
      """
      A trainer's update names its base by a counter, and has checksums of the tensors that it \
      changes. Those that it doesn't change are the base's, whatever that is: another model of \
      the same shapes, or another version of it, would pass. Updates that weighbridge writes \
      name their base by its root. Of others, compare the result with what the trainer has.
      """),
    FindingKind(
      "sidecar-broken", "contents", .error,
      "A file beside the weights is broken",
      """
      A configuration, tokenizer or other file that goes with the model isn't what its name \
      says: its JSON is malformed, it is empty, or it is a placeholder of Git LFS or a web \
      page instead of the download. It is a warning for files that no loader reads. Get the \
      file again.
      """),
  ]
}
