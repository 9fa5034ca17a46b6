public import FileContainers
import Foundation
public import Quantization
import TensorEvaluation
public import TensorModel

/// What a quantization does to a model, tensor by tensor: `quantize --json`, and what the other reports are made of.
public struct QuantizationReport: Sendable, Encodable {
  /// The JSON schema that it validates against.
  public let schema = "quantization/v1"
  /// Who wrote it.
  public let tool = Certificate.Tool.current
  /// What is quantized.
  public let source: SourceRecord
  /// What most weights become.
  public let scheme: QuantizationScheme
  /// How much work is put into scales and codes.
  public internal(set) var quality = QuantizationQuality.plain
  /// The importance matrix; nil without one.
  public let importance: ImportanceRecord?
  /// The file of second moments; nil without one.
  public internal(set) var moments: ImportanceRecord?
  /// Weights.
  public let parameterCount: Int
  /// Bytes of all tensors.
  public let byteCount: Int
  /// Bits of all tensors for each weight.
  public let bitsPerWeight: Double
  /// How many weights are in which type, most first.
  public let types: [TypeSummary]
  /// All tensors, in the order of the file.
  public let tensors: [Tensor]
  /// Tensors whose rows don't fill blocks of the type that they should get.
  public let substitutions: [Substitution]
  /// The ten tensors with the largest relative error, worst first.
  public let worstTensors: [String]
  /// What quantizing costs in the end; nil if that wasn't measured.
  public let validation: Certificate.Validation?
  /// What errors may be at most.
  public let limits: Limits
  /// Which limits are exceeded.
  public var exceeded: [Excess]
  /// What a target for the size came to; nil where there was none.
  public internal(set) var target: SizeTargetRecord?
  /// Error against size, where more was measured than the result; nil elsewhere.
  public internal(set) var curve: SizeCurve?
  /// What other types were measured to make of the tensors.
  var measuredTypes = MeasuredTensors()
  /// What a person should know.
  public let findings: [Finding]
  /// The files that are written.
  public let files: [Certificate.FileRecord]
  /// The root of all tensors; nil as long as nothing is written.
  public let root: Digest?

  /// What is quantized.
  public struct SourceRecord: Sendable, Codable, Hashable {
    /// Its format.
    public let format: String
    /// The model's family.
    public let architecture: String?
    /// Bits for each weight.
    public let bitsPerWeight: Double
  }

  /// An importance matrix, or a file of second moments.
  public struct ImportanceRecord: Sendable, Codable, Hashable {
    /// SHA-256 of the file.
    public let digest: Digest
    /// What it was computed on.
    public let datasets: [String]
  }

  /// The tensors of a type.
  public struct TypeSummary: Sendable, Encodable {
    /// The type.
    public let dtype: WeightType
    /// How many.
    public let tensorCount: Int
    /// Their weights.
    public let parameterCount: Int
    /// Their bytes.
    public let byteCount: Int
    /// ‖x - y‖ / ‖x‖ of the worst; nil if none was quantized, or nothing was measured.
    public let largestRelativeRmse: Double?
  }

  /// A tensor.
  public struct Tensor: Sendable, Encodable {
    /// Its name in the file.
    public let name: String
    /// The type that it gets.
    public let dtype: WeightType
    /// The dtype that its values had, or codes that stood for them.
    public let sourceDtype: DType
    /// What these codes are; nil where values were stored.
    public var sourceCodes: String?
    /// Where codes stay what they are: how; nil where there are none, or new ones.
    public var reuse: Reuse?
    /// Rows and columns.
    public let shape: Shape
    /// Bytes of it.
    public internal(set) var byteCount: Int
    /// Why it gets that type.
    public let reason: TypeChoice.Reason
    /// How far blocks are from values; nil where there are no blocks, or nothing was measured.
    public let errors: QuantizationRecord?
    /// The largest rounding error in units of the output dtype's spacing where it is cast to floats; nil as long as nothing is written.
    public let largestErrorUlp: Double?
    /// SHA-256 of its bytes; nil as long as nothing is written.
    public let digest: Digest?
    /// What has to be of one type with it; nil where nothing has.
    var fused: FusedLayer?

    /// What becomes of codes that aren't made anew.
    public enum Reuse: String, Sendable, Codable {
      /// They are as they were.
      case kept
      /// They lie in another container, and each number is what it was.
      case repacked
    }

    /// What the source has, for people: a dtype, or what codes are.
    public var sourceType: String { sourceCodes ?? sourceDtype.rawValue }

    /// Errors stand beside the rest, so that a table can be made of the list.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(dtype, forKey: .dtype)
      try container.encode(sourceDtype, forKey: .sourceDtype)
      try container.encodeIfPresent(sourceCodes, forKey: .sourceCodes)
      try container.encodeIfPresent(reuse, forKey: .reuse)
      try container.encode(shape, forKey: .shape)
      try container.encode(byteCount, forKey: .byteCount)
      try container.encode(reason, forKey: .reason)
      try container.encodeIfPresent(largestErrorUlp, forKey: .largestErrorUlp)
      try container.encodeIfPresent(digest, forKey: .digest)
      try errors?.encode(to: encoder)
    }

    private enum CodingKeys: String, CodingKey {
      case name, dtype, sourceDtype, sourceCodes, reuse, shape, byteCount, reason, largestErrorUlp,
        digest
    }
  }

  /// A type that was wanted, and the one that is taken instead.
  public struct Substitution: Sendable, Encodable {
    /// The tensor.
    public let name: String
    /// What it should get.
    public let wanted: WeightType
    /// What it gets.
    public let dtype: WeightType
    /// What doesn't fill the wanted type's blocks.
    public let columns: Int
  }

  /// What errors may be at most; nil is no limit.
  public struct Limits: Sendable, Encodable {
    /// The mean Kullback-Leibler divergence, in nats.
    public var maxKl: Double?
    /// ‖x - y‖ / ‖x‖ of any tensor.
    public var maxRmse: Double?
    /// How many labels may be chosen differently.
    public var maxFlips: Int?
    /// The least share of labels that are chosen alike.
    public var minAgreement: Double?

    /// Limits.
    public init(
      maxKl: Double? = nil, maxRmse: Double? = nil, maxFlips: Int? = nil,
      minAgreement: Double? = nil
    ) {
      self.maxKl = maxKl
      self.maxRmse = maxRmse
      self.maxFlips = maxFlips
      self.minAgreement = minAgreement
    }

    /// Whether there is none.
    public var areNone: Bool {
      maxKl == nil && maxRmse == nil && maxFlips == nil && minAgreement == nil
    }
  }

  /// A limit that is exceeded.
  public struct Excess: Sendable, Encodable {
    /// `max_kl`, `max_rmse`, `max_flips` or `min_agreement`.
    public let limit: String
    /// What is allowed.
    public let allowed: Double
    /// What was found; nil if it is no number.
    public let found: Double?
    /// Of which tensor.
    public let tensor: String?

    /// A limit that something was found beyond.
    public init(limit: String, allowed: Double, found: Double?, tensor: String? = nil) {
      (self.limit, self.allowed, self.found, self.tensor) = (limit, allowed, found, tensor)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, source, scheme, quality, importance, moments, parameterCount, byteCount,
      bitsPerWeight, types,
      tensors, substitutions, worstTensors, limits, exceeded, findings, files, root,
      target, curve, raises
    case klDivergence, sameTopFraction, negativeLogLikelihoodIncrease, maxAbsLogitDifference,
      tokenCount
  }

  private struct Divergence: Encodable {
    let mean, median, p99, max: Double?
  }

  /// What quantizing costs stands beside the rest, as `compare` has it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(schema, forKey: .schema)
    try container.encode(tool, forKey: .tool)
    try container.encode(source, forKey: .source)
    try container.encode(scheme, forKey: .scheme)
    try container.encode(quality, forKey: .quality)
    try container.encode(importance, forKey: .importance)
    try container.encodeIfPresent(moments, forKey: .moments)
    try container.encode(parameterCount, forKey: .parameterCount)
    try container.encode(byteCount, forKey: .byteCount)
    try container.encode(bitsPerWeight, forKey: .bitsPerWeight)
    try container.encode(types, forKey: .types)
    try container.encode(tensors, forKey: .tensors)
    try container.encode(substitutions, forKey: .substitutions)
    try container.encode(worstTensors, forKey: .worstTensors)
    try container.encode(limits, forKey: .limits)
    try container.encode(exceeded, forKey: .exceeded)
    try container.encode(findings, forKey: .findings)
    try container.encode(files, forKey: .files)
    try container.encodeIfPresent(root, forKey: .root)
    try container.encodeIfPresent(target, forKey: .target)
    try container.encodeIfPresent(curve, forKey: .curve)
    if tensors.contains(where: { $0.errors != nil }) {
      try container.encode(raises, forKey: .raises)
    }
    guard let validation else { return }
    try container.encode(
      Divergence(
        mean: validation.meanKlDivergence, median: validation.medianKlDivergence,
        p99: validation.p99KlDivergence, max: validation.maxKlDivergence), forKey: .klDivergence)
    try container.encode(validation.sameTopFraction, forKey: .sameTopFraction)
    try container.encodeIfPresent(
      validation.negativeLogLikelihoodIncrease, forKey: .negativeLogLikelihoodIncrease)
    try container.encodeIfPresent(
      validation.maxAbsLogitDifference, forKey: .maxAbsLogitDifference)
    try container.encode(validation.tokenCount, forKey: .tokenCount)
  }
}
