// A table of LevelDB, as TensorFlow writes it (tensorflow/core/lib/io/table_builder.cc; leveldb/doc/table_format.md):
//
// 1. blocks of entries one after the other, then a block of further indexes, which is empty, then the index of the blocks
// 2. the last 48 bytes: where these two lie, each as two varints of offset and size; zeros up to byte 40; eight bytes of magic number
// 3. after each block a byte of its compression, of which there is none here, and four of its checksum (`TableBlock`)
// 4. the index has for each block a key that is not before its last one, and before the first of the next; the value is where it lies

public import TensorModel

/// Entries of keys and values in the order of their keys, each of whose bytes is under a checksum or has one value only.
public enum SortedTable {
  /// What the file ends with.
  public static let magic: [UInt8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]

  private static let footerByteCount = 48

  /// Reads a table.
  ///
  /// - Parameters:
  ///   - bytes: all of the file.
  ///   - limits: what it may have.
  ///   - take: is given each entry, in the order of the keys, which are in ascending order by bytes.
  /// - Throws: `malformed` for what breaks the format's rules, `corrupt` if a checksum is wrong, `unsupported` for compressed blocks and more
  ///   entries than the limits allow; what `take` throws.
  public static func read(
    _ bytes: [UInt8], _ limits: Limits = Limits(),
    _ take: (_ key: [UInt8], _ value: ArraySlice<UInt8>) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let footer = try Footer(bytes)
    var room = limits
    var last: [UInt8]?
    /// The blocks must fill the file up to the block of further indexes.
    var end = 0
    var index = TableBlock(try TableBlock.contents(of: footer.index, in: bytes), footer.index)
    var reached: [UInt8]?
    while let block = try index.next(&room) {
      var position = block.value.startIndex
      let handle = try Handle(bytes, &position, block.value.endIndex)
      guard position == block.value.endIndex, handle.offset == end else {
        throw malformed("the blocks of the table don't lie one after the other", handle.offset)
      }
      var entries = TableBlock(try TableBlock.contents(of: handle, in: bytes), handle)
      end = handle.end
      while let entry = try entries.next(&room) {
        if let last, !last.lexicographicallyPrecedes(entry.key) {
          throw malformed(
            last == entry.key ? "a key stands twice" : "the keys of the table are not in order",
            entry.value.startIndex)
        }
        if let reached, !reached.lexicographicallyPrecedes(entry.key) {
          throw malformed("a key stands in the wrong block", entry.value.startIndex)
        }
        last = entry.key
        try take(entry.key, entry.value)
      }
      if let last, block.key.lexicographicallyPrecedes(last) {
        throw malformed("a block has keys after the one that its index names", handle.offset)
      }
      reached = block.key
    }
    var others = TableBlock(try TableBlock.contents(of: footer.others, in: bytes), footer.others)
    guard footer.others.offset == end, try others.next(&room) == nil else {
      throw CheckpointError(
        .unsupported, "the table has more than blocks of entries, such as a filter",
        byteOffset: footer.others.offset, hint: "save the checkpoint again with TensorFlow")
    }
    guard footer.index.offset == footer.others.end,
      footer.index.end == bytes.count - footerByteCount
    else { throw malformed("there are bytes in the table that belong to nothing", end) }
  }

  /// What a table may have; what was taken is subtracted.
  public struct Limits: Sendable {
    /// Entries, those of the index among them.
    public var entryCount = 1 << 17
    /// Bytes of all keys, of which the file shortens each to what differs from the last.
    public var keyByteCount = 16 << 20
    /// Bytes of one key.
    public var longestKey = 1 << 12

    /// Enough for tens of thousands of variables.
    public init() {}
  }

  /// Where a block lies.
  struct Handle {
    let offset: Int
    /// Bytes of its contents, without compression and checksum.
    let byteCount: Int

    /// Bytes of compression and checksum after the contents.
    static let trailerByteCount = 5

    var end: Int { offset + byteCount + Self.trailerByteCount }

    init(
      _ bytes: [UInt8], _ position: inout Int, _ end: Int
    ) throws(CheckpointError) {
      let start = position
      let offset = try TableBlock.varint(bytes, &position, end)
      let byteCount = try TableBlock.varint(bytes, &position, end)
      let room = bytes.count - SortedTable.footerByteCount - Self.trailerByteCount
      guard room >= 0, offset <= UInt64(room), byteCount <= UInt64(room) - offset else {
        throw malformed("a block that lies outside of the file", start)
      }
      (self.offset, self.byteCount) = (Int(offset), Int(byteCount))
    }
  }

  private struct Footer {
    let others: Handle
    let index: Handle

    init(_ bytes: [UInt8]) throws(CheckpointError) {
      guard bytes.count >= footerByteCount, bytes.suffix(magic.count) == magic[...] else {
        throw CheckpointError(
          .malformed, "not an index of TensorFlow's: the magic number at the end is missing",
          byteOffset: max(0, bytes.count - magic.count),
          found: bytes.isEmpty ? "an empty file" : nil,
          hint: "the file was cut short or damaged: get it again")
      }
      let end = bytes.count - magic.count
      var position = bytes.count - footerByteCount
      others = try Handle(bytes, &position, end)
      index = try Handle(bytes, &position, end)
      guard bytes[position..<end].allSatisfy({ $0 == 0 }) else {
        throw malformed("bytes other than zero in the table's footer", position)
      }
    }
  }

  static func malformed(_ message: String, _ byteOffset: Int) -> CheckpointError {
    CheckpointError(.malformed, message, byteOffset: byteOffset)
  }
}
