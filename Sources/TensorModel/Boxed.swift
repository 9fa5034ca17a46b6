/// A value that lies in a place of its own, so that it costs a word where there is none: tables have hundreds of thousands of lines, and most have none.
public indirect enum Boxed<Value: Hashable & Sendable>: Hashable, Sendable {
  /// There is none.
  case none
  /// A value.
  case some(Value)

  /// A value, or none.
  public init(_ value: Value?) {
    self = value.map { .some($0) } ?? .none
  }

  /// The value; nil where there is none.
  public var value: Value? {
    if case .some(let value) = self { value } else { nil }
  }
}
