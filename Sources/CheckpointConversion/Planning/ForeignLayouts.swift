import CheckpointFormats
import ModelArchitectures
import TensorModel

// What other frameworks' checkpoints bring along that must not be written, or not be believed.

extension Planner {
  /// Refuses PyTorch's names over values that lie as TensorFlow and Flax have them, as far as the family is known and shapes show it.
  ///
  /// - Throws: `malformed`.
  func refuseTransposed(_ tensors: [CanonicalTensor]) throws(CheckpointError) {
    guard let bytes = source.checkpoint.configuration,
      let configuration = try? HuggingFaceConfiguration(parsing: bytes),
      let architecture = configuration.architecture,
      let dimensions = try? configuration.dimensions()
    else { return }
    let transposed = architecture.transposedTensors(
      tensors.map { ($0.name, $0.shape) }, dimensions)
    guard let first = transposed.first else { return }
    throw CheckpointError(
      .malformed,
      "\(transposed.count) matrices are transposed: the values look like another framework's under PyTorch's names",
      tensor: first.name, expected: "\(first.expected)", found: "\(first.found)",
      hint:
        "convert the file that this one was made of: with its own names, kernels are transposed here"
    )
  }
}

extension Checkpoint {
  /// The container's metadata as it is written again: tensors have PyTorch's names then, so `format` doesn't say another framework's.
  var metadataOfCanonicalTensors: [ExactName: String] {
    var metadata = metadata
    let foreign = [ParameterNaming.tensorFlow, .flax].map(\.rawValue)
    if let format = metadata["format"], foreign.contains(format) {
      metadata["format"] = ParameterNaming.pytorch.rawValue
    }
    return metadata
  }
}
