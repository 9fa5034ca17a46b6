// seeds: fixtures/comparison/labels/labels.jsonl
// words: Sources/CheckpointComparison/Labels

import CheckpointComparison
import Fuzzing
import TensorModel

/// A file of prompts and labels: what is read of it can be chosen between.
@main struct LabelsTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let prompts = try LabelledPrompt.all(at: InputInMemory(input).path, recordedIn: nil)
    expect(!prompts.isEmpty)
    var last = 0
    for prompt in prompts {
      expect(prompt.line > last && !prompt.prompt.isEmpty)
      last = prompt.line
      expect(prompt.labels.count >= 2 && prompt.labels.allSatisfy { !$0.isEmpty })
      expect(Set(prompt.labels.map { ExactName($0) }).count == prompt.labels.count)
      expect(prompt.gold.map(prompt.labels.indices.contains) ?? true)
      expect(prompt.prefix.map { $0 >= 0 } ?? true)
    }
  }
}
