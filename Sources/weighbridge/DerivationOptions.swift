import ArgumentParser
import CheckpointFormats
import CheckpointVerification
import Quantization
import TensorModel

/// What making a checkpoint again from its source needs beside that.
struct DerivationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The importance matrix that CHECKPOINT was quantized with.", valueName: "file"),
    completion: .file())
  var imatrix: String?

  @Option(
    help: ArgumentHelp(
      "The second moments that CHECKPOINT was quantized with (--quality max).", valueName: "file"),
    completion: .file())
  var hessian: String?

  @Option(
    help: ArgumentHelp(
      "The directory whose sidecar files were carried along, as the conversion was given it.",
      valueName: "dir"), completion: .directory)
  var assets: String?

  /// Refuses options that nothing would heed.
  func check(isUsed: Bool, by others: String) throws {
    guard !isUsed else { return }
    if imatrix != nil { throw ValidationError("--imatrix needs \(others).") }
    if hessian != nil { throw ValidationError("--hessian needs \(others).") }
    if assets != nil { throw ValidationError("--assets needs \(others).") }
  }

  /// What weights were quantized with.
  ///
  /// - Throws: what reading it throws.
  func statistics() throws(CheckpointError) -> InputStatistics {
    try InputStatistics(importance: imatrix, moments: hessian)
  }

  /// Where the source is.
  ///
  /// - Parameters:
  ///   - path: as the user gave it.
  ///   - options: how checkpoints are opened.
  ///   - statistics: what weights were quantized with.
  ///   - isSigned: whether the outcome is to be signed.
  /// - Returns: what a checkpoint can be made again of.
  /// - Throws: `missing`.
  func source(
    _ path: String, _ options: OpenOptions, _ statistics: InputStatistics,
    isSigned: Bool = false
  ) throws(CheckpointError) -> ReplaySource {
    var options = options
    options.assetsDirectory = assets
    return try ReplaySource(path, options, statistics: statistics, wantsDerivation: isSigned)
  }
}
