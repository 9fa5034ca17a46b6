// Names of Flax parameters, as transformers' Flax classes make them and its `load_flax_weights_in_pytorch_model` reads them:
// https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/modeling_flax_pytorch_utils.py
//
// 1. levels are separated by `.` in safetensors, and here by `/` where keys of a tree are joined
// 2. a model with statistics of batches has the collections `params` and `batch_stats` before all levels; they go
// 3. the last level is another word: `kernel`, `scale`, `embedding` → `weight`; statistics `mean` → `running_mean`, `var` → `running_var`
// 4. kernels are transposed. GPT-2's too: they are `[out, in]` where PyTorch's `Conv1D` is `[in, out]`

import TensorModel

enum FlaxNames {
  private static let words = ["kernel": "weight", "scale": "weight", "embedding": "weight"]
  private static let statistics = ["mean": "running_mean", "var": "running_var"]

  /// The levels of a name.
  static func levels(_ name: String) -> [Substring] {
    name.split(separator: name.utf8.contains(UInt8(ascii: "/")) ? "/" : ".")
  }

  static func parameter(
    _ stored: String, _ shape: Shape
  ) throws(CheckpointError) -> ParameterNaming.Parameter {
    var levels = levels(stored).map(String.init)
    var words = words
    if levels.count > 1, levels[0] == "params" || levels[0] == "batch_stats" {
      if levels.removeFirst() == "batch_stats" { words = statistics }
    }
    guard let last = levels.popLast() else {
      throw CheckpointError(.malformed, "a parameter's name without a level", found: "'\(stored)'")
    }
    let name = (levels + [words[last] ?? last]).joined(separator: ".")
    return last == "kernel"
      ? try ParameterNaming.Parameter(kernel: name, shape)
      : ParameterNaming.Parameter(name: name, arrangement: .asStored)
  }
}
