public import FileContainers
public import TensorModel

/// The manifest of a store, `store.json`: what is in it, where, and the digests of everything.
public struct StoreManifest: Hashable, Sendable {
  /// The JSON schema that manifests of complete stores validate against.
  public static let schemaName = "store/v1"
  /// That of stores that are differences to a base.
  public static let differenceSchemaName = "store/v2"
  /// Half a million tensors' worth.
  static let maximumByteCount = 256 << 20

  /// The model's family, if it is known.
  public var architecture: String?
  /// The model's configuration, an object; null if there is none.
  ///
  /// For readers of the manifest alone; `assets/config.json` is what counts.
  public var configuration: JSONValue = .null
  /// Metadata of the container that the weights came from.
  public var metadata: [ExactName: String] = [:]
  /// What tokens see.
  public var attention = AttentionMode.causal
  /// The training step, where the source says it.
  public var trainingStep: Int?
  /// What the store is a difference to; nil for one that is complete by itself.
  public var base: Base?
  /// The tensors, in canonical order.
  public var tensors: [Tensor]
  /// The HDF5 files.
  public var volumes: [Volume]
  /// `weights.h5`.
  public var links: FileRecord
  /// `chunks.json`.
  public var chunkTable: FileRecord
  /// What is in `assets/`.
  public var assets: [FileRecord]
  /// The certificate of the import.
  public var certificate: FileRecord
  /// The root of all tensors.
  public var root: Digest

  /// The paths of all files but the manifest.
  public var fileNames: [String] {
    volumes.map(\.name) + [links.name, chunkTable.name, certificate.name]
      + assets.map { "\(StoreFormat.assetFolder)/\($0.name)" }
  }

  /// A manifest.
  public init(
    tensors: [Tensor], volumes: [Volume], links: FileRecord, chunkTable: FileRecord,
    assets: [FileRecord], certificate: FileRecord, root: Digest
  ) {
    self.tensors = tensors
    self.volumes = volumes
    self.links = links
    self.chunkTable = chunkTable
    self.assets = assets
    self.certificate = certificate
    self.root = root
  }

  /// A tensor.
  public struct Tensor: Hashable, Sendable {
    /// The canonical name.
    public let name: String
    /// Dtype and shape.
    public let type: TensorType
    /// The volume's name; nil for a tensor that is the base's.
    public let volume: String?
    /// The dataset's path in the volume and in `weights.h5`; nil likewise.
    public let dataset: String?
    /// How its bytes are stored, or those of its difference.
    public let encoding: Encoding
    /// SHA-256 of its little-endian, row-major bytes.
    public let digest: Digest
    /// What it is the same as, or a difference to; nil for one that is stored by itself.
    public let base: BaseTensor?

    /// A tensor.
    public init(
      name: String, type: TensorType, volume: String?, dataset: String?, encoding: Encoding,
      digest: Digest, base: BaseTensor? = nil
    ) {
      self.name = name
      self.type = type
      self.volume = volume
      self.dataset = dataset
      self.encoding = encoding
      self.digest = digest
      self.base = base
    }

    /// Whether its dataset holds differences.
    public var isDifference: Bool { base != nil && encoding != .base }

    /// What its dataset holds: itself, or its differences.
    public var storedType: TensorType {
      isDifference ? TensorType(type.dtype.differenceDType ?? type.dtype, type.shape) : type
    }
  }

  /// How a tensor's bytes are stored.
  public enum Encoding: Hashable, Sendable {
    /// In one piece.
    case contiguous
    /// In chunks of these extents, through filters.
    case chunked([Int], [Filter])
    /// Not at all: it is a tensor of the base.
    case base
  }

  /// What is done to a chunk, in this order.
  public enum Filter: String, Hashable, Sendable {
    /// The first bytes of all elements, then the second ones, …: HDF5's filter 2.
    case shuffle
    /// A zstd frame: HDF5's registered filter 32015.
    case zstd
  }

  /// An HDF5 file.
  public struct Volume: Hashable, Sendable {
    /// Its name, `weights-00001.h5`.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// SHA-256 of all bytes that belong to no chunk: HDF5's own structures, and the gaps.
    public let structureDigest: Digest

    /// A volume.
    public init(name: String, byteCount: Int, structureDigest: Digest) {
      self.name = name
      self.byteCount = byteCount
      self.structureDigest = structureDigest
    }
  }

  /// Any other file.
  public struct FileRecord: Hashable, Sendable {
    /// Its name, without the folder.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// SHA-256 of it.
    public let digest: Digest

    /// A file.
    public init(name: String, byteCount: Int, digest: Digest) {
      self.name = name
      self.byteCount = byteCount
      self.digest = digest
    }

    /// A file with these contents.
    public init(name: String, contents: [UInt8]) {
      self.init(name: name, byteCount: contents.count, digest: Digest(of: contents))
    }
  }

  /// A configuration as a manifest repeats it.
  ///
  /// - Parameter contents: of `config.json`.
  /// - Returns: null for one that is no JSON, or nests too deeply for one level more.
  public static func configuration(of contents: [UInt8]) -> JSONValue {
    // One level deeper, as in the manifest: what nests too deeply there is in the asset alone.
    let nested = try? JSONValue(parsing: [0x5b] + contents + [0x5d]).elements
    return nested.flatMap { $0.count == 1 ? $0[0] : nil } ?? .null
  }

  /// The root that the tensors have, which `root` must say.
  public var rootOfTensors: Digest {
    rootDigest(ofTensors: tensors.count, named: { tensors[$0].name }) {
      let tensor = tensors[$0]
      return TensorIdentity(
        name: tensor.name, dtype: tensor.type.dtype, shape: tensor.type.shape,
        digest: tensor.digest)
    }
  }
}
