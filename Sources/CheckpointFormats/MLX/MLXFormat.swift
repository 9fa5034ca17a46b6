public import TensorModel

/// What mlx-lm loads on Macs: safetensors under the names of its own models, weights in formats of several tensors, a configuration that says which.
///
/// It is written as a format of its own; what is read is safetensors with quantized weights.
public enum MLXFormat: CheckpointFormat {
  /// As `--to` spells it.
  public static let name = "mlx"
  /// A line for `--help`.
  public static let summary = "for mlx-lm: safetensors under its models' names"

  /// The key of `config.json` that says how weights are quantized.
  public static let quantizationKey = "quantization"

  /// Whether a checkpoint was written for MLX: its safetensors files say so.
  public static func wrote(_ checkpoint: Checkpoint) -> Bool {
    checkpoint.format == SafetensorsFormat.name && checkpoint.metadata["format"] == name
  }
}
