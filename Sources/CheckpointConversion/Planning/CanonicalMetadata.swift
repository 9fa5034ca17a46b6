import CheckpointFormats
import ModelArchitectures
import TensorModel

extension Checkpoint {
  /// The container's metadata as it is written again: tensors have PyTorch's names then, so `format` doesn't say another framework's.
  var metadataOfCanonicalTensors: [ExactName: String] {
    // Keys of a GGUF file describe a graph and a tokenizer of llama.cpp's.
    if format == GGUFFormat.name { return [:] }
    var metadata = metadata
    let foreign = [ParameterNaming.tensorFlow, .flax].map(\.rawValue)
    if let format = metadata["format"], foreign.contains(format) {
      metadata["format"] = ParameterNaming.pytorch.rawValue
    }
    return metadata
  }
}
