public import CheckpointFormats
public import TensorModel

/// Runs source and result of a conversion side by side.
public protocol ConversionValidator: Sendable {
  /// Finds out, before the work, whether the source can be run.
  ///
  /// - Parameter source: what is to be converted.
  /// - Throws: what `validate` would throw of the source.
  func check(_ source: Source) throws(CheckpointError)

  /// Runs both.
  ///
  /// - Parameters:
  ///   - source: what was converted.
  ///   - result: what came of it.
  ///   - resultConfiguration: the `config.json` that the destination has, or that its keys say; nil if it has none but the source's.
  /// - Returns: how far apart they compute.
  /// - Throws: what the forward pass throws.
  func validate(
    _ source: Source, _ result: any CheckpointReader, _ resultConfiguration: [UInt8]?
  ) throws(CheckpointError) -> Certificate.Validation
}
