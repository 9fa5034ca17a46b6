import Foundation

/// TensorFlow checkpoints made byte by byte, with an independent CRC-32C.
public struct BundleBuilder {
  /// A variable, or a slice of one.
  public struct Entry {
    /// What its entry in the index is called.
    public var key: [UInt8]
    /// TensorFlow's number of the dtype.
    public var dtype = 1
    /// The extents.
    public var shape: [Int]
    /// The bytes; nil for a variable that has slices.
    public var bytes: [UInt8]?
    /// What slices have of each dimension, start and length; a nil length is the whole.
    public var slices: [[(start: Int, length: Int?)]] = []

    /// A variable of `F32`.
    public init(
      _ name: String, _ shape: [Int], _ bytes: [UInt8]?,
      slices: [[(start: Int, length: Int?)]] = []
    ) {
      (key, self.shape, self.bytes, self.slices) = (Array(name.utf8), shape, bytes, slices)
    }

    /// A slice under its key.
    public init(key: [UInt8], _ shape: [Int], _ bytes: [UInt8]) {
      (self.key, self.shape, self.bytes) = (key, shape, bytes)
    }
  }

  /// The entries, in any order.
  public var entries: [Entry]

  /// A bundle with one data file.
  public init(_ entries: [Entry]) { self.entries = entries }

  /// The data file.
  public var data: [UInt8] { entries.flatMap { $0.bytes ?? [] } }

  /// The index: one block of entries, whose keys are all whole.
  public var index: [UInt8] {
    var rows: [(key: [UInt8], value: [UInt8])] = [([], [8, 1, 0x1a, 2, 8, 1])]
    var offset = 0
    for entry in entries {
      let shape = entry.shape.flatMap { Self.field(2, Self.number(1, $0)) }
      var value = Self.number(1, entry.dtype) + Self.field(2, shape)
      if let bytes = entry.bytes {
        value += Self.number(4, offset) + Self.number(5, bytes.count)
        value += [6 << 3 | 5] + Self.masked(Self.crc32c(bytes)).littleEndianBytes
        offset += bytes.count
      }
      for slice in entry.slices {
        let extents = slice.flatMap { extent in
          Self.field(
            1,
            Self.number(1, extent.start)
              + (extent.length.map { [2 << 3] + Self.varint($0) } ?? []))
        }
        value += Self.field(7, extents)
      }
      rows.append((entry.key, value))
    }
    rows.sort { $0.key.lexicographicallyPrecedes($1.key) }
    let entries = Self.block(rows)
    let others = Self.block([])
    let handle = Self.varint(0) + Self.varint(entries.count - 5)
    let index = Self.block([(rows.last?.key ?? [], handle)])
    var footer = Self.varint(entries.count) + Self.varint(others.count - 5)
    footer += Self.varint(entries.count + others.count) + Self.varint(index.count - 5)
    footer += [UInt8](repeating: 0, count: 40 - footer.count)
    return entries + others + index + footer + [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]
  }

  /// Writes `PREFIX.index` and its data file.
  public func write(to workspace: Workspace, _ prefix: String = "model.ckpt") throws {
    try workspace.write("\(prefix).index", Data(index))
    try workspace.write("\(prefix).data-00000-of-00001", Data(data))
  }

  private static func block(_ rows: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
    var (bytes, starts): ([UInt8], [UInt32]) = ([], [])
    for row in rows {
      starts.append(UInt32(bytes.count))
      bytes += [0] + varint(row.key.count) + varint(row.value.count) + row.key + row.value
    }
    if starts.isEmpty { starts = [0] }
    bytes += starts.flatMap(\.littleEndianBytes) + UInt32(starts.count).littleEndianBytes + [0]
    return bytes + masked(crc32c(bytes)).littleEndianBytes
  }

  /// A field of an integer; none for 0.
  private static func number(_ field: Int, _ value: Int) -> [UInt8] {
    value == 0 ? [] : [UInt8(field << 3)] + varint(value)
  }

  private static func field(_ field: Int, _ bytes: [UInt8]) -> [UInt8] {
    [UInt8(field << 3 | 2)] + varint(bytes.count) + bytes
  }

  private static func varint(_ value: Int) -> [UInt8] {
    var (rest, bytes): (Int, [UInt8]) = (value, [])
    while rest > 0x7f {
      bytes.append(UInt8(rest & 0x7f | 0x80))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func masked(_ crc: UInt32) -> UInt32 { (crc >> 15 | crc << 17) &+ 0xa282_ead8 }

  /// By the definition, a bit at a time.
  private static func crc32c(_ bytes: [UInt8]) -> UInt32 {
    var crc = ~UInt32(0)
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
    return ~crc
  }
}
