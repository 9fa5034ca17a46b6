import CheckpointFormats
import TensorModel

/// A checkpoint that is verified: with its base, or without where that is another one.
struct OpenedCheckpoint {
  let source: Source
  /// What is wrong with the base that was given, where the checkpoint had to be opened without.
  let baseFindings: [Finding]

  /// Opens a checkpoint.
  ///
  /// What can be checked without the base is checked, whatever base was given.
  ///
  /// - Throws: what opening it without a base throws.
  init(_ path: String, _ options: OpenOptions) throws(CheckpointError) {
    do throws(CheckpointError) {
      source = try Source(path, options)
      baseFindings = []
    } catch {
      guard error.isOfWrongBase else { throw error }
      var bare = options
      bare.bases = nil
      source = try Source(path, bare)
      baseFindings = [Finding("wrong-base", error)] + error.others
    }
  }
}
