import ModelArchitectures
import Synchronization
import TensorModel

/// Keeps what a source is as a model once it has been found out.
final class ModelCache: Sendable {
  private let declared: AttentionMode?
  private let contents = Mutex<ModelContents?>(nil)

  /// Nothing is known yet but what the user says.
  init(declared: AttentionMode?) { self.declared = declared }

  func contents(of source: Source) throws(CheckpointError) -> ModelContents {
    try contents.withLock { known throws(CheckpointError) in
      if let known { return known }
      // What is wrong with a configuration is said when it is opened, and where it is needed.
      let bytes = try? source.huggingFaceConfiguration()
      let configuration = bytes.flatMap { try? HuggingFaceConfiguration(parsing: $0) }
      let found = try ModelContents(source.reader, configuration, declared: declared)
      known = found
      return found
    }
  }
}
