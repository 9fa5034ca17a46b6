import CheckpointFormats
import Quantization
import TensorEvaluation
import TensorModel

/// A format that conversions write.
///
/// Conformers are listed in `Targets.swift`.
protocol ConversionTarget: Sendable {
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
  ///   - importance: the matrix that it was quantized with, if there was one.
  ///   - resources: memory and threads.
  /// - Returns: what a conversion would write; nil where canonical names and dtypes say all, and for checkpoints of other formats.
  /// - Throws: `usage` where something else is needed to tell, what planning throws.
  static func replanned(
    _ other: Source, like written: Source, importance: ImportanceMatrix?,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned?
}

extension ConversionTarget {
  static var partCount: (@Sendable (String, String) -> Int?)? { nil }
  static var isResharded: Bool { false }
  static var carriesAttention: Bool { false }
  static var keepsNames: Bool { true }
  static var keepsQuantizedParts: Bool { false }
  static func replanned(
    _ other: Source, like written: Source, importance: ImportanceMatrix?,
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
