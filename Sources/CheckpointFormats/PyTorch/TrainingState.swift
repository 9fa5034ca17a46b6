/// The names that training programs give to weights, and to what they keep beside them.
enum TrainingState {
  /// Keys under which the weights are, whatever else lies beside them; the first that holds tensors counts.
  static let wrappers = ["model", "state_dict", "model_state_dict", "model_state", "module"]

  /// Keys that may be a module's name as well: they count only where nothing else could be weights, in this order.
  static let possibleWrappers = [
    "params", "weights", "net", "network", "params_ema", "ema_state_dict", "model_ema", "ema",
  ]

  /// What the state of an optimizer of PyTorch's has.
  static let keysOfOptimizers = ["state", "param_groups"]

  /// What names of training's own state have in them; there are tensors in it, which are no weights.
  private static let parts = [
    "optim", "sched", "rng", "random", "scaler", "sampler", "callback", "loops",
  ]

  /// Whether a key beside the weights is that of an optimizer's state, or of a scheduler, a generator of random numbers and the like.
  static func isState(_ key: String) -> Bool {
    let lower = key.lowercased()
    return parts.contains(where: lower.contains)
  }
}
