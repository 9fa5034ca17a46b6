import CheckpointFormats
import ModelArchitectures
import TensorModel

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
