/// A value of a GGUF file's metadata.
public enum GGUFValue: Hashable, Sendable, CustomStringConvertible {
  /// Types 0, 2, 4, 10: integers without sign.
  case unsigned(UInt64, GGUFType)
  /// Types 1, 3, 5, 11: integers with sign.
  case signed(Int64, GGUFType)
  /// Types 6 and 12.
  case float(Double, GGUFType)
  /// Type 7.
  case bool(Bool)
  /// Type 8, as its bytes: most files have UTF-8, none has to.
  case string([UInt8])
  /// Type 9: values of one type, which is no array.
  case array(GGUFArray)

  /// The type.
  public var type: GGUFType {
    switch self {
    case .unsigned(_, let type), .signed(_, let type), .float(_, let type): type
    case .bool: .bool
    case .string: .string
    case .array: .array
    }
  }

  /// A text in UTF-8; invalid bytes are replaced.
  public var text: String? {
    guard case .string(let bytes) = self else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A line for people.
  public var description: String {
    switch self {
    case .unsigned(let value, _): "\(value)"
    case .signed(let value, _): "\(value)"
    case .float(let value, let type): type == .float32 ? "\(Float(value))" : "\(value)"
    case .bool(let value): "\(value)"
    case .string(let bytes): String(decoding: bytes.prefix(Self.describedByteCount), as: UTF8.self)
    case .array(let array): "\(array.count) × \(array.type)"
    }
  }

  private static let describedByteCount = 4096

  /// An integer of any type.
  public var integer: Int? {
    switch self {
    case .unsigned(let value, _): Int(exactly: value)
    case .signed(let value, _): Int(exactly: value)
    default: nil
    }
  }

  /// A number of any type.
  public var number: Double? {
    switch self {
    case .unsigned(let value, _): Double(value)
    case .signed(let value, _): Double(value)
    case .float(let value, _): value
    default: nil
    }
  }

  /// True or false.
  public var flag: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// An array.
  public var array: GGUFArray? {
    guard case .array(let array) = self else { return nil }
    return array
  }
}

/// The types that values of a GGUF file's metadata have, by their numbers in the file.
public enum GGUFType: UInt32, Sendable, Hashable {
  case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64,
    float64

  /// Bytes of a value in the file; for strings and arrays the least.
  public var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}

extension GGUFValue {
  /// A text.
  public static func text(_ text: String) -> GGUFValue { .string(Array(text.utf8)) }

  /// A count, of 32 bits as llama.cpp expects them.
  public static func count(_ number: Int) -> GGUFValue { .unsigned(UInt64(number), .uint32) }

  /// A number, of 32 bits.
  public static func number(_ number: Double) -> GGUFValue {
    .float(Double(Float(number)), .float32)
  }
}
