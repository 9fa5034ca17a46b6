import ModelArchitectures
import Quantization
import TensorModel

/// What was asked for, as documents have it: with it and the source the same conversion can be planned again.
public struct SettingsRecord: Sendable, Codable, Hashable {
  /// The dtype of float tensors; `keep` for each tensor's own.
  public let dtype: String
  /// Whether finite values may become infinite.
  public let allowOverflow: Bool
  /// How a store is compressed; absent where it was left to the format.
  public let compression: String?
  /// How the experts of a mixture are written; absent for the source's spelling.
  public let experts: String?
  /// The most bytes of tensors in a file; absent where it was left to the format, or files were counted.
  public let maxShardSize: Int?
  /// The number of files; absent where that was not asked for.
  public let shards: Int?
  /// The name of a destination that is one file; absent for a directory.
  public let file: String?
  /// What the model is called after its place; absent where its files say it, or the format has no name for it.
  public let title: String?
  /// How weights are quantized; absent if they aren't.
  public let quantization: Quantization?
  /// What the base of a difference is called, where that was asked for.
  public let baseHint: String?
  /// The version of a trainer's update; absent for other formats.
  public let deltaVersion: Int?

  /// How weights are quantized.
  public struct Quantization: Sendable, Codable, Hashable {
    /// What most weights become.
    public let scheme: String
    /// Types for tensors by name, as `PATTERN=TYPE`; the first that fits counts.
    public let tensorTypes: [String]
    /// The type of the head; absent where the scheme decides.
    public let outputType: String?
    /// The file of the importance matrix; absent where every column counts the same.
    public let importance: String?
    /// How much work was put into scales and codes; absent for the format's own.
    public let quality: String?
    /// The file of second moments; absent where they weren't used.
    public let hessian: String?
  }

  private static let keep = "keep"

  /// Records settings.
  init(_ settings: ConversionPlan.Settings) {
    dtype = settings.dtype?.rawValue ?? Self.keep
    allowOverflow = settings.allowOverflow
    compression = settings.compression?.description
    experts = settings.experts?.rawValue
    switch settings.sharding {
    case .maximumByteCount(let count): (maxShardSize, shards) = (count, nil)
    case .count(let count): (maxShardSize, shards) = (nil, count)
    case .some(.none), nil: (maxShardSize, shards) = (nil, nil)
    }
    file = settings.fileName
    title = settings.title
    baseHint = settings.baseHint
    deltaVersion = settings.deltaVersion
    quantization = settings.quantization.map { request in
      Quantization(
        scheme: request.scheme.name, tensorTypes: request.overrides.map(\.text),
        outputType: request.outputType?.name, importance: request.importance?.fileName,
        quality: request.quality == .plain ? nil : request.quality.rawValue,
        hessian: request.moments?.fileName)
    }
  }

  /// The settings that were recorded.
  ///
  /// - Parameter statistics: what the weights were quantized with, if there was something.
  /// - Returns: settings to plan with.
  /// - Throws: `malformed` for records that this version never writes.
  func settings(
    _ statistics: InputStatistics
  ) throws(CheckpointError) -> ConversionPlan.Settings {
    var settings = ConversionPlan.Settings(allowOverflow: allowOverflow)
    if dtype != Self.keep { settings.dtype = try Self.known("dtype", dtype, DType.init(rawValue:)) }
    if let compression {
      settings.compression = try Self.known("compression", compression) { .init($0) }
    }
    if let experts { settings.experts = try Self.known("experts", experts) { .init(rawValue: $0) } }
    if let maxShardSize { settings.sharding = .maximumByteCount(maxShardSize) }
    if let shards { settings.sharding = .count(shards) }
    guard [maxShardSize, shards].allSatisfy({ $0 ?? 1 >= 1 }) else {
      throw Self.unknown("shards", "\(maxShardSize ?? shards ?? 0)")
    }
    settings.fileName = file
    settings.title = title
    settings.baseHint = baseHint
    guard deltaVersion ?? 1 >= 1 else {
      throw Self.unknown("delta_version", "\(deltaVersion ?? 0)")
    }
    settings.deltaVersion = deltaVersion
    settings.quantization = try quantization?.request(statistics)
    return settings
  }

  fileprivate static func known<Value>(
    _ setting: String, _ text: String, _ value: (String) -> Value?
  ) throws(CheckpointError) -> Value {
    guard let value = value(text) else { throw unknown(setting, text) }
    return value
  }

  private static func unknown(_ setting: String, _ text: String) -> CheckpointError {
    CheckpointError(
      .malformed, "a setting '\(setting)' that no conversion has", found: text,
      hint: "the certificate was changed, or another version of weighbridge wrote it")
  }
}

extension SettingsRecord.Quantization {
  /// The request that was recorded.
  fileprivate func request(
    _ statistics: InputStatistics
  ) throws(CheckpointError) -> QuantizationRequest {
    let scheme = try SettingsRecord.known("scheme", scheme) { QuantizationScheme(named: $0) }
    var request = QuantizationRequest(scheme)
    for text in tensorTypes {
      do throws(CheckpointError) {
        request.overrides.append(try TensorTypeOverride(text, scheme.container))
      } catch { _ = try SettingsRecord.known("tensor_types", text) { _ in Void?.none } }
    }
    request.outputType = try outputType.map { (name) throws(CheckpointError) in
      try SettingsRecord.known("output_type", name, scheme.container.type(named:))
    }
    if let quality {
      request.quality = try SettingsRecord.known("quality", quality) { .init(rawValue: $0) }
    }
    // They may lie under other names now.
    if let importance, var matrix = statistics.importance {
      matrix.fileName = importance
      request.importance = matrix
    }
    if let hessian, var moments = statistics.moments {
      moments.fileName = hessian
      request.moments = moments
    }
    return request
  }
}

extension ConversionPlan.Compression {
  /// Parses what `description` gives; nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "none": self = .uncompressed
    case "zstd": self = .zstd(level: nil)
    default:
      guard text.hasPrefix("zstd:"), let level = Int(text.dropFirst(5)),
        Self.levels.contains(level)
      else { return nil }
      self = .zstd(level: level)
    }
  }
}
