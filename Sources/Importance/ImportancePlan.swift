public import CheckpointFormats
public import FileContainers
public import ReferenceForward

/// What an importance run is to do, as far as its sums depend on it.
public struct ImportancePlan {
  /// SHA-256 over it.
  public let digest: Digest

  /// A plan.
  ///
  /// - Parameters:
  ///   - source: the model; its files count by names, sizes and times.
  ///   - windows: of tokens.
  ///   - prefix: the first tokens of each that see each other.
  ///   - includesHead: whether what makes the logits is measured, too.
  public init(_ source: Source, _ windows: TokenWindows, prefix: Int, includesHead: Bool) {
    var stream = StreamingDigest()
    func take(_ text: String) { Array("\(text)\n".utf8).withUnsafeBytes { stream.update($0) } }
    for input in source.inputs {
      take("\(input.name) \(input.byteCount ?? 0) \(input.modificationTime ?? 0)")
    }
    take("\(prefix) \(includesHead)")
    for row in windows.rows {
      take("\(row.count)")
      row.withUnsafeBytes { stream.update($0) }
    }
    digest = stream.digest
  }
}
