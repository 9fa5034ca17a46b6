import FileContainers
import ModelArchitectures
import TensorModel

/// The counts in a GGUF file's metadata against its tensors.
struct GGUFCountCheck {
  private let header: GGUFHeader
  private let file: String?

  /// - Parameter reader: of the file, or of a set.
  init(_ reader: GGUFReader) {
    header = reader.header
    file = reader.checkpoint.files.first?.name
  }

  /// What is wrong where the tokenizer's tokens aren't as many as the embedding's rows: llama.cpp doesn't load such a file.
  ///
  /// - Parameter rows: of the embedding.
  /// - Returns: the problem; nil where there are as many, and without a tokenizer.
  func tokenProblem(rows: Int) -> ModelProblem? {
    guard let count = header["tokenizer.ggml.tokens"]?.array?.count, count != rows else {
      return nil
    }
    return ModelProblem(
      "tensor-shape",
      CheckpointError(
        .malformed, "the tokenizer doesn't have a token for each row of the embedding",
        file: file, expected: "\(rows) in 'tokenizer.ggml.tokens'",
        found: "\(count)", hint: "make the file again with the tokenizer of this model"))
  }

  /// What is wrong with keys that say other counts than the tensors and the other keys.
  ///
  /// Here they aren't needed; other programs read them.
  ///
  /// - Parameter configuration: made of the keys and the tensors; nil where a user gave another one, or there is none.
  /// - Returns: a problem for each such key.
  func keyProblems(_ configuration: HuggingFaceConfiguration?) -> [ModelProblem] {
    guard let configuration, let table = configuration.architecture?.gguf,
      let decoder = try? DecoderConfiguration(configuration, isStrict: false)
    else { return [] }
    return table.contradictions(header, decoder).map { contradiction in
      ModelProblem(
        "tensor-shape",
        CheckpointError(
          .malformed, "a key says another count than the tensors have", file: file,
          tensor: contradiction.tensor,
          expected: "\(contradiction.expected) in '\(contradiction.key)'",
          found: "\(contradiction.found)",
          hint:
            "make the file again, or correct the key: gguf-set-metadata of the Python package gguf can"
        ),
        stopsNothing: true)
    }
  }
}
