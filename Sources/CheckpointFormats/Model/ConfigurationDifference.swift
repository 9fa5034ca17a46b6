import FileContainers
import ModelArchitectures
public import TensorModel

/// A setting that two checkpoints' configurations have with different values.
public struct ConfigurationDifference: Sendable {
  /// The setting.
  public let key: String
  private let values: (first: JSONValue, second: JSONValue)

  /// A sentence.
  public var text: String {
    "the configurations differ in '\(key)': \(values.first.shortText), the other's is \(values.second.shortText)"
  }

  /// Settings that decide what the weights compute; those that both configurations have must be the same.
  private static let computingSettings = [
    "model_type", "n_layer", "n_embd", "n_head", "n_inner", "n_positions", "rotary_dim",
    "vocab_size", "activation_function", "layer_norm_epsilon", "tie_word_embeddings",
    "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
    "intermediate_size", "hidden_act", "rms_norm_eps", "rope_theta", "rotary_pct",
  ]

  /// Where two checkpoints' configurations say different things of what the weights compute; what only one says is no difference.
  ///
  /// - Throws: what reading them throws.
  public static func between(
    _ first: Source, _ second: Source
  ) throws(CheckpointError) -> [ConfigurationDifference] {
    guard first.checkpoint.configuration != nil, let one = try document(first),
      let other = try document(second)
    else { return [] }
    return computingSettings.compactMap { key in
      guard let mine = one[key], let theirs = other[key], mine != theirs,
        mine.double == nil || mine.double != theirs.double
      else { return nil }
      return ConfigurationDifference(key: key, values: (mine, theirs))
    }
  }

  /// Nil for none, and for one that can't be used, which is said where it is opened.
  private static func document(_ source: Source) throws(CheckpointError) -> JSONValue? {
    try ifUsable { () throws(CheckpointError) in
      guard let bytes = try source.huggingFaceConfiguration() else { return nil }
      return try HuggingFaceConfiguration(parsing: bytes).document
    } ?? nil
  }
}
