public import TensorEvaluation
public import TensorModel

/// Everything that a conversion will write, known before any tensor data is read: a value that can be printed, compared, digested and run.
public struct ConversionPlan: Sendable {
  /// What is converted.
  public let source: SourceDescription
  /// The destination's format.
  public let format: String
  /// What was asked for.
  public let settings: Settings
  /// The output tensors, in canonical order.
  public let tensors: [PlannedTensor]
  /// The files that hold them.
  public let weightFiles: [WeightFile]
  /// The other files, in the order in which they are to appear; the certificate comes after them.
  public let sidecars: [Sidecar]
  /// Files of the source that are not carried along.
  public let leftOut: [String]
  /// What opening and planning brought up.
  public let findings: [Finding]

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
  public struct Settings: Hashable, Sendable, Encodable {
    /// The dtype of float tensors; nil keeps each tensor's own.
    public var dtype: DType?
    /// Whether finite values may become infinite.
    public var allowOverflow: Bool
    /// How tensors are spread over files.
    public var sharding: Sharding

    /// Settings.
    public init(dtype: DType? = nil, allowOverflow: Bool = false, sharding: Sharding = .standard) {
      self.dtype = dtype
      self.allowOverflow = allowOverflow
      self.sharding = sharding
    }
  }

  /// How tensors are spread over files.
  public enum Sharding: Hashable, Sendable, Encodable {
    /// Files of at most so many bytes of tensors, unless one tensor alone has more.
    case maximumByteCount(Int)
    /// So many files.
    case count(Int)
    /// One file, whatever its size.
    case none

    /// 5 GB, which is what the Hub's own tools make.
    public static let standard = Sharding.maximumByteCount(5_000_000_000)
  }

  /// An output tensor.
  public struct PlannedTensor: Hashable, Sendable {
    /// Its name in the destination.
    public let name: String
    /// Its dtype and shape.
    public let type: TensorType
    /// How it is computed, casts included.
    public let expression: TensorExpression
    /// The file that holds it, as a place in `weightFiles`.
    public let file: Int
    /// Where its bytes begin in the file.
    public let byteOffset: Int

    /// Bytes of it.
    public var byteCount: Int { type.geometry.rows * type.geometry.rowByteCount }
  }

  /// A file that holds tensors.
  public struct WeightFile: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// What stands before the tensors.
    public let header: [UInt8]
  }

  /// A file that is written whole.
  public struct Sidecar: Sendable {
    /// Its name.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// SHA-256 of its contents.
    public let digest: Digest
    /// Makes or reads the contents.
    public let contents: @Sendable () throws(CheckpointError) -> [UInt8]
  }

  /// Bytes of all files.
  public var byteCount: Int {
    weightFiles.reduce(0) { $0 + $1.byteCount } + sidecars.reduce(0) { $0 + $1.byteCount }
  }
}
