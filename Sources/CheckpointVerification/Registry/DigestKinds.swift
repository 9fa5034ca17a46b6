import TensorModel

extension FindingKinds {
  /// A checkpoint against a manifest of digests.
  static let digests: [FindingKind] = [
    FindingKind(
      "digest-mismatch", "digests", .error,
      "A file's digest isn't the one in the manifest",
      """
      The file is there, and its bytes aren't those that the manifest was made of. It was \
      changed or damaged since. Get the file again, or make a new manifest if the change was \
      made on purpose.
      """),
    FindingKind(
      "file-extra", "digests", .error,
      "A file isn't in the manifest",
      """
      The checkpoint has a file that the manifest doesn't list. It was added after the \
      manifest was made, and programs may load it. Remove it, or make a new manifest. With a \
      list of digests that needn't name all files, as SHA256SUMS, it is a warning.
      """),
    FindingKind(
      "tensor-changed", "digests", .error,
      "A tensor isn't the one in the manifest",
      """
      The tensor's dtype, shape or digest differs from what the manifest says. Its values were \
      changed, cast or damaged since. Get the checkpoint again, or make a new manifest if the \
      change was made on purpose.
      """),
    FindingKind(
      "tensor-added", "digests", .error,
      "A tensor isn't listed in the manifest",
      """
      The checkpoint has a tensor that wasn't there when the manifest was made. Somebody added \
      it, or the manifest is another model's. Check that checkpoint and manifest belong \
      together.
      """),
    FindingKind(
      "tensor-removed", "digests", .error,
      "A tensor of the manifest is missing",
      """
      The manifest lists a tensor that the checkpoint doesn't have. It was removed, or a file \
      is missing. Check that checkpoint and manifest belong together, and get the checkpoint \
      again.
      """),
    FindingKind(
      "manifest-unusable", "digests", .error,
      "The manifest can't be used",
      """
      The file isn't a manifest that can be read: its text is malformed, it lists nothing, or \
      it names files outside of the checkpoint. Nothing was compared with it. Get the manifest \
      again, or make it again with `weighbridge manifest`.
      """),
  ]
}
