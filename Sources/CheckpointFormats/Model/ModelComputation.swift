public import ModelArchitectures
public import TensorModel

extension Source {
  /// What the model computes, by its `config.json` or by the keys of a GGUF file.
  ///
  /// - Parameter purpose: what needs it, for the error: `running a model`.
  /// - Returns: the document, and what it says.
  /// - Throws: `usage` without a configuration; `unsupported` for families and settings that aren't computed here.
  public func computation(
    for purpose: String
  ) throws(CheckpointError) -> (document: HuggingFaceConfiguration, decoder: DecoderConfiguration) {
    guard let bytes = try huggingFaceConfiguration() else {
      throw CheckpointError(
        .usage, "\(purpose) needs the model's configuration", file: path,
        found: ggufHeader.map { "no table for \(GGUFConfiguration.graphTitle($0))" },
        hint: "pass the model's config.json with --config")
    }
    do throws(CheckpointError) {
      let document = try HuggingFaceConfiguration(parsing: bytes)
      return (document, try DecoderConfiguration(document))
    } catch { throw (reader as? GGUFReader)?.explained(error) ?? error }
  }
}

extension GGUFReader {
  /// An error about the configuration that the keys make, in terms of the file and of its keys.
  func explained(_ error: CheckpointError) -> CheckpointError {
    guard makesConfiguration, error.file == nil || error.file == HuggingFaceConfiguration.fileName
    else { return error }
    var explained = error
    explained.file = checkpoint.files.first?.name
    explained.message = GGUFConfiguration.inKeys(error.message, header)
    explained.expected = error.expected.map { GGUFConfiguration.inKeys($0, header) }
    if error.code != .unsupported { explained.hint = GGUFConfiguration.hint }
    return explained
  }
}
