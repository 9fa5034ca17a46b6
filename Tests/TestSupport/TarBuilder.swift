/// Writes tar archives that can break any rule.
public struct TarBuilder {
  /// The archive so far.
  public var bytes: [UInt8] = []

  /// An empty archive.
  public init() {}

  /// Adds a header, and data padded to whole blocks.
  public mutating func add(
    _ name: String, _ data: [UInt8] = [], type: Character = "0", size: [UInt8]? = nil,
    magic: String = "ustar\u{0}00", prefix: String = "", signed: Bool = false
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ bytes: [UInt8], _ offset: Int) {
      header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    put(Array(name.utf8), 0)
    put(Array("0000644\u{0}0000000\u{0}0000000\u{0}".utf8), 100)
    put(size ?? Self.octal(data.count, 11), 124)
    put(Array("00000000000\u{0}        ".utf8), 136)
    put([type.asciiValue ?? 0], 156)
    put(Array(magic.utf8), 257)
    put(Array(prefix.utf8), 345)
    let sum = header.reduce(0) { $0 + (signed ? Int(Int8(bitPattern: $1)) : Int($1)) }
    put(Self.octal(sum, 6) + [0x20], 148)
    bytes += header
    addRaw(data)
  }

  /// Adds bytes, padded to whole blocks.
  public mutating func addRaw(_ data: [UInt8]) {
    bytes += data + [UInt8](repeating: 0, count: -data.count & 511)
  }

  /// Adds an extended header with these pax records.
  public mutating func addRecords(_ records: [(key: String, value: String)], type: Character = "x")
  {
    var data: [UInt8] = []
    for (key, value) in records {
      let rest = " \(key)=\(value)\n"
      var length = rest.utf8.count
      while length != rest.utf8.count + String(length).count {
        length = rest.utf8.count + String(length).count
      }
      data += Array("\(length)\(rest)".utf8)
    }
    add("pax", data, type: type)
  }

  /// Adds the two blocks of zeros.
  public mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

  /// A number as tar writes it, with a NUL at its end.
  public static func octal(_ value: Int, _ digits: Int) -> [UInt8] {
    let text = String(value, radix: 8)
    return Array((String(repeating: "0", count: digits - text.count) + text).utf8) + [0]
  }
}
