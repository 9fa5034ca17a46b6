import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import Foundation
import ReferenceForward
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// What the tests compare with.
let resources = EvaluationResources(memory: 64_000_000, threads: 2)

/// Compares two checkpoints.
func compare(_ first: String, _ second: String) throws -> CheckpointComparison {
  try CheckpointComparison(Source(first), Source(second), resources)
}

/// Compares two files of these tensors.
func compare(_ first: [SampleTensor], _ second: [SampleTensor]) throws -> CheckpointComparison {
  let workspace = try Workspace()
  return try compare(
    workspace.write("first.safetensors", SafetensorsSample(first).fileContents),
    workspace.write("second.safetensors", SafetensorsSample(second).fileContents))
}

/// Runs two checkpoints side by side on the tokens of a fixture.
func lockstep(
  _ first: String, _ second: String, tokens: [Int], prefix: Int = 0
) throws -> ForwardComparison {
  let comparison = try compare(first, second)
  return try ForwardComparison(
    Decoder(Source(first), resources), Decoder(Source(second), resources), tokens: tokens,
    prefixes: (prefix, prefix), differences: comparison.differences)
}

/// Converts a checkpoint.
func convert(
  _ source: String, _ destination: String, to format: String, dtype: DType? = nil,
  _ edit: (inout ConversionRequest) -> Void = { _ in }
) throws {
  var request = ConversionRequest(
    source: source, destination: destination, openOptions: OpenOptions(), resources: resources)
  request.format = format
  request.settings.dtype = dtype
  edit(&request)
  _ = try ConversionJob(request).run(
    ConversionJob.Observer(
      willStart: { _, _, _ in }, report: { _ in }, progress: { _ in }))
}

/// The path of a fixture below `huggingface`.
func fixture(_ name: String) -> String { Fixtures.path("huggingface/\(name)") }

/// The tokens of a fixture.
func tokens(of name: String) throws -> [Int] {
  try ArrayFile(Fixtures.path("huggingface/\(name)/tokens.npy")).integers
}
