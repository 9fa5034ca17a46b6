// A block of a LevelDB table:
//
// 1. entries: three varints (bytes of the key that are the last key's first ones, further bytes of the key, bytes of the value), the
//    further bytes, the value
// 2. the offsets of some entries, whose keys are whole, the first entry's among them; how many these are; each a u32
// 3. after it: a byte of compression (0 none, 1 snappy); a u32, the CRC-32C of contents and that byte, masked

import CTensorKernels
import TensorModel

/// The entries of a block.
struct TableBlock {
  private let bytes: [UInt8]
  private var position: Int
  /// Where the entries end and the offsets of whole keys begin.
  private let end: Int
  private let start: Int
  private var key: [UInt8] = []
  /// The offset of a whole key that comes next.
  private var restart = 0
  private let restartCount: Int

  /// A block whose contents were checked.
  init(_ contents: (bytes: [UInt8], end: Int, restartCount: Int), _ handle: SortedTable.Handle) {
    bytes = contents.bytes
    (start, position, end) = (handle.offset, handle.offset, contents.end)
    restartCount = contents.restartCount
  }

  /// Checks a block's checksum and its size.
  ///
  /// - Returns: the file, where the entries end in it, and how many keys are whole.
  static func contents(
    of handle: SortedTable.Handle, in bytes: [UInt8]
  ) throws(CheckpointError) -> (bytes: [UInt8], end: Int, restartCount: Int) {
    let trailer = handle.offset + handle.byteCount
    let crc = bytes.withUnsafeBytes { buffer in
      wb_crc32c(0, buffer.baseAddress.map { $0 + handle.offset }, handle.byteCount + 1)
    }
    let stored = unmaskedChecksum(word(bytes, trailer + 1))
    guard crc == stored else {
      throw CheckpointError(
        .corrupt, "the CRC-32C of a block of the table doesn't match", byteOffset: handle.offset,
        expected: hexadecimal(stored), found: hexadecimal(crc),
        hint: "the file was damaged; get it again")
    }
    guard bytes[trailer] == 0 else {
      throw CheckpointError(
        .unsupported, "a compressed block in the table", byteOffset: trailer,
        expected: "0, as TensorFlow writes it", found: "compression \(bytes[trailer])",
        hint: "save the checkpoint again with TensorFlow")
    }
    guard handle.byteCount >= 8 else {
      throw SortedTable.malformed("a block too short to have entries", handle.offset)
    }
    let count = Int(word(bytes, trailer - 4))
    guard count >= 1, count <= handle.byteCount / 4 - 1 else {
      throw CheckpointError(
        .malformed, "more whole keys than the block has room for", byteOffset: trailer - 4,
        expected: "1 to \(handle.byteCount / 4 - 1)", found: "\(count)")
    }
    return (bytes, trailer - 4 - 4 * count, count)
  }

  /// The next entry.
  ///
  /// - Parameter room: what the table may still have.
  /// - Returns: key and value; nil at the end.
  /// - Throws: `malformed`; `unsupported` where there is no room left.
  mutating func next(
    _ room: inout SortedTable.Limits
  ) throws(CheckpointError) -> (key: [UInt8], value: ArraySlice<UInt8>)? {
    guard position < end else {
      let isEmpty = end == start && restartCount == 1 && Self.word(bytes, end) == 0
      guard restart == restartCount || isEmpty else {
        throw SortedTable.malformed("the place of a whole key is that of no entry", end)
      }
      return nil
    }
    let place = position
    let shared = try Self.varint(bytes, &position, end)
    let further = try Self.varint(bytes, &position, end)
    let valueCount = try Self.varint(bytes, &position, end)
    guard further <= UInt64(end - position),
      valueCount <= UInt64(end - position) - further, shared <= UInt64(key.count)
    else { throw SortedTable.malformed("an entry longer than its block or its key", place) }
    if restart < restartCount, Int(Self.word(bytes, end + 4 * restart)) == place - start {
      guard shared == 0 else {
        throw SortedTable.malformed("a key that should be whole is shortened", place)
      }
      restart += 1
    }
    guard restart > 0 else {
      throw SortedTable.malformed("the first key of a block is not among the whole ones", place)
    }
    let keyCount = Int(shared) + Int(further)
    room.entryCount -= 1
    room.keyByteCount -= keyCount
    guard room.entryCount >= 0, room.keyByteCount >= 0, keyCount <= room.longestKey else {
      throw CheckpointError(
        .unsupported, "more or longer keys than any model has", byteOffset: place,
        hint: "a table with that many entries isn't a checkpoint of a model")
    }
    key.removeSubrange(Int(shared)...)
    key += bytes[position..<position + Int(further)]
    position += Int(further)
    let value = bytes[position..<position + Int(valueCount)]
    position += Int(valueCount)
    return (key, value)
  }

  /// A number in groups of seven bits, the lowest first, in as few bytes as it needs.
  static func varint(
    _ bytes: [UInt8], _ position: inout Int, _ end: Int
  ) throws(CheckpointError) -> UInt64 {
    let start = position
    var number: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 63, by: 7) where position < end {
      let byte = bytes[position]
      position += 1
      number |= UInt64(byte & 0x7f) << shift
      guard byte < 0x80 else { continue }
      guard byte > 0 || shift == 0 else { break }
      return number
    }
    throw SortedTable.malformed("a number that is cut off, too large or too long", start)
  }

  private static func word(_ bytes: [UInt8], _ position: Int) -> UInt32 {
    bytes[position..<position + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// A CRC-32C as it was before LevelDB masked it: turned right by 15 bits, and a constant added.
///
/// Source: `crc32c::Mask` of LevelDB: checksums of data that hold checksums would be poor ones.
public func unmaskedChecksum(_ masked: UInt32) -> UInt32 {
  let turned = masked &- 0xa282_ead8
  return turned >> 17 | turned << 15
}
