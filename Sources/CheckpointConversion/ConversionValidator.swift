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
  ///   - configuration: its `config.json`.
  ///   - result: what came of it.
  ///   - resultConfiguration: the `config.json` that the destination has, or that its keys say.
  /// - Returns: how far apart they compute.
  /// - Throws: what the forward pass throws.
  func validate(
    _ source: Source, _ configuration: [UInt8], _ result: any CheckpointReader,
    _ resultConfiguration: [UInt8]
  ) throws(CheckpointError) -> Certificate.Validation
}
