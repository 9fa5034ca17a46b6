public import CheckpointFormats
public import FileContainers
public import ModelArchitectures
public import Quantization
import TensorEvaluation
public import TensorModel

/// Everything that a conversion will write: a value that can be printed, compared, digested and run.
///
/// Only two things need tensor data before: masks and tied heads that may mean something, and dtypes of a store's tensors that are sums.
public struct ConversionPlan: Sendable {
  /// What is converted.
  public let source: SourceDescription
  /// The destination's format.
  public let format: String
  /// What was asked for.
  public let settings: Settings
  /// What tokens see, which the format can carry.
  public let attention: AttentionMode
  /// What is evaluated, in canonical order.
  public let groups: [OutputGroup]
  /// The output tensors: the groups' parts one after the other.
  public let tensors: PlannedTensors
  /// The files that hold them.
  public let weightFiles: [WeightFile]
  /// The other files, in the order in which they are to appear; the certificate comes after them.
  public let sidecars: [Sidecar]
  /// Files that describe the weights and can only be written after them.
  public let companions: [String]
  /// Files of the source that are not carried along.
  public let leftOut: [String]
  /// What opening and planning brought up.
  public let findings: [Finding]
  /// What is written is a difference to it; nil for a complete checkpoint.
  public let base: StoreManifest.Base?
  /// Bytes of the stored tensors that all groups are made of; 0 where nothing is quantized.
  let storedByteCount: Int

  init(
    source: SourceDescription, format: String, settings: Settings, attention: AttentionMode,
    groups: [OutputGroup], weightFiles: [WeightFile], sidecars: [Sidecar], companions: [String],
    leftOut: [String], findings: [Finding], base: StoreManifest.Base?, storedByteCount: Int
  ) {
    self.source = source
    self.format = format
    self.settings = settings
    self.attention = attention
    self.groups = groups
    self.weightFiles = weightFiles
    self.sidecars = sidecars
    self.companions = companions
    self.leftOut = leftOut
    self.findings = findings
    self.base = base
    self.storedByteCount = storedByteCount
    tensors = PlannedTensors(groups)
  }

  /// The same with other groups in other files.
  func replacing(groups: [OutputGroup], weightFiles: [WeightFile]) -> ConversionPlan {
    ConversionPlan(
      source: source, format: format, settings: settings, attention: attention, groups: groups,
      weightFiles: weightFiles, sidecars: sidecars, companions: companions, leftOut: leftOut,
      findings: findings, base: base, storedByteCount: storedByteCount)
  }

  /// What is converted.
  public struct SourceDescription: Hashable, Sendable, Encodable {
    /// Its format.
    public let format: String
    /// Its layout, in words.
    public let layout: String
    /// The model's family, if it is known.
    public let architecture: String?
  }

  /// What was asked for.
  public struct Settings: Hashable, Sendable {
    /// The dtype of float tensors; nil keeps each tensor's own.
    public var dtype: DType?
    /// Whether finite values may become infinite.
    public var allowOverflow: Bool
    /// How tensors are spread over files; nil leaves it to the format.
    public var sharding: Sharding?
    /// How a store is compressed; nil leaves it to the format.
    public var compression: Compression?
    /// How weights are quantized; nil if they aren't.
    public var quantization: QuantizationRequest?
    /// How the experts of a mixture are written; nil keeps the source's spelling.
    public var experts: Architecture.ExpertSpelling?
    /// What the base of a difference is called; nil takes the last component of its path.
    public var baseHint: String?
    /// The version of a trainer's update; nil for other formats.
    public internal(set) var deltaVersion: Int?
    /// The name of a destination that is one file; nil for a directory.
    public internal(set) var fileName: String?
    /// What the model is called in formats that have a name for it, where the source's files have none; nil takes the name of the source's place.
    public internal(set) var title: String?

    /// Settings.
    public init(
      dtype: DType? = nil, allowOverflow: Bool = false, sharding: Sharding? = nil,
      compression: Compression? = nil
    ) {
      self.dtype = dtype
      self.allowOverflow = allowOverflow
      self.sharding = sharding
      self.compression = compression
    }
  }

  /// How tensors are spread over files.
  public enum Sharding: Hashable, Sendable {
    /// Files of at most so many bytes of tensors, unless one tensor alone has more.
    case maximumByteCount(Int)
    /// So many files.
    case count(Int)
    /// One file, whatever its size.
    case none
  }

  /// How the chunks of a store are compressed.
  public enum Compression: Hashable, Sendable, CustomStringConvertible {
    /// Not at all: tensors lie in one piece.
    case uncompressed
    /// By zstd; nil takes what suits each dtype best, else one of zstd's levels.
    case zstd(level: Int?)

    /// The levels that zstd has.
    public static var levels: ClosedRange<Int> { ZstdChunkEncoder.levels }

    /// As `--compression` spells it.
    public var description: String {
      switch self {
      case .uncompressed: "none"
      case .zstd(nil): "zstd"
      case .zstd(let level?): "zstd:\(level)"
      }
    }
  }

  /// A file that holds tensors.
  public struct WeightFile: Hashable, Sendable {
    /// Its name, which may be in a folder.
    public let name: String
    /// What it looks like; nil for a volume of a store.
    public let layout: FileLayout?
    /// Its size; for a volume of a store the most that it can be.
    public let byteCount: Int

    init(name: String, layout: FileLayout?, byteCount: Int) {
      self.name = name
      self.layout = layout
      self.byteCount = byteCount
    }

    /// A file whose every offset is known.
    public init(name: String, layout: FileLayout) {
      self.init(name: name, layout: layout, byteCount: layout.byteCount)
    }
  }

  /// A file that is written whole.
  public struct Sidecar: Sendable {
    /// Its name.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// SHA-256 of its contents.
    public let digest: Digest
    /// Makes or reads bytes of the contents, so many from a position.
    public let read: @Sendable (_ offset: Int, _ count: Int) throws(CheckpointError) -> [UInt8]

    /// What is read at once.
    private static let pieceByteCount = 8 << 20

    /// A file of our own making.
    public init(name: String, contents: [UInt8]) {
      self.name = name
      byteCount = contents.count
      digest = Digest(of: contents)
      read = { (offset, count) throws(CheckpointError) in
        Array(contents.dropFirst(offset).prefix(count))
      }
    }

    /// A file of our own making, which is made anew whenever it is read: a long one isn't kept with the plan.
    init(name: String, making contents: @escaping @Sendable () -> [UInt8]) {
      let whole = contents()
      self.name = name
      byteCount = whole.count
      digest = Digest(of: whole)
      read = { (offset, count) throws(CheckpointError) in
        Array(contents().dropFirst(offset).prefix(count))
      }
    }

    /// A file of the source, which is read once to know its digest.
    ///
    /// - Parameters:
    ///   - name: its name in the destination.
    ///   - asset: the file.
    ///   - resources: say whether to go on.
    /// - Throws: what reading throws, `interrupted`.
    init(
      name: String, copying asset: Checkpoint.Asset, _ resources: EvaluationResources
    ) throws(CheckpointError) {
      self.name = name
      byteCount = asset.byteCount
      read = asset.read
      var stream = StreamingDigest()
      try Self.forEachPiece(of: asset.byteCount, asset.read) { bytes, _ throws(CheckpointError) in
        if bytes.count == Self.pieceByteCount { try resources.checkCancellation() }
        bytes.withUnsafeBytes { stream.update($0) }
      }
      digest = stream.digest
    }

    /// All of a small file.
    ///
    /// - Throws: what reading throws.
    public func contents() throws(CheckpointError) -> [UInt8] { try read(0, byteCount) }

    /// Writes the file.
    ///
    /// - Parameters:
    ///   - path: must not be there yet.
    ///   - resources: say whether to go on.
    /// - Throws: `corrupt` if the contents aren't those that were planned, `interrupted`, what reading and writing throw.
    func write(to path: String, _ resources: EvaluationResources) throws(CheckpointError) {
      let file = try OutputFile(creating: path, byteCount: 0)
      var stream = StreamingDigest()
      try Self.forEachPiece(of: byteCount, read) { bytes, offset throws(CheckpointError) in
        if bytes.count == Self.pieceByteCount { try resources.checkCancellation() }
        bytes.withUnsafeBytes { stream.update($0) }
        try file.write(at: offset, bytes)
      }
      guard stream.digest == digest else {
        throw CheckpointError(
          .corrupt, "changed while it was copied", file: name, expected: "\(digest)",
          found: "\(stream.digest)")
      }
      try file.synchronise()
    }

    private static func forEachPiece(
      of byteCount: Int, _ read: (Int, Int) throws(CheckpointError) -> [UInt8],
      _ body: ([UInt8], Int) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
      var offset = 0
      while offset < byteCount {
        let bytes = try read(offset, min(pieceByteCount, byteCount - offset))
        guard !bytes.isEmpty else { return }
        try body(bytes, offset)
        offset += bytes.count
      }
    }
  }

  /// Whether the sizes of all files are known; those of compressed volumes aren't.
  public var knowsSizes: Bool {
    groups.allSatisfy { $0.parts.allSatisfy { $0.place != nil || $0.encoding == .contiguous } }
  }

  /// Bytes of all files; of a store at most.
  public var byteCount: Int {
    weightFiles.reduce(0) { $0 + $1.byteCount } + sidecars.reduce(0) { $0 + $1.byteCount }
  }
}
