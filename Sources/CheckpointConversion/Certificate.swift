public import CheckpointFormats
public import FileContainers
import TensorEvaluation
public import TensorModel

/// What a conversion did, tensor by tensor: the plan with digests filled in.
///
/// Anybody can check it.
///
/// Equal conversions give equal certificates: no times, no absolute paths, no thread counts.
public struct Certificate: Sendable, Codable, Hashable {
  /// The JSON schema that it validates against.
  public static let schemaName = "certificate/v1"
  /// The most bytes that one may have: half a million tensors' worth.
  public static let maximumByteCount = 256 << 20
  /// Its name in a directory.
  public static let fileName = "weighbridge-certificate.json"

  /// Its names beside a checkpoint that is one file, the usual one first: after the file's without its ending, and with it.
  public static func fileNames(beside file: String) -> [String] {
    let stem = file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
    return ["\(stem).certificate.json", "\(file).certificate.json"]
  }

  /// The schema's name.
  public var schema = Certificate.schemaName
  /// Who wrote it.
  public let tool: Tool
  /// The digest of the plan.
  public let plan: Digest
  /// What was converted.
  public let source: SourceRecord
  /// The destination's format.
  public let format: String
  /// What was asked for; absent in certificates of earlier versions.
  public var settings: SettingsRecord?
  /// What tokens see; absent in certificates of earlier versions, where it always was `causal`.
  public var attention: AttentionMode?
  /// What the result is a difference to; absent for complete checkpoints, and in certificates of earlier versions.
  public var base: Base?
  /// The files that were read.
  public internal(set) var inputs: [InputRecord]
  /// The tensors that were written, in canonical order.
  public internal(set) var tensors: [TensorRecord]
  /// The files that hold them.
  public internal(set) var files: [FileRecord]
  /// Files written beside them.
  public let assets: [AssetRecord]
  /// Files of the source that were not carried along.
  public let leftOut: [String]
  /// What a person should know.
  public internal(set) var findings: [Finding]
  /// What running source and result side by side brought up, if that was asked for.
  public var validation: Validation?
  /// The root of all tensors.
  public internal(set) var root: Digest

  /// How far apart source and result compute on the same tokens.
  public struct Validation: Sendable, Codable, Hashable {
    /// Tokens that were run.
    public let tokenCount: Int
    /// The largest difference of a logit; nil if not both compute numbers.
    public let maxAbsLogitDifference: Double?
    /// The mean Kullback-Leibler divergence of next-token distributions, in nats; nil likewise.
    public let meanKlDivergence: Double?
    /// The largest one; nil likewise.
    public let maxKlDivergence: Double?
    /// Half of the divergences are below; nil likewise.
    public let medianKlDivergence: Double?
    /// 99 % of the divergences are below; nil likewise.
    public let p99KlDivergence: Double?
    /// By how much the mean negative log-likelihood of the tokens grows, in nats; nil likewise, and for a single token.
    public let negativeLogLikelihoodIncrease: Double?
    /// Positions at which both find the same token likeliest.
    public let sameTopFraction: Double

    /// Whether source and result compute numbers.
    public var computesNumbers: Bool { maxAbsLogitDifference != nil }

    /// Figures of a run.
    ///
    /// - Parameters:
    ///   - tokenCount: tokens that were run.
    ///   - maxAbsLogitDifference: the largest difference of a logit.
    ///   - klDivergence: of next-token distributions, in nats: the mean, the median, what 99 % are below, the largest.
    ///   - negativeLogLikelihoodIncrease: of the tokens, in nats, the mean.
    ///   - sameTopFraction: positions with the same likeliest token.
    public init(
      tokenCount: Int, maxAbsLogitDifference: Double?,
      klDivergence: (mean: Double?, median: Double?, p99: Double?, max: Double?),
      negativeLogLikelihoodIncrease: Double?, sameTopFraction: Double
    ) {
      self.tokenCount = tokenCount
      self.maxAbsLogitDifference = maxAbsLogitDifference
      meanKlDivergence = klDivergence.mean
      medianKlDivergence = klDivergence.median
      p99KlDivergence = klDivergence.p99
      maxKlDivergence = klDivergence.max
      self.negativeLogLikelihoodIncrease = negativeLogLikelihoodIncrease
      self.sameTopFraction = sameTopFraction
    }
  }

  /// What a difference was made to.
  public struct Base: Sendable, Codable, Hashable {
    /// The root of all of its tensors.
    public let root: Digest
    /// What it is called.
    public let hint: String

    /// As a manifest names it.
    public init(_ base: StoreManifest.Base) {
      root = base.root
      hint = base.hint
    }
  }

  /// A program and its version.
  public struct Tool: Sendable, Codable, Hashable {
    /// `weighbridge`.
    public var name = "weighbridge"
    /// As `--version` says it.
    public let version: String

    /// This program.
    public static let current = Tool(version: "0.1.0")
  }

  /// What was converted.
  public struct SourceRecord: Sendable, Codable, Hashable {
    /// Its format.
    public let format: String
    /// Its layout, in words.
    public let layout: String
    /// The model's family, if it is known.
    public let architecture: String?
  }

  /// A file that was read.
  public struct InputRecord: Sendable, Codable, Hashable {
    /// Relative to the source.
    public let name: String
    /// Its size; absent for standard input.
    public let byteCount: Int?
    /// SHA-256 of it, if that was asked for.
    public let digest: Digest?
  }

  /// A tensor that was written.
  public struct TensorRecord: Sendable, Codable, Hashable {
    /// Its name in the destination.
    public let name: String
    /// Its dtype.
    public let dtype: DType
    /// Its extents.
    public let shape: Shape
    /// The file that holds it.
    public internal(set) var file: String
    private var computation: ExpressionText
    private var storedNames: ExpressionSources
    /// `exact` if every element has the expression's value, else `rounded`.
    public let exactness: Exactness
    /// The largest rounding error in units of the output dtype's spacing; 0 if exact.
    public let largestErrorUlp: Double
    /// Finite values that became infinite.
    public let overflowCount: Int
    /// How far blocks are from the values that they were made of; absent for other dtypes.
    public internal(set) var quantization: QuantizationRecord?
    /// SHA-256 of its little-endian, row-major bytes.
    public let digest: Digest

    /// How it was computed.
    public internal(set) var expression: String {
      get { computation.text }
      set { computation = .text(newValue) }
    }

    /// The stored tensors that it was computed from.
    public internal(set) var sources: [String] {
      get { storedNames.names }
      set { storedNames = .names(newValue) }
    }

    private enum CodingKeys: String, CodingKey {
      case name, dtype, shape, file
      case computation = "expression"
      case storedNames = "sources"
      case exactness, largestErrorUlp, overflowCount, quantization, digest
    }

    init(
      name: String, dtype: DType, shape: Shape, file: String, expression: ExpressionText,
      sources: ExpressionSources, exactness: Exactness, largestErrorUlp: Double,
      overflowCount: Int, quantization: QuantizationRecord?, digest: Digest
    ) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.file = file
      computation = expression
      storedNames = sources
      self.exactness = exactness
      self.largestErrorUlp = largestErrorUlp
      self.overflowCount = overflowCount
      self.quantization = quantization
      self.digest = digest
    }
  }

  /// Whether values changed.
  public enum Exactness: String, Sendable, Codable, Hashable {
    /// None did.
    case exact
    /// Some were rounded.
    case rounded
    /// None did, and codes and scales lie in another way than they did.
    case repacked
  }

  /// A file of the destination.
  public struct FileRecord: Sendable, Codable, Hashable {
    /// Its name.
    public let name: String
    /// Its size.
    public let byteCount: Int
  }

  /// A file written beside the weights.
  public struct AssetRecord: Sendable, Codable, Hashable {
    /// Its name.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// SHA-256 of it.
    public let digest: Digest
  }

  /// Whether standard input was converted, of which neither name nor size is known; perhaps as a difference to a base.
  public var isOfStandardInput: Bool {
    inputs.contains { $0.name == "-" }
      && inputs.allSatisfy { $0.name == "-" || $0.name.hasPrefix(Source.baseFolder) }
  }

  /// Identities of all tensors.
  public var identities: [TensorIdentity] {
    tensors.map {
      TensorIdentity(name: $0.name, dtype: $0.dtype, shape: $0.shape, digest: $0.digest)
    }
  }
}

extension Certificate.Exactness {
  /// What came of an expression.
  ///
  /// - Parameters:
  ///   - expression: of a tensor.
  ///   - isRounded: whether values changed.
  public init(_ expression: TensorExpression, isRounded: Bool) {
    self.init(isRounded: isRounded, isRepacked: expression.isRepacked)
  }

  /// What came of something that rounds, only moves codes, or neither.
  init(isRounded: Bool, isRepacked: Bool) {
    self = isRounded ? .rounded : isRepacked ? .repacked : .exact
  }
}
