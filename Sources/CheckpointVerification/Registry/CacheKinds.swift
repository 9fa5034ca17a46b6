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
      """)
  ]
}
