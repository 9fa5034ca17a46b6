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
  /// - Parameters:
  ///   - first: a checkpoint.
  ///   - second: another.
  ///   - text: the second's configuration, where another than its own is meant.
  /// - Returns: the differences.
  /// - Throws: what reading them throws.
  public static func between(
    _ first: Source, _ second: Source, as text: [UInt8]? = nil
  ) throws(CheckpointError) -> [ConfigurationDifference] {
    // Keys of GGUF are 32-bit floats, and have no nulls.
    let isGGUF = [first, second].contains { $0.ggufHeader != nil }
    guard first.checkpoint.configuration != nil || first.ggufHeader != nil,
      let one = try document(
        { () throws(CheckpointError) in try first.huggingFaceConfiguration() }),
      let other = try document(
        { () throws(CheckpointError) in
          if let text { return text }
          return try second.huggingFaceConfiguration()
        })
    else { return [] }
    return computingSettings.compactMap { key in
      guard let mine = one[key], let theirs = other[key], mine != theirs,
        mine.double == nil || mine.double != theirs.double
      else { return nil }
      if isGGUF {
        let numbers = [mine, theirs].map { $0.double.map(Float.init) }
        if mine == .null || theirs == .null || numbers[0] != nil && numbers[0] == numbers[1] {
          return nil
        }
      }
      return ConfigurationDifference(key: key, values: (mine, theirs))
    }
  }

  /// Nil for none, and for one that can't be used, which is said where it is opened.
  private static func document(
    _ text: () throws(CheckpointError) -> [UInt8]?
  ) throws(CheckpointError) -> JSONValue? {
    try ifUsable { () throws(CheckpointError) in
      guard let bytes = try text() else { return nil }
      return try HuggingFaceConfiguration(parsing: bytes).document
    } ?? nil
  }
}
