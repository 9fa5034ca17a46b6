import TensorModel

extension FindingKinds {
  /// Files of a download cache against the digests by which they were downloaded.
  static let cache: [FindingKind] = [
    FindingKind(
      "cache-digest", "cache", .error,
      "A downloaded file isn't what the server sent",
      """
      Hugging Face's client records the digest that the server has of each file, and the file \
      on disk has another one. It was changed or damaged after the download, or the download \
      wasn't complete. Delete the file from the cache and download it again.
      """),
    FindingKind(
      "cache-unlinked", "cache", .warning,
      "A file among downloaded ones wasn't downloaded",
      """
      Other files of the folder are links into a cache's blobs, or the client has kept the \
      digest that the server has of them. This one is a file of its own: it was put there \
      later, in the place of a downloaded one or beside it, and nothing says what it should \
      be. Delete it and download the model again, or compare it with its source.
      """),
  ]
}
