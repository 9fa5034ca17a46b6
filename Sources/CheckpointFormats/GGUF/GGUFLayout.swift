public import FileContainers
public import TensorModel

/// Where tensors go in one GGUF file of version 3, little-endian, alignment 32.
public enum GGUFLayout {
  /// What a tensor's name may have at most, in bytes.
  public static let maximumNameByteCount = 63
  private static let version: UInt32 = 3

  /// Lays a file out.
  ///
  /// - Parameters:
  ///   - tensors: names, dtypes, shapes, in the order of the file; names differ and have at most `maximumNameByteCount` bytes.
  ///   - metadata: in the order of the file; keys differ.
  /// - Returns: the header and the padding, and where each tensor's bytes go.
  /// - Throws: `unsupported` for dtypes and ranks that GGUF doesn't have.
  public static func layout(
    _ tensors: [(name: String, type: TensorType)], metadata: [(key: String, value: GGUFValue)]
  ) throws(CheckpointError) -> FileLayout {
    var header = GGUFBytes(bytes: GGUFHeader.magic)
    header.append(version)
    header.append(UInt64(tensors.count))
    header.append(UInt64(metadata.count))
    for (key, value) in metadata {
      header.append(key)
      header.append(value.type.rawValue)
      header.append(value)
    }
    var offset = 0
    var starts: [Int] = []
    for (name, type) in tensors {
      guard let number = type.dtype.ggmlType, type.shape.rank <= 4, !name.isEmpty,
        name.utf8.count <= maximumNameByteCount
      else {
        throw CheckpointError(
          .unsupported, "GGUF files can't hold this tensor", tensor: name,
          expected: "a dtype of ggml's, at most 4 dimensions, a name of at most 63 bytes",
          found: "\(type.dtype.rawValue) \(type.shape)")
      }
      header.append(name)
      header.append(UInt32(type.shape.rank))
      for extent in type.shape.dimensions.reversed() { header.append(UInt64(extent)) }
      header.append(UInt32(number))
      header.append(UInt64(offset))
      starts.append(offset)
      offset = padded(offset + type.geometry.rows * type.geometry.rowByteCount)
    }
    let dataOffset = padded(header.bytes.count)
    let padding = [UInt8](repeating: 0, count: dataOffset - header.bytes.count)
    var frame = FileLayout.Frame(header: header.bytes + padding)
    for (start, (_, type)) in zip(starts, tensors) {
      let end = start + type.geometry.rows * type.geometry.rowByteCount
      guard padded(end) > end else { continue }
      frame.append(repeatElement(0, count: padded(end) - end), at: dataOffset + end)
    }
    return FileLayout(
      byteCount: dataOffset + offset, frame: frame,
      places: starts.map { .init(byteOffset: dataOffset + $0) })
  }

  private static func padded(_ offset: Int) -> Int {
    let alignment = GGUFHeader.standardAlignment
    return (offset + alignment - 1) / alignment * alignment
  }
}

/// The bytes of a header as it grows.
private struct GGUFBytes {
  fileprivate(set) var bytes: [UInt8]

  mutating func append(_ number: UInt32) {
    withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
  }

  mutating func append(_ number: UInt64) {
    withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
  }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    bytes += text.utf8
  }

  mutating func append(_ value: GGUFValue) {
    switch value {
    case .unsigned(let number, let type): append(number, type)
    case .signed(let number, let type): append(UInt64(bitPattern: number), type)
    case .float(let number, .float32): append(Float(number).bitPattern)
    case .float(let number, _): append(number.bitPattern)
    case .bool(let flag): bytes.append(flag ? 1 : 0)
    case .string(let text):
      append(UInt64(text.count))
      bytes += text
    case .array(let array):
      append(array.type.rawValue)
      append(UInt64(array.count))
      bytes += array.bytes
    }
  }

  private mutating func append(_ bits: UInt64, _ type: GGUFType) {
    withUnsafeBytes(of: bits.littleEndian) { bytes += $0.prefix(type.byteCount) }
  }
}
