import FileContainers

/// Checksums of a changed LevelDB table, mended: without that no change would get further than to a block that doesn't match.
public enum TableRepair {
  /// How many bytes of an input are the table: to the end of the first magic number.
  public static func end(of input: [UInt8]) -> Int {
    let magic = SortedTable.magic
    guard input.count >= magic.count else { return input.count }
    for start in 0...input.count - magic.count
    where input[start] == magic[0] && input[start..<start + magic.count] == magic[...] {
      return start + magic.count
    }
    return input.count
  }

  /// The table with the checksums that its blocks have now.
  public static func repaired(_ table: [UInt8]) -> [UInt8] {
    var bytes = table
    guard bytes.count >= 48 else { return bytes }
    var position = bytes.count - 48
    guard let others = handle(bytes, &position), let index = handle(bytes, &position) else {
      return bytes
    }
    seal(&bytes, others)
    seal(&bytes, index)
    position = index.offset
    // After the entries stand the places of whole keys, and how many these are.
    let last = index.offset + index.count
    guard index.count >= 8 else { return bytes }
    let end = last - 4 * (1 + Int(bytes[last - 4]))
    while position < end {
      guard let shared = number(bytes, &position), let further = number(bytes, &position),
        let valueCount = number(bytes, &position), shared >= 0, further <= end - position,
        valueCount <= end - position - further
      else { break }
      position += further
      var place = position
      if valueCount > 0, let block = handle(bytes, &place) { seal(&bytes, block) }
      position += valueCount
    }
    // The index may have been one of its own blocks.
    seal(&bytes, index)
    return bytes
  }

  private static func handle(
    _ bytes: [UInt8], _ position: inout Int
  ) -> (offset: Int, count: Int)? {
    guard let offset = number(bytes, &position), let count = number(bytes, &position) else {
      return nil
    }
    return offset <= bytes.count - 5 && count <= bytes.count - 5 - offset ? (offset, count) : nil
  }

  private static func number(_ bytes: [UInt8], _ position: inout Int) -> Int? {
    var number = 0
    for shift in stride(from: 0, to: 28, by: 7) where position < bytes.count {
      let byte = Int(bytes[position])
      position += 1
      number |= (byte & 0x7f) << shift
      if byte < 0x80 { return number }
    }
    return nil
  }

  private static func seal(_ bytes: inout [UInt8], _ block: (offset: Int, count: Int)) {
    var crc = ~UInt32(0)
    for byte in bytes[block.offset...block.offset + block.count] {
      crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
    }
    crc = ~crc
    let masked = (crc >> 15 | crc << 17) &+ 0xa282_ead8
    for place in 0..<4 {
      bytes[block.offset + block.count + 1 + place] = UInt8(
        truncatingIfNeeded: masked >> UInt32(8 * place))
    }
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
  }
}
