public import TensorModel

/// What libhdf5 sees of the weights in an HDF5 file: names, types, and where their bytes are.
///
/// A process of its own makes it, because the library isn't trusted with bytes of unknown origin, and sends it as `DatasetMessage` has it.
/// Nothing in it is certain but that its parts are of the right kind.
public struct DatasetCatalogue: Hashable, Sendable {
  /// What a catalogue may have at most.
  public enum Limit {
    /// Datasets.
    public static let datasetCount = 65_536
    /// Chunks of all datasets.
    public static let chunkCount = 1 << 20
    /// Chunks of one dataset: libhdf5 finds each by going through those before it, and takes 20 seconds for so many.
    public static let chunkCountOfDataset = 40_000
    /// Bytes of a name or another text.
    public static let textByteCount = 4096
    /// Bytes of all names.
    public static let namesByteCount = 16 << 20
  }

  /// A dataset.
  public struct Dataset: Hashable, Sendable {
    /// What the file calls the weight.
    public var name: String
    /// A float of 16, 32 or 64 bits.
    public var dtype: DType
    /// Whether numbers begin with their most significant byte.
    public var isBigEndian: Bool
    /// The extents.
    public var shape: Shape
    /// Where its bytes are.
    public var storage: Storage

    /// A dataset.
    public init(
      name: String, dtype: DType, isBigEndian: Bool, shape: Shape, storage: Storage
    ) {
      self.name = name
      self.dtype = dtype
      self.isBigEndian = isBigEndian
      self.shape = shape
      self.storage = storage
    }
  }

  /// Where the bytes of a dataset are.
  public enum Storage: Hashable, Sendable {
    /// In one run that begins there.
    case contiguous(offset: Int)
    /// In chunks of the same extents, listed in row-major order, as filters have made them.
    case chunked(extents: [Int], filters: [Filter], chunks: [Chunk])
  }

  /// What chunks have gone through, in the order of writing.
  public struct Filter: Hashable, Sendable {
    /// HDF5's number.
    public var number: Int
    /// Bytes of an element, for the shuffle.
    public var parameter: Int

    /// A filter.
    public init(number: Int, parameter: Int) {
      self.number = number
      self.parameter = parameter
    }
  }

  /// A chunk.
  public struct Chunk: Hashable, Sendable {
    /// Where it stands in the file.
    public var offset: Int
    /// How many bytes it has there.
    public var byteCount: Int
    /// A bit for each filter that was not applied, the first filter's lowest.
    public var skippedFilters: UInt32

    /// A chunk.
    public init(offset: Int, byteCount: Int, skippedFilters: UInt32) {
      self.offset = offset
      self.byteCount = byteCount
      self.skippedFilters = skippedFilters
    }
  }

  /// In the order in which the file lists them.
  public var datasets: [Dataset]
  /// Whether weights lie in layers, under names that begin with the model's scope.
  public var hasLayers: Bool
  /// What lies in the file's root and belongs to no weight, as far as it is listed.
  public var unlisted: [String]

  /// A catalogue.
  public init(datasets: [Dataset] = [], hasLayers: Bool = false, unlisted: [String] = []) {
    self.datasets = datasets
    self.hasLayers = hasLayers
    self.unlisted = unlisted
  }
}
