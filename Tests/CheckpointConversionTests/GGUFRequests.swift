import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel
import TestSupport

extension Workspace {
  /// A conversion of a fixture, or of the model at a path that begins with `/`, to a GGUF file in this folder.
  ///
  /// The tokenizer fits into the smallest vocabulary: letters, a merge, a control token and another.
  func toGGUF(
    _ model: String, _ name: String = "x.gguf", dtype: DType? = nil,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    request(
      model.hasPrefix("/") ? model : Fixtures.path("huggingface/\(model)"), path(name), dtype: dtype
    ) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
      edit(&$0)
    }
  }

  func ggufHeader(_ name: String = "x.gguf") throws -> GGUFHeader {
    try GGUFHeader(InputFile(path: path(name)).region)
  }
}
