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
      "The directory whose sidecar files were carried along, as the conversion was given it.",
      valueName: "dir"), completion: .directory)
  var assets: String?

  /// Refuses options that nothing would heed.
  func check(isUsed: Bool, by others: String) throws {
    guard !isUsed else { return }
    if imatrix != nil { throw ValidationError("--imatrix needs \(others).") }
    if assets != nil { throw ValidationError("--assets needs \(others).") }
  }

  /// The importance matrix; nil without one.
  ///
  /// - Throws: what reading it throws.
  func importance() throws(CheckpointError) -> ImportanceMatrix? {
    guard let imatrix else { return nil }
    return try ImportanceMatrix(path: imatrix)
  }

  /// Where the source is.
  ///
  /// - Parameters:
  ///   - path: as the user gave it.
  ///   - options: how checkpoints are opened.
  ///   - importance: the importance matrix.
  ///   - isSigned: whether the outcome is to be signed.
  /// - Returns: what a checkpoint can be made again of.
  func source(
    _ path: String, _ options: OpenOptions, _ importance: ImportanceMatrix?,
    isSigned: Bool = false
  ) -> ReplaySource {
    var options = options
    options.assetsDirectory = assets
    return ReplaySource(path, options, importance: importance, wantsDerivation: isSigned)
  }
}
