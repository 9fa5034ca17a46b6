/// A file of which everything but the tensors' bytes is known before any of them is computed: its size, its frame, and where each tensor
/// goes.
public struct FileLayout: Hashable, Sendable {
  /// The size of the file.
  public let byteCount: Int
  /// What stands around the tensors: headers, directories.
  public let frame: [Run]
  /// Where the tensors go, in the order in which they were given.
  public let places: [Place]

  /// Fixed bytes.
  public struct Run: Hashable, Sendable {
    /// Where they stand in the file.
    public let byteOffset: Int
    /// What they are.
    public let bytes: [UInt8]

    /// Fixed bytes at a place.
    public init(byteOffset: Int, bytes: [UInt8]) {
      self.byteOffset = byteOffset
      self.bytes = bytes
    }
  }

  /// Where a tensor goes.
  public struct Place: Hashable, Sendable {
    /// Where its bytes begin in the file.
    public let byteOffset: Int
    /// The checksum over it that the frame has room for; nil if there is none.
    public let checksum: Checksum?

    /// A place.
    public init(byteOffset: Int, checksum: Checksum? = nil) {
      self.byteOffset = byteOffset
      self.checksum = checksum
    }
  }

  /// A CRC-32 that can be filled in when a tensor's bytes are known.
  public struct Checksum: Hashable, Sendable {
    /// The CRC-32 of what comes before the tensor.
    public let seed: UInt32
    /// Where in the file it stands, little-endian.
    public let byteOffsets: [Int]

    /// A checksum to fill in.
    public init(seed: UInt32, byteOffsets: [Int]) {
      self.seed = seed
      self.byteOffsets = byteOffsets
    }
  }

  /// A layout.
  ///
  /// - Parameters:
  ///   - byteCount: of the whole file.
  ///   - frame: fixed bytes.
  ///   - places: of the tensors.
  public init(byteCount: Int, frame: [Run], places: [Place]) {
    self.byteCount = byteCount
    self.frame = frame
    self.places = places
  }
}
