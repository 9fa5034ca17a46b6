public import CheckpointFormats
public import Quantization
public import TensorEvaluation
public import TensorModel

/// A format that conversions write: it makes the plan, which is then run like any other, with a certificate, `--resume` and bounded memory.
///
/// Conformers of this package are listed in `Targets.swift`; a program gives its own with `ConversionRequest.target`. Only `format` and `plan` must be
/// written. Until version 1.0 requirements may be added, always with a default.
public protocol ConversionTarget: Sendable {
  /// The format.
  static var format: any CheckpointFormat.Type { get }
  /// How many parts a file of the set has that a name is of, given the name of the file that was cut; nil where files aren't cut.
  static var partCount: (@Sendable (_ name: String, _ file: String) -> Int?)? { get }
  /// Whether a checkpoint of this format keeps it when nothing else is asked for.
  static var isResharded: Bool { get }

  /// Whether a checkpoint of this format can say that tokens see more than those before them.
  static var carriesAttention: Bool { get }

  /// Whether tensors keep their names and shapes, so that even a model that isn't sound can be copied.
  static var keepsNames: Bool { get }

  /// Whether codes and scales of quantized weights mean the same in it as where they come from.
  static var keepsQuantizedParts: Bool { get }

  /// Whether it can be written as a difference to a base.
  static var differences: DifferenceUse { get }

  /// Whether a way to cut weights into files is the one that is taken where none is asked for.
  static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool

  /// Makes the plan of a conversion.
  ///
  /// - Parameter planner: of the source and the settings.
  /// - Returns: the plan.
  /// - Throws: what `Planner.outputs` throws; `usage` where settings can't be followed.
  static func plan(_ planner: Planner) throws(CheckpointError) -> ConversionPlan

  /// What a source gives in the names and types of a checkpoint that was written in this format, where these are the format's own.
  ///
  /// - Parameters:
  ///   - other: what the checkpoint is said to be made of.
  ///   - written: the checkpoint.
  ///   - statistics: what it was quantized with, if there was something.
  ///   - resources: memory and threads.
  /// - Returns: what a conversion would write; nil where canonical names and dtypes say all, and for checkpoints of other formats.
  /// - Throws: `usage` where something else is needed to tell, what planning throws.
  static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned?
}

/// Whether a format is written as a difference to a base.
public enum DifferenceUse: Sendable {
  /// It is complete by itself.
  case never
  /// It is, where a base is given.
  case optional
  /// It has nothing else.
  case always
}

extension ConversionTarget {
  /// None is.
  public static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool { false }
  /// Files aren't cut.
  public static var partCount: (@Sendable (String, String) -> Int?)? { nil }
  /// Another format must be asked for.
  public static var isResharded: Bool { false }
  /// Tokens see those before them.
  public static var carriesAttention: Bool { false }
  /// Names and shapes are the model's.
  public static var keepsNames: Bool { true }
  /// Quantized weights are written as values.
  public static var keepsQuantizedParts: Bool { false }
  /// It is complete by itself.
  public static var differences: DifferenceUse { .never }
  /// Canonical names and dtypes say all.
  public static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? { nil }
}

extension DefaultStringInterpolation {
  /// A number with zeros before it.
  mutating func appendInterpolation(_ value: Int, digits: Int) {
    let text = String(value)
    appendLiteral(String(repeating: "0", count: max(0, digits - text.count)) + text)
  }
}
