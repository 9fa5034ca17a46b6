import Foundation
import ModelArchitectures
import TensorModel
import TestSupport

/// A tiny GPT-J in Hugging Face's form, made up, to be written with defects.
struct GPTJSample {
  var dimensions = Architecture.Dimensions(layers: 2, model: 16, inner: 64, vocabulary: 24)
  var heads = 8
  var tensors: [SampleTensor] = []

  init() {
    var random = SampleRandom(seed: 17)
    tensors = Architecture.gptj.tensors(dimensions).map {
      SampleTensor(
        $0.name, "F32", $0.shape.dimensions, random.floats($0.shape.elementCount))
    }
  }

  subscript(name: String) -> SampleTensor? {
    get { tensors.first { $0.name == name } }
    set {
      guard let place = tensors.firstIndex(where: { $0.name == name }) else { return }
      if let newValue { tensors[place] = newValue } else { tensors.remove(at: place) }
    }
  }

  var configuration: String {
    """
    {"model_type": "gptj", "n_layer": \(dimensions.layers), "n_embd": \(dimensions.model), \
    "n_head": \(heads), "n_positions": 32, "rotary_dim": 2, "vocab_size": \(dimensions.vocabulary), \
    "torch_dtype": "float32"}
    """
  }

  /// Writes a directory and returns its path.
  @discardableResult
  func write(
    _ workspace: Workspace, _ folder: String = "in", metadata: [String: String] = [:],
    withConfiguration: Bool = true
  ) throws -> String {
    let sample = SafetensorsSample(tensors, metadata: metadata)
    try workspace.write("\(folder)/model.safetensors", sample.fileContents)
    if withConfiguration {
      try workspace.write("\(folder)/config.json", Data(configuration.utf8))
    }
    return workspace.path(folder)
  }
}
