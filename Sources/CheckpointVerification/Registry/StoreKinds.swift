import TensorModel

extension FindingKinds {
  /// A canonical store against its own manifest.
  static let store: [FindingKind] = [
    FindingKind(
      "store-structure", "store", .error,
      "Bytes between the tensors of a volume were changed",
      """
      The manifest has a digest of everything in a volume that isn't tensor data, and it \
      doesn't match. The file was changed after the store was written, by damage or by another \
      program. Copy the store again, or convert it again from its source.
      """),
    FindingKind(
      "store-unreadable", "store", .error,
      "A file of the store can't be read",
      """
      A volume or another file of the store is damaged in a way that keeps it from being \
      checked. The message says what is wrong and where. Copy the store again, or convert it \
      again from its source.
      """),
    FindingKind(
      "store-disagrees", "store", .error,
      "HDF5 sees other tensors than the manifest lists",
      """
      Programs that open the volume with the HDF5 library find a dataset that the manifest \
      doesn't list, find none where it lists one, or find another shape, type or place. They \
      would read other values than weighbridge does. Don't use the store; make it again from \
      its source.
      """),
    FindingKind(
      "store-manifest", "store", .error,
      "A store's manifest has another configuration than its files",
      """
      The manifest repeats the model's configuration for programs that read nothing else, and \
      assets/config.json, which counts, says something else. The manifest was changed and \
      sealed again. Make the store again from its source.
      """),
    FindingKind(
      "store-file-changed", "store", .error,
      "A file of the store was changed after it was written",
      """
      The manifest records size and digest of the files that belong to the store, and this \
      file has others. Somebody edited it, or it was damaged. Put the original file back, or \
      make the store again.
      """),
  ]
}
