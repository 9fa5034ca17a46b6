import TensorModel

// A plan in memory has every expression. What certificates say of them is made when it is written, or asked for: the texts would take more memory
// than all else that is known of the tensors.

/// An expression as documents have it.
enum ExpressionText: Codable, Hashable, Sendable {
  /// As it was read.
  case text(String)
  /// A plan's.
  case planned(TensorExpression)

  /// As documents have it.
  var text: String {
    switch self {
    case .text(let text): text
    case .planned(let expression): expression.description
    }
  }

  init(from decoder: any Decoder) throws {
    self = .text(try decoder.singleValueContainer().decode(String.self))
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }

  static func == (left: Self, right: Self) -> Bool { left.text == right.text }

  func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

/// The stored tensors that an expression is computed from, as documents have them.
enum ExpressionSources: Codable, Hashable, Sendable {
  /// As they were read.
  case names([String])
  /// Those of a plan's.
  case planned(TensorExpression)

  /// As documents have them.
  var names: [String] {
    switch self {
    case .names(let names): names
    case .planned(let expression): expression.sources
    }
  }

  init(from decoder: any Decoder) throws {
    self = .names(try decoder.singleValueContainer().decode([String].self))
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(names)
  }

  static func == (left: Self, right: Self) -> Bool { left.names == right.names }

  func hash(into hasher: inout Hasher) { hasher.combine(names) }
}
