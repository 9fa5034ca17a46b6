import TensorModel

/// Reads the metadata of a GGUF file.
enum GGUFMetadata {
  private static let maximumKeyByteCount = 65535

  /// So many entries, and where each key stands.
  ///
  /// - Throws: `malformed` for keys that are empty or occur twice and for unknown types, `unsupported` for arrays of arrays.
  static func read(
    _ count: Int, _ cursor: inout FileCursor
  ) throws(CheckpointError) -> (
    entries: [(key: String, value: GGUFValue)], places: [ExactName: Int]
  ) {
    var metadata: [(key: String, value: GGUFValue)] = []
    var places: [ExactName: Int] = [:]
    for _ in 0..<count {
      let place = cursor.position
      let bytes = try string(&cursor)
      guard let key = String(validating: bytes, as: UTF8.self), !key.isEmpty,
        bytes.count <= maximumKeyByteCount
      else {
        throw CheckpointError(
          .malformed, "a metadata key that is empty, too long or no text", byteOffset: place)
      }
      guard places.updateValue(metadata.count, forKey: ExactName(key)) == nil else {
        throw CheckpointError(
          .malformed, "the same metadata key twice", byteOffset: place, found: key)
      }
      let type = try type(&cursor)
      metadata.append((key, try value(type, &cursor)))
    }
    return (metadata, places)
  }

  /// A string's bytes.
  static func string(_ cursor: inout FileCursor) throws(CheckpointError) -> ArraySlice<UInt8> {
    try cursor.bytes(cursor.count(of: "bytes in a string", each: 1))
  }

  private static func type(_ cursor: inout FileCursor) throws(CheckpointError) -> GGUFType {
    let place = cursor.position
    let number = try cursor.integer(4)
    guard let type = UInt32(exactly: number).flatMap(GGUFType.init) else {
      throw CheckpointError(
        .malformed, "an unknown type of metadata", byteOffset: place, found: "\(number)")
    }
    return type
  }

  private static func value(
    _ type: GGUFType, _ cursor: inout FileCursor
  ) throws(CheckpointError) -> GGUFValue {
    switch type {
    case .string: return .string(Array(try string(&cursor)))
    case .array: return .array(try array(&cursor))
    default: return GGUFValue(bits: try bits(type, &cursor), type)
    }
  }

  private static func bits(
    _ type: GGUFType, _ cursor: inout FileCursor
  ) throws(CheckpointError) -> UInt64 {
    let place = cursor.position
    let bits = try cursor.integer(type.byteCount)
    guard type != .bool || bits <= 1 else {
      throw CheckpointError(
        .malformed, "a flag that is neither 0 nor 1", byteOffset: place, found: "\(bits)")
    }
    return bits
  }

  private static func array(_ cursor: inout FileCursor) throws(CheckpointError) -> GGUFArray {
    let place = cursor.position
    let type = try type(&cursor)
    guard type != .array else {
      throw CheckpointError(.unsupported, "an array of arrays in the metadata", byteOffset: place)
    }
    let count = try cursor.count(of: "elements in an array", each: type.byteCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * type.byteCount)
    for _ in 0..<count {
      if type == .string {
        let text = try string(&cursor)
        withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes += $0 }
        bytes += text
      } else {
        let bits = try bits(type, &cursor)
        withUnsafeBytes(of: bits.littleEndian) { bytes += $0.prefix(type.byteCount) }
      }
    }
    return GGUFArray(type, count: count, bytes: bytes)
  }
}
