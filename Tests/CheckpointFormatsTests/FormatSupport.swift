import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// A checkpoint for each format, with what is known about it.
struct FormatSample: Sendable, CustomStringConvertible {
  let format: String
  let name: String
  let tensorCount: Int
  /// The base of a checkpoint that is read together with one.
  var base: String?
  var description: String { "\(format): \(name)" }

  static let all = [
    FormatSample(format: "safetensors", name: "huggingface/gptj", tensorCount: 35),
    FormatSample(
      format: "safetensors", name: "huggingface/gpt2/model.safetensors", tensorCount: 40),
    FormatSample(
      format: "mesh-transformer", name: "mesh-transformer/s4_perturbed_slim_f16/step.tar.zstd",
      tensorCount: 4 * 117),
    FormatSample(
      format: "npz", name: "mesh-transformer/npz_variants/py311_bf16.npz", tensorCount: 8),
    FormatSample(format: "npz", name: "bad/npz/npy_plain.npy", tensorCount: 1),
    FormatSample(
      format: "pytorch", name: "pytorch/gptj/pytorch_model.bin", tensorCount: 41),
    FormatSample(format: "pytorch", name: "pytorch/gptj_sharded", tensorCount: 41),
    FormatSample(format: "pytorch", name: "pytorch/gpt2_legacy", tensorCount: 41),
    FormatSample(format: "pytorch", name: "bad/torchbin/ok_transposed.bin", tensorCount: 1),
    FormatSample(format: "pytorch", name: "bad/torchbin/ok_expanded_stride0.bin", tensorCount: 1),
    FormatSample(format: "pytorch", name: "bad/torchbin/ok_legacy_views.bin", tensorCount: 2),
    FormatSample(format: "pytorch", name: "pytorch/tensors/dtypes.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/big_endian.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/views.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/views_legacy.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/views_deflated.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/views_big_endian.bin", tensorCount: 20),
    FormatSample(format: "pytorch", name: "pytorch/tensors/old_views.bin", tensorCount: 4),
    FormatSample(format: "pytorch", name: "pytorch/tensors/sharded", tensorCount: 4),
    FormatSample(format: "gpt-neox", name: "gpt-neox/parallel_tp2/checkpoint", tensorCount: 60),
    FormatSample(
      format: "gpt-neox", name: "gpt-neox/parallel_tp4_drift/checkpoint", tensorCount: 112),
    FormatSample(
      format: "gpt-neox", name: "gpt-neox/sequential_tp2_tied/checkpoint", tensorCount: 54),
    FormatSample(format: "tensorflow", name: "tensorflow/gpt2", tensorCount: 28),
    FormatSample(format: "tensorflow", name: "tensorflow/gpt_neo", tensorCount: 130),
    FormatSample(format: "tensorflow", name: "bad/tfbundle/ok_slices", tensorCount: 16),
    FormatSample(format: "store", name: "store/small.store", tensorCount: 7),
    FormatSample(
      format: "weight-delta", name: "weight-delta/weight_v000001", tensorCount: 35,
      base: "huggingface/gptj"),
    FormatSample(
      format: "weight-delta", name: "weight-delta/weight_v000002", tensorCount: 35,
      base: "huggingface/gptj"),
    FormatSample(format: "gguf", name: "gguf/gptj.Q8_0.gguf", tensorCount: 47),
    FormatSample(format: "gguf", name: "gguf/gpt2.F16.gguf", tensorCount: 40),
    FormatSample(format: "gguf", name: "gguf/gpt_neox_sequential.Q5_1.gguf", tensorCount: 28),
    FormatSample(format: "gguf", name: "gguf/qwen2_split", tensorCount: 26),
    FormatSample(format: "gguf", name: "gguf/qwen2_tied.F16.big_endian.gguf", tensorCount: 26),
    FormatSample(format: "flax", name: "flax/gpt2/flax_model.msgpack", tensorCount: 28),
    FormatSample(format: "flax", name: "flax/gpt_neo_sharded", tensorCount: 30),
    FormatSample(format: "flax", name: "flax/gptj_chunked_bf16", tensorCount: 25),
    FormatSample(format: "flax", name: "flax/variants/dtypes.msgpack", tensorCount: 10),
    FormatSample(format: "flax", name: "flax/variants/shapes.msgpack", tensorCount: 46),
    FormatSample(format: "flax", name: "flax/variants/chunked.msgpack", tensorCount: 4),
    FormatSample(format: "keras", name: "keras/gptj", tensorCount: 25),
    FormatSample(format: "keras", name: "keras/gpt2_sharded", tensorCount: 28),
    FormatSample(format: "keras", name: "keras/gpt2_gzip_shuffle/tf_model.h5", tensorCount: 28),
    FormatSample(format: "keras", name: "keras/variants/all_filters.h5", tensorCount: 6),
    FormatSample(format: "keras", name: "keras/variants/big_endian_shuffled.h5", tensorCount: 6),
    FormatSample(format: "keras", name: "keras/variants/user_block.h5", tensorCount: 6),
    FormatSample(format: "keras", name: "keras/variants/rows.h5", tensorCount: 6),
  ]

  func open() throws -> Source {
    var options = OpenOptions.forTests
    options.bases = base.map {
      GivenBases([Fixtures.path($0)], EvaluationResources(memory: 64_000_000, threads: 2))
    }
    return try Source(Fixtures.path(name), options)
  }
}

extension OpenOptions {
  /// With everything that a format may need.
  static var forTests: OpenOptions {
    var options = OpenOptions(temporaryDirectory: NSTemporaryDirectory())
    options.datasets = DatasetProcess(executable: BuiltCommand.executable.path)
    return options
  }
}

/// Digests of the model's tensors in a dtype, nil for that of the expression itself.
func digests(_ reader: any CheckpointReader, as dtype: DType?) throws -> [String: Digest] {
  let tensors = try reader.canonicalTensors()
  let tasks = try tensors.map {
    EvaluationTask(
      name: $0.name,
      expression: try CompiledExpression(
        dtype.map { [tensor = $0] in .cast(tensor.expression, $0) } ?? $0.expression,
        in: reader.checkpoint))
  }
  let collector = DigestCollector()
  try EvaluationPipeline(reader, EvaluationResources(memory: 64 << 20, threads: 2))
    .run(tasks, collector)
  var result: [String: Digest] = [:]
  for (index, tensor) in tensors.enumerated() { result[tensor.name] = collector[index]?.digest }
  return result
}

/// The error that opening, or else reading everything, throws; nil if there is none.
func failure(_ path: String, _ options: OpenOptions = OpenOptions()) throws -> CheckpointError? {
  do {
    let reader = try Source(path, options).reader
    for position in reader.checkpoint.tensors.indices { _ = try reader.contents(position) }
    return nil
  } catch let error as CheckpointError { return error }
}
