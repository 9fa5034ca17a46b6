import FileContainers

/// Numbers that DeepSpeed and GPT-NeoX note beside the weights: how far the training was, and what the model is.
struct TrainingRecord: Sendable {
  /// The file's own.
  private(set) var numbers: [String: Int] = [:]
  /// Those under `args`.
  private(set) var arguments: [String: Int] = [:]

  /// The step of the training.
  static let step = "iteration"
  /// The same, as DeepSpeed counts it.
  static let engineStep = "global_steps"
  /// Sizes of the model, in the keys of its configuration.
  static let sizes = [
    "num_layers", "hidden_size", "num_attention_heads", "max_position_embeddings",
  ]
  /// How many ranks matrices are cut over.
  static let rankCount = "model_parallel_size"
  /// Rows of the embedding, padding included.
  static let vocabulary = "padded_vocab_size"

  /// None.
  init() {}

  /// Those at the top of a pickle.
  init(_ value: PickleValue, _ heap: PickleHeap) {
    for (key, value) in heap.dictionary(value) ?? [] {
      for name in [Self.step, Self.engineStep] where heap.isText(key, name) {
        if case .integer(let number) = value { numbers[name] = number }
      }
      guard heap.isText(key, "args") else { continue }
      for (key, value) in heap.dictionary(value) ?? [] {
        for name in Self.sizes + [Self.rankCount, Self.vocabulary] where heap.isText(key, name) {
          if case .integer(let number) = value { arguments[name] = number }
        }
      }
    }
  }
}
