// A message of Protocol Buffers: fields one after the other, each
//   1. a varint: field number << 3 | wire type
//   2. the value, by wire type: 0 a varint; 1 eight bytes; 2 a varint of length and so many bytes; 5 four bytes
// https://protobuf.dev/programming-guides/encoding

public import TensorModel

/// Reads the fields of a message, in the order in which they stand.
public struct ProtobufMessage {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  /// A field's value.
  public enum Value {
    /// An integer, a truth value or a case of an enumeration.
    case varint(UInt64)
    /// Four bytes, little-endian.
    case fixed32(UInt32)
    /// Eight bytes, little-endian.
    case fixed64(UInt64)
    /// A text, bytes or another message.
    case bytes(ArraySlice<UInt8>)
  }

  /// A message that fills these bytes.
  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// The next field; nil at the end.
  ///
  /// - Throws: `malformed` with the byte, for what is cut off or has wire types that nobody writes any more.
  public mutating func next() throws(CheckpointError) -> (number: UInt64, value: Value)? {
    guard position < bytes.endIndex else { return nil }
    let start = position
    let key = try varint()
    guard key >> 3 > 0 else { throw malformed("a field without a number", start) }
    let value: Value
    switch key & 7 {
    case 0: value = .varint(try varint())
    case 1: value = .fixed64(try integer(8))
    case 2:
      let count = try varint()
      guard count <= UInt64(bytes.endIndex - position) else {
        throw malformed("a field longer than its message", start)
      }
      value = .bytes(bytes[position..<position + Int(count)])
      position += Int(count)
    case 5: value = .fixed32(UInt32(truncatingIfNeeded: try integer(4)))
    default: throw malformed("an unknown wire type", start)
    }
    return (key >> 3, value)
  }

  private mutating func varint() throws(CheckpointError) -> UInt64 {
    var number: UInt64 = 0
    let start = position
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < bytes.endIndex else { break }
      let byte = bytes[position]
      position += 1
      number |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return number }
    }
    throw malformed("an integer without an end", start)
  }

  private mutating func integer(_ count: Int) throws(CheckpointError) -> UInt64 {
    guard bytes.endIndex - position >= count else {
      throw malformed("a number that is cut off", position)
    }
    defer { position += count }
    return bytes[position..<position + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func malformed(_ message: String, _ byteOffset: Int) -> CheckpointError {
    CheckpointError(.malformed, message, byteOffset: byteOffset)
  }
}

extension ProtobufMessage.Value {
  /// A truth value; nil for other types.
  public var flag: Bool? {
    if case .varint(let number) = self { number != 0 } else { nil }
  }

  /// A text in UTF-8; nil for other types and invalid bytes.
  public var text: String? {
    if case .bytes(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
  }
}
