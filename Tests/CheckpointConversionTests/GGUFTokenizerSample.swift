import CheckpointFormats
import FileContainers
import Foundation
import TestSupport
import Testing

/// Models with more rows than the fixtures' tokenizers have tokens, tokenizers with files beside them, and what a GGUF file says of both.
struct GGUFTokenizerSample {
  private let workspace: Workspace
  private static let rows = 1024

  init(_ workspace: Workspace) { self.workspace = workspace }

  /// A model with more rows than any of the tokenizers has tokens.
  func model(_ name: String) throws -> String {
    var sample = try ModelSample(name)
    let old = try #require(sample.configuration["vocab_size"] as? Int)
    sample.configuration["vocab_size"] = Self.rows
    for index in sample.tensors.tensors.indices {
      guard let axis = sample.tensors.tensors[index].shape.firstIndex(of: old) else { continue }
      sample.tensors.tensors[index].shape[axis] = Self.rows
      let count = sample.tensors.tensors[index].shape.reduce(4, *)
      sample.tensors.tensors[index].data = Data(count: count)
    }
    return try sample.write(workspace, "model")
  }

  func keys(_ name: String) throws -> [String: GGUFValue] {
    let header = try GGUFHeader(InputFile(path: workspace.path(name)).region)
    return Dictionary(
      uniqueKeysWithValues: header.metadata.map { ($0.key, $0.value) }.filter {
        $0.0.hasPrefix("tokenizer.")
      })
  }

  /// A tokenizer's files, with others beside them.
  func assets(_ name: String, _ files: [String: String]) throws -> String {
    try workspace.folder(name)
    try workspace.copy(
      Fixtures.path("tokenizer/gpt2/tokenizer.json"), to: "\(name)/tokenizer.json")
    for (file, text) in files {
      let folder = file.split(separator: "/").dropLast().joined(separator: "/")
      if !folder.isEmpty { try workspace.folder("\(name)/\(folder)") }
      try workspace.write("\(name)/\(file)", Data(text.utf8))
    }
    return workspace.path(name)
  }
}
