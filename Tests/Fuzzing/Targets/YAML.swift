// seeds: fixtures/gpt-neox/*/checkpoint/*/configs/*.yml fixtures/bad/neox/*/*/configs/*.yml
// words: Sources/FileContainers/YAML Sources/ModelArchitectures/Families/GPTNeoX

import FileContainers
import Fuzzing
import ModelArchitectures
import TensorModel

/// YAML of training configurations: what is read is JSON of bounded depth that reads the same again, and settings are refused by name at most.
@main struct YAMLTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let value = try YAMLFile.parse(input, "model.yml")
    let text = value.documentText
    expect(try JSONValue(parsing: Array(text.utf8)).documentText == text)
    attempt { () throws(CheckpointError) in
      var settings = NeoXSettings()
      try settings.add(value, from: "model.yml")
      let configuration = try NeoXConfiguration(settings.translated())
      let bytes = configuration.huggingFaceConfiguration(
        vocabulary: 64, inner: 64, hasAttentionBias: true, dtype: .f16)
      expect(try HuggingFaceConfiguration(parsing: bytes).architecture != nil)
    }
  }
}
