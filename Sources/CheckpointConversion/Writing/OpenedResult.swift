import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

// A plan's files, opened as any other checkpoint.

extension ConversionPlan {
  /// Opens what lies in a folder, whole files or their frames.
  ///
  /// - Parameter folder: of the destination.
  /// - Returns: the reader.
  /// - Throws: what opening throws.
  func openedResult(in folder: String) throws(CheckpointError) -> any CheckpointReader {
    let isAlone = weightFiles.count == 1 && !weightFiles[0].name.contains("/")
    return try Source(isAlone ? "\(folder)/\(weightFiles[0].name)" : folder).reader
  }

  /// The result with its configuration: what its keys say, or the file that goes along; a destination that is one file of weights may have none.
  ///
  /// - Parameter reader: of the result.
  /// - Returns: both.
  /// - Throws: what reading the configuration throws.
  func result(_ reader: any CheckpointReader) throws(CheckpointError) -> ConvertedResult {
    var configuration = try reader.makeHuggingFaceConfiguration()
    if configuration == nil {
      configuration = try sidecars.first {
        Directories.split($0.name).name == HuggingFaceConfiguration.fileName
      }?.contents()
    }
    return ConvertedResult(reader: reader, configuration: configuration)
  }
}
