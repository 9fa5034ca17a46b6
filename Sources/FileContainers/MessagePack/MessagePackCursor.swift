// MessagePack, https://github.com/msgpack/msgpack/blob/master/spec.md: a value begins with a byte that says what it is.
//
//   00-7f, e0-ff  integer             c0      nil              ca cb        float of 4, 8 bytes
//   80-8f         map                 c2 c3   false, true      cc-cf        unsigned integer of 1, 2, 4, 8 bytes
//   90-9f         array               c4-c6   bytes            d0-d3        signed integer, likewise
//   a0-bf         text                c7-c9   extension        d9 da db     text
//                                     d4-d8   extension        dc dd, de df array, map
//
// Lengths and counts are in the byte itself or follow it in 1, 2 or 4 bytes; all numbers are big-endian. A map's count is of pairs.

public import TensorModel

/// What a value of MessagePack is, up to where its contents begin.
public enum MessagePackHead: Hashable, Sendable {
  /// Nothing.
  case null
  /// A truth value.
  case boolean(Bool)
  /// An integer.
  case integer(Int)
  /// A float, or an integer of more than 63 bits, whose value isn't told.
  case otherNumber
  /// UTF-8 text of so many bytes, which follow.
  case text(byteCount: Int)
  /// So many bytes, which follow.
  case bytes(byteCount: Int)
  /// So many values, which follow.
  case array(count: Int)
  /// So many pairs of values, which follow.
  case map(count: Int)
  /// An application's own type, and so many bytes of it, which follow.
  case `extension`(type: Int, byteCount: Int)
}

/// Reads the values of a file one after the other; what is long can be left out, so that nothing is taken into memory but what is asked for.
public struct MessagePackCursor {
  private var file: FileCursor

  /// Begins at the first byte.
  public init(_ file: FileRegion) {
    self.file = FileCursor(file)
    self.file.isBigEndian = true
  }

  /// Where the next byte is.
  public var position: Int { file.position }
  /// Bytes from here to the end of the file.
  public var remaining: Int { file.remaining }

  /// What the next value is; its contents come next.
  ///
  /// - Throws: `malformed` if it isn't all there, or has more contents than the file has room for; `inputOutput`.
  public mutating func head() throws(CheckpointError) -> MessagePackHead {
    let place = position
    let kind = Int(try file.integer(1))
    switch kind {
    case 0x00...0x7f: return .integer(kind)
    case 0x80...0x8f: return try .map(count: checked(kind & 0xf, each: 2, place))
    case 0x90...0x9f: return try .array(count: checked(kind & 0xf, each: 1, place))
    case 0xa0...0xbf: return try .text(byteCount: checked(kind & 0x1f, each: 1, place))
    case 0xc0: return .null
    case 0xc2, 0xc3: return .boolean(kind == 0xc3)
    case 0xc4...0xc6: return try .bytes(byteCount: length(1 << (kind - 0xc4), place))
    case 0xc7...0xc9: return try extended(byteCount: nil, 1 << (kind - 0xc7), place)
    case 0xca, 0xcb: return try otherNumber(kind == 0xca ? 4 : 8)
    case 0xcc...0xcf: return try integer(1 << (kind - 0xcc), isSigned: false)
    case 0xd0...0xd3: return try integer(1 << (kind - 0xd0), isSigned: true)
    case 0xd4...0xd8: return try extended(byteCount: 1 << (kind - 0xd4), 0, place)
    case 0xd9...0xdb: return try .text(byteCount: length(1 << (kind - 0xd9), place))
    case 0xdc, 0xdd: return try .array(count: length(2 << (kind - 0xdc), place))
    case 0xde, 0xdf: return try .map(count: length(2 << (kind - 0xde), each: 2, place))
    case 0xe0...0xff: return .integer(kind - 0x100)
    default:
      throw CheckpointError(
        .malformed, "a byte that begins no value of MessagePack", byteOffset: place,
        found: "byte \(kind)")
    }
  }

  /// The contents of a text.
  ///
  /// - Parameter byteCount: from its head.
  /// - Returns: the text.
  /// - Throws: `malformed` if it isn't UTF-8; `inputOutput`.
  public mutating func text(_ byteCount: Int) throws(CheckpointError) -> String {
    let place = position
    guard let text = String(validating: try file.bytes(byteCount), as: UTF8.self) else {
      throw CheckpointError(.malformed, "a text that is not UTF-8", byteOffset: place)
    }
    return text
  }

  /// Leaves contents out.
  ///
  /// - Throws: `malformed` if they aren't all there; `inputOutput`.
  public mutating func skip(_ byteCount: Int) throws(CheckpointError) { try file.skip(byteCount) }

  private mutating func length(
    _ byteCount: Int, each: Int = 1, _ place: Int
  ) throws(CheckpointError) -> Int {
    // Not in one expression: the rest of the file would be measured before the length is read.
    let count = Int(try file.integer(byteCount))
    return try checked(count, each: each, place)
  }

  /// Nothing is as long as the file says before the file has room for it.
  private func checked(_ count: Int, each: Int, _ place: Int) throws(CheckpointError) -> Int {
    guard count <= remaining / each else {
      throw CheckpointError(
        .malformed, "a value that is longer than the rest of the file", byteOffset: place,
        expected: "at most \(remaining / each)", found: "\(count)",
        hint: "the file was cut short or changed: get it again")
    }
    return count
  }

  private mutating func extended(
    byteCount: Int?, _ lengthByteCount: Int, _ place: Int
  ) throws(CheckpointError) -> MessagePackHead {
    var count = 0
    if let byteCount { count = byteCount } else { count = Int(try file.integer(lengthByteCount)) }
    let type = Int(Int8(truncatingIfNeeded: try file.integer(1)))
    return .extension(type: type, byteCount: try checked(count, each: 1, place))
  }

  private mutating func integer(
    _ byteCount: Int, isSigned: Bool
  ) throws(CheckpointError) -> MessagePackHead {
    let bits = try file.integer(byteCount)
    guard isSigned else { return Int(exactly: bits).map { .integer($0) } ?? .otherNumber }
    let shift = 64 - 8 * byteCount
    return .integer(Int(Int64(bitPattern: bits << UInt64(shift)) >> Int64(shift)))
  }

  private mutating func otherNumber(_ byteCount: Int) throws(CheckpointError) -> MessagePackHead {
    _ = try file.integer(byteCount)
    return .otherNumber
  }
}
