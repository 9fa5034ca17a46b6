/// A file of which everything but the tensors' bytes is known before any of them is computed: its size, its frame, and where each tensor
/// goes.
public struct FileLayout: Hashable, Sendable {
  /// The size of the file.
  public let byteCount: Int
  /// What stands around the tensors: headers, directories.
  public let frame: Frame
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

  /// All fixed bytes of a file: as one array, for there can be a run for each of a million tensors.
  public struct Frame: Hashable, Sendable, RandomAccessCollection {
    private var header: Header?
    private var bytes: [UInt8] = []
    private var bounds: [Bounds] = []

    /// Bytes at a file's beginning that are made whenever they are asked for.
    private struct Header: Sendable {
      let byteCount: Int
      let make: @Sendable () -> [UInt8]
    }

    private struct Bounds: Hashable {
      /// Where a run begins in the file.
      let byteOffset: Int
      /// Where it ends in `bytes`.
      let end: Int
    }

    /// No bytes, and room for some.
    ///
    /// - Parameters:
    ///   - runCount: how many runs are to come.
    ///   - byteCount: how many bytes these have.
    public init(runCount: Int = 0, byteCount: Int = 0) {
      bounds.reserveCapacity(runCount)
      bytes.reserveCapacity(byteCount)
    }

    /// One run from a file's beginning.
    public init(header: [UInt8]) {
      bytes = header
      bounds = [Bounds(byteOffset: 0, end: header.count)]
    }

    /// One run from a file's beginning that isn't kept: a long one would stay in memory as long as what it describes is written.
    ///
    /// - Parameters:
    ///   - headerByteCount: how many bytes it has.
    ///   - header: makes it, each time the same.
    public init(headerByteCount: Int, making header: @escaping @Sendable () -> [UInt8]) {
      self.header = Header(byteCount: headerByteCount, make: header)
    }

    /// Adds fixed bytes.
    ///
    /// - Parameters:
    ///   - run: what they are.
    ///   - byteOffset: where they stand in the file.
    public mutating func append(_ run: some Sequence<UInt8>, at byteOffset: Int) {
      bytes.append(contentsOf: run)
      bounds.append(Bounds(byteOffset: byteOffset, end: bytes.count))
    }

    /// 0.
    public var startIndex: Int { 0 }

    /// How many runs there are.
    public var endIndex: Int { bounds.count + headerCount }

    private var headerCount: Int { header == nil ? 0 : 1 }

    /// A run, with bytes of its own.
    public subscript(place: Int) -> Run {
      if place == 0, let header { return Run(byteOffset: 0, bytes: header.make()) }
      let place = place - headerCount
      let start = place == 0 ? 0 : bounds[place - 1].end
      return Run(
        byteOffset: bounds[place].byteOffset, bytes: Array(bytes[start..<bounds[place].end]))
    }

    /// Where each run stands in the file, without its bytes.
    public var ranges: [Range<Int>] {
      var (ranges, start) = (header.map { [0..<$0.byteCount] } ?? [], 0)
      for run in bounds {
        ranges.append(run.byteOffset..<run.byteOffset + run.end - start)
        start = run.end
      }
      return ranges
    }

    /// Whether the runs are the same.
    public static func == (left: Frame, right: Frame) -> Bool {
      left.ranges == right.ranges && left.elementsEqual(right)
    }

    /// Hashes where the runs stand.
    public func hash(into hasher: inout Hasher) { hasher.combine(ranges) }
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
  public init(byteCount: Int, frame: Frame, places: [Place]) {
    self.byteCount = byteCount
    self.frame = frame
    self.places = places
  }
}
