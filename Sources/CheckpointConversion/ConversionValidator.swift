public import CheckpointFormats
public import TensorModel

/// Runs source and results of conversions side by side.
public protocol ConversionValidator: Sendable {
  /// Finds out, before the work, whether the source can be run.
  ///
  /// - Parameter source: what is to be converted.
  /// - Throws: what `validate` would throw of the source.
  func check(_ source: Source) throws(CheckpointError)

  /// Runs all.
  ///
  /// Each model goes through its stages in order: what comes before its layers, each layer, the head. Readers that are `StagedReader`s are told of them.
  ///
  /// - Parameters:
  ///   - source: what was converted.
  ///   - reader: reads the source's tensors.
  ///   - results: what came of it, in any number of ways.
  /// - Returns: how far apart the source and each result compute.
  /// - Throws: what the forward pass throws.
  func validate(
    _ source: Source, readBy reader: any CheckpointReader, _ results: [ConvertedResult]
  ) throws(CheckpointError) -> [Certificate.Validation]
}

/// What came of a conversion, to be run.
public struct ConvertedResult: Sendable {
  /// Reads its tensors.
  public let reader: any CheckpointReader
  /// The `config.json` that it has, or that its keys say; nil if it has none but the source's.
  public let configuration: [UInt8]?

  /// A result.
  public init(reader: any CheckpointReader, configuration: [UInt8]?) {
    self.reader = reader
    self.configuration = configuration
  }
}

/// A reader that may keep tensors in memory for as long as a stage of a forward pass needs them.
public protocol StagedReader: CheckpointReader {
  /// Keeps what is read from now on, as far as there is room.
  func beginStage()

  /// Drops what was kept.
  func endStage()
}
