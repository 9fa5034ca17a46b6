public import TensorModel

// What a volume's datasets can be asked to be.

extension HDF5Volume {
  /// How a dataset's chunks are encoded.
  public struct Encoding: Hashable, Sendable {
    /// The chunk's extents.
    public let chunk: [Int]
    /// Whether bytes are shuffled before they are compressed.
    public let shuffles: Bool
    /// The level that the zstd filter's parameter names; readers don't need it.
    public let level: Int

    /// An encoding.
    public init(chunk: [Int], shuffles: Bool, level: Int) {
      self.chunk = chunk
      self.shuffles = shuffles
      self.level = level
    }
  }

  /// What a dataset of differences says of itself.
  public struct Difference: Hashable, Sendable {
    /// The base's tensor.
    public let base: String
    /// The tensor's own dtype: the dataset's is an unsigned integer of the same width.
    public let dtype: DType

    /// Differences of unsigned integers to that tensor.
    public init(base: String, dtype: DType) {
      self.base = base
      self.dtype = dtype
    }

    /// How they are coded: distances in units in the last place, as zigzag.
    public static let coding = "ulp-zigzag"
  }
}
