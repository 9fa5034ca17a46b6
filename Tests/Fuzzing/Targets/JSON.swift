// seeds: fixtures/huggingface/*/*.json fixtures/store/*/*.json fixtures/tokenizer/*/tokenizer_config.json
// words: Sources/FileContainers/StrictJSON

import FileContainers
import Fuzzing
import TensorModel

/// Strict JSON: what parses has a text that parses to the same.
@main struct JSONTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let value = try JSONValue(parsing: input)
    let text = value.documentText
    expect(try JSONValue(parsing: Array(text.utf8)).documentText == text)
    expect(value.shortText.count <= 60)
    for member in value.members ?? [] {
      expect(value[member.key] == member.value)
      guard let range = member.range else { return expect(false, "a member without a place") }
      let written = try JSONValue(parsing: Array(input[range]))
      expect(written.documentText == member.value.documentText)
    }
    _ = (value.integer, value.double)
  }
}
