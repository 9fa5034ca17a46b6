// seeds: fixtures/bad/configuration/*.json fixtures/huggingface/*/config.json fixtures/mesh-transformer/*/config.json
// words: Sources/ModelArchitectures

import FileContainers
import Fuzzing
import ModelArchitectures
import TensorModel

/// A `config.json`, of Hugging Face or of Mesh-Transformer.
@main struct ConfigurationTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    if let mesh = try? MeshConfiguration(parsing: input) {
      let written = mesh.huggingFaceConfiguration(dtype: .f16)
      expect(try MeshConfiguration(parsing: written) == mesh)
      _ = MeshConfiguration.template(mesh.dimensions, shards: 8)
      _ = Architecture.gptj.tensors(mesh.dimensions)
    }
    let configuration = try HuggingFaceConfiguration(parsing: input)
    let changed = try HuggingFaceConfiguration(parsing: configuration.settingDType("bfloat16"))
    for key in ["dtype", "torch_dtype"] where configuration.document[key]?.text != nil {
      expect(changed.document[key]?.text == "bfloat16")
    }
    let decoder = try DecoderConfiguration(configuration)
    expect(decoder.attentionScales.count == decoder.dimensions.layers)
    expect(decoder.windows.count == decoder.dimensions.layers)
    _ = configuration.architecture?.tensors(decoder.dimensions)
  }
}
