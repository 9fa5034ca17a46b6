public import CheckpointFormats
public import TensorModel

/// Runs source and result of a conversion side by side.
public protocol ConversionValidator: Sendable {
  /// Finds out, before the work, whether the source can be run.
  ///
  /// - Parameters:
  ///   - source: what is to be converted.
  ///   - configuration: the model's `config.json`.
  /// - Throws: what `validate` would throw of the source.
  func check(_ source: Source, _ configuration: [UInt8]) throws(CheckpointError)

  /// Runs both.
  ///
  /// - Parameters:
  ///   - source: what was converted.
  ///   - result: what came of it.
  ///   - configuration: the model's `config.json`.
  /// - Returns: how far apart they compute.
  /// - Throws: what the forward pass throws.
  func validate(
    _ source: Source, _ result: any CheckpointReader, _ configuration: [UInt8]
  ) throws(CheckpointError) -> Certificate.Validation
}
