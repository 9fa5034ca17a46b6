// Values of tables, written as Swift has them.

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }

  /// Any other number.
  public init(floatLiteral value: Double) { self = .number("\(value)") }

  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue {
  /// Whether two values are the same, numbers by what they are: `1e-5` is `0.00001`.
  public func isSame(as other: JSONValue) -> Bool {
    if let (a, b) = double.flatMap({ a in other.double.map { (a, $0) } }) { return a == b }
    return self == other
  }

  /// Whether there is nothing in it: `null`, and lists and objects of nothing.
  public var isNothing: Bool {
    switch self {
    case .null: true
    case .array(let elements): elements.allSatisfy(\.isNothing)
    case .object(let members): members.allSatisfy(\.value.isNothing)
    case .bool, .number, .string: false
    }
  }
}
