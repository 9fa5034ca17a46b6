// Names of TensorFlow variables, as transformers' Keras classes make them and its `convert_tf_weight_name_to_pt_weight_name` reads them:
// https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/modeling_tf_pytorch_utils.py
//
// 1. `:0`, the variable's output, goes
// 2. levels are separated by `/`; of a level `a___b` before the last, `b` counts
// 3. `_._` separates levels too: `h_._0` is `h`, `0`
// 4. empty levels go, and the scopes before the model's own
// 5. the last level is another word: `kernel`, `gamma`, `embeddings` → `weight`; `beta` → `bias`; `depthwise_kernel` → `depthwise.weight`,
//    `pointwise_kernel` → `pointwise.weight`; `moving_mean` → `running_mean`, `moving_variance` → `running_var`
// 6. kernels are transposed, and everything within `emb_projs` and `out_projs`; a `weight`, as of GPT-2's `Conv1D` or a shared embedding, isn't
//
// What PyTorch's model has in fewer dimensions is squeezed: `Conv1D` has biases `[1, n]`.

import TensorModel

enum TensorFlowNames {
  private static let words = [
    "kernel": "weight", "gamma": "weight", "embeddings": "weight", "beta": "bias",
    "depthwise_kernel": "depthwise.weight", "pointwise_kernel": "pointwise.weight",
    "moving_mean": "running_mean", "moving_variance": "running_var",
  ]
  private static let kernels: Set = ["kernel", "depthwise_kernel", "pointwise_kernel"]

  static func parameter(
    _ stored: String, _ shape: Shape, scopes: Int
  ) throws(CheckpointError) -> ParameterNaming.Parameter {
    let variable =
      stored.hasSuffix(ParameterNaming.variableEnding)
      ? stored.dropLast(ParameterNaming.variableEnding.count) : stored[...]
    var parts = variable.split(separator: "/")
    for index in parts.indices.dropLast() {
      if let mark = parts[index].ranges(of: "___").last {
        parts[index] = parts[index][mark.upperBound...]
      }
    }
    // A name of one level has no scope: `final_logits_bias`.
    let levels = parts.dropFirst(parts.count > 1 ? scopes : 0)
      .flatMap { $0.split(separator: "_._") }.map(String.init)
    guard let last = levels.last else {
      throw CheckpointError(.malformed, "a variable's name without a level", found: "'\(stored)'")
    }
    let name = (levels.dropLast() + [words[last] ?? last]).joined(separator: ".")
    if kernels.contains(last) || levels.contains("emb_projs") || levels.contains("out_projs") {
      return try ParameterNaming.Parameter(kernel: name, shape)
    }
    let isRow = shape.rank == 2 && shape.dimensions[0] == 1
    let isBias = last == "bias" || last == "beta"
    return ParameterNaming.Parameter(
      name: name, arrangement: isBias && isRow ? .squeezed : .asStored)
  }
}

extension ParameterNaming.Parameter {
  /// A kernel: transposed if it is a matrix.
  ///
  /// - Throws: `unsupported` for the kernels of convolutions, whose axes go in other orders.
  init(kernel name: String, _ shape: Shape) throws(CheckpointError) {
    guard shape.rank <= 2 else {
      throw CheckpointError(
        .unsupported, "the kernel of a convolution can't be laid out as PyTorch's",
        expected: "a matrix", found: "\(shape)")
    }
    self.init(name: name, arrangement: shape.rank == 2 ? .transposed : .asStored)
  }
}
