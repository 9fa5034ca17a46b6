// What an HDF5 file says about its datasets, without trust: nothing is followed that leads out of the file or around in it, nothing is
// decoded, and all that a volume must not contain is named. libhdf5 itself has crashed on damaged files before: call this in a process
// of its own, with `limitProcess`.

/// All datasets in the groups `/tensors` and `/differences` of a file.
public struct HDF5Catalogue: Codable, Hashable, Sendable {
  /// What is looked at in a file at the most.
  public static let maximumDatasetCount = 1_000_000
  /// Over all datasets.
  public static let maximumChunkCount = 10_000_000
  /// Further problems aren't told.
  public static let maximumProblemCount = 1000

  /// A dataset.
  public struct Dataset: Codable, Hashable, Sendable {
    /// Its name in its group.
    public var linkName: String
    /// Whether that is `/differences`.
    public var isDifference: Bool
    /// The attribute `name`, if it is a text as we write it.
    public var name: String?
    /// The attribute `dtype`, likewise.
    public var dtype: String?
    /// The attribute `base` of differences, likewise.
    public var base: String?
    /// The attribute `coding` of differences, likewise.
    public var coding: String?
    /// The attribute `shape` of packed dtypes, likewise: `[2,3]`.
    public var shape: String?
    /// The dtypes that are stored with just this type: several for bytes, none for types that we don't write.
    public var storedDTypes: [String]
    /// The extents, outermost first.
    public var extents: [Int]
    /// Where its bytes are.
    public var layout: Layout
  }

  /// Where the bytes of a dataset are.
  public enum Layout: Codable, Hashable, Sendable {
    /// In one piece; no offset if nothing was allocated.
    case contiguous(offset: Int?, byteCount: Int)
    /// In chunks of the same extents, as filters have made them.
    case chunked(extents: [Int], filters: [Int], chunks: [Chunk])
  }

  /// A chunk.
  public struct Chunk: Codable, Hashable, Sendable {
    /// The indices of its first element.
    public var start: [Int]
    /// Where it stands in the file.
    public var offset: Int
    /// How many bytes it has there.
    public var storedByteCount: Int
    /// A bit for each filter that was not applied, the first filter's lowest.
    public var skippedFilters: UInt32
  }

  /// Those of `/tensors` first, in the order of their link names' bytes.
  public var datasets: [Dataset] = []
  /// What a volume must not contain, a sentence each.
  public var problems: [String] = []
}
