/// A GGUF file made byte by byte, sound unless it is told otherwise.
public struct GGUFBuilder {
  /// Of the format.
  public var version: UInt32 = 3
  /// Whether numbers begin with their most significant byte.
  public var isBigEndian = false
  /// What data are padded to; not written among the metadata.
  public var alignment = 32
  /// Keys, numbers of types, and values as they stand in the file.
  public var entries: [(key: [UInt8], type: UInt32, value: [UInt8])] = []
  /// In the order of the file.
  public var tensors: [Tensor] = []
  /// Whether the last tensor is padded, too.
  public var padsTheEnd = true
  /// Another number of tensors than there are.
  public var tensorCount: UInt64?
  /// Another number of metadata entries than there are.
  public var entryCount: UInt64?

  /// A tensor.
  public struct Tensor {
    /// Its name.
    public var name: [UInt8]
    /// ggml's number of the type.
    public var type: UInt32
    /// Innermost first.
    public var extents: [UInt64]
    /// As they stand in the file.
    public var bytes: [UInt8]
    /// Another place than the next one.
    public var offset: UInt64?
    /// Another number of dimensions than there are.
    public var rank: UInt32?
  }

  /// A file without anything in it.
  public init() {}

  /// A number's bytes in the file's order.
  public func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: isBigEndian ? number.bigEndian : number.littleEndian) { Array($0) }
  }

  /// A text's bytes, with their number before them.
  public func bytes(_ text: String) -> [UInt8] { bytes(UInt64(text.utf8.count)) + text.utf8 }

  /// Adds an entry of the metadata, whose value is as it stands in the file.
  public mutating func add(_ key: String, type: UInt32, _ value: [UInt8]) {
    entries.append((Array(key.utf8), type, value))
  }

  /// Adds a text.
  public mutating func add(_ key: String, _ text: String) { add(key, type: 8, bytes(text)) }

  /// Adds a number of 32 bits.
  public mutating func add(_ key: String, _ number: UInt32) { add(key, type: 4, bytes(number)) }

  /// Adds an array of elements as they stand in the file.
  public mutating func add(_ key: String, arrayOf type: UInt32, count: Int, _ elements: [UInt8]) {
    add(key, type: 9, bytes(type) + bytes(UInt64(count)) + elements)
  }

  /// Adds a tensor.
  public mutating func add(
    tensor name: String, type: UInt32 = 0, extents: [UInt64], _ bytes: [UInt8]
  ) {
    tensors.append(Tensor(name: Array(name.utf8), type: type, extents: extents, bytes: bytes))
  }

  /// The file.
  public var contents: [UInt8] {
    var file = Array("GGUF".utf8) + bytes(version)
    file += bytes(tensorCount ?? UInt64(tensors.count))
    file += bytes(entryCount ?? UInt64(entries.count))
    for entry in entries {
      file += bytes(UInt64(entry.key.count)) + entry.key + bytes(entry.type) + entry.value
    }
    var offset = 0
    for tensor in tensors {
      file += bytes(UInt64(tensor.name.count)) + tensor.name
      file += bytes(tensor.rank ?? UInt32(tensor.extents.count))
      for extent in tensor.extents { file += bytes(extent) }
      file += bytes(tensor.type) + bytes(tensor.offset ?? UInt64(offset))
      offset += padded(tensor.bytes.count)
    }
    file += [UInt8](repeating: 0, count: padded(file.count) - file.count)
    for (index, tensor) in tensors.enumerated() {
      file += tensor.bytes
      if padsTheEnd || index < tensors.count - 1 {
        file += [UInt8](repeating: 0, count: padded(tensor.bytes.count) - tensor.bytes.count)
      }
    }
    return file
  }

  private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }
}
