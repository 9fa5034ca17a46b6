/// What tokens see.
public enum AttentionMode: String, Sendable, Hashable, Codable, CaseIterable {
  /// Each token sees itself and those before it.
  case causal
  /// The tokens of the prompt see each other; those that are generated see all before them. So GPT-JT was trained.
  case prefix
}
