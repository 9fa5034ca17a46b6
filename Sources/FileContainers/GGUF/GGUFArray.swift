/// An array of a GGUF file's metadata, kept as its bytes: tokenizers have hundreds of thousands of elements.
public struct GGUFArray: Hashable, Sendable {
  /// What the elements are: no arrays.
  public let type: GGUFType
  /// How many there are.
  public let count: Int
  /// Little-endian elements one after the other; strings with their length in 8 bytes before them.
  public let bytes: [UInt8]

  /// An array whose bytes are as described.
  init(_ type: GGUFType, count: Int, bytes: [UInt8]) {
    self.type = type
    self.count = count
    self.bytes = bytes
  }

  /// An array of texts.
  public init(_ strings: [String]) {
    var bytes: [UInt8] = []
    for string in strings {
      let text = Array(string.utf8)
      withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes += $0 }
      bytes += text
    }
    self.init(.string, count: strings.count, bytes: bytes)
  }

  /// An array of integers of 32 bits.
  public init(_ integers: [Int32]) {
    var bytes: [UInt8] = []
    for integer in integers { withUnsafeBytes(of: integer.littleEndian) { bytes += $0 } }
    self.init(.int32, count: integers.count, bytes: bytes)
  }

  /// An array of binary32 numbers.
  public init(_ numbers: [Float]) {
    var bytes: [UInt8] = []
    for number in numbers {
      withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
    }
    self.init(.float32, count: numbers.count, bytes: bytes)
  }

  /// An array of flags.
  public init(_ flags: [Bool]) {
    self.init(.bool, count: flags.count, bytes: flags.map { $0 ? 1 : 0 })
  }

  /// The elements of an array of strings, as their bytes; nil for other arrays.
  public var strings: [ArraySlice<UInt8>]? {
    guard type == .string else { return nil }
    var strings: [ArraySlice<UInt8>] = []
    strings.reserveCapacity(count)
    var position = 0
    for _ in 0..<count {
      let length = Int(truncatingIfNeeded: integer(at: position, 8))
      strings.append(bytes[position + 8..<position + 8 + length])
      position += 8 + length
    }
    return strings
  }

  /// The elements of an array of strings as texts, invalid bytes replaced; nil for other arrays.
  public var texts: [String]? { strings?.map { String(decoding: $0, as: UTF8.self) } }

  /// The elements of an array of numbers or flags; nil for arrays of strings.
  public var values: [GGUFValue]? {
    guard type != .string else { return nil }
    return (0..<count).map {
      GGUFValue(bits: integer(at: $0 * type.byteCount, type.byteCount), type)
    }
  }

  private func integer(at position: Int, _ count: Int) -> UInt64 {
    bytes[position..<position + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension GGUFValue {
  /// A number or flag from its bits; a flag is true unless they are 0.
  init(bits: UInt64, _ type: GGUFType) {
    switch type {
    case .int8: self = .signed(Int64(Int8(truncatingIfNeeded: bits)), type)
    case .int16: self = .signed(Int64(Int16(truncatingIfNeeded: bits)), type)
    case .int32: self = .signed(Int64(Int32(truncatingIfNeeded: bits)), type)
    case .int64: self = .signed(Int64(truncatingIfNeeded: bits), type)
    case .float32:
      self = .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))), type)
    case .float64: self = .float(Double(bitPattern: bits), type)
    case .bool: self = .bool(bits != 0)
    default: self = .unsigned(bits, type)
    }
  }
}
