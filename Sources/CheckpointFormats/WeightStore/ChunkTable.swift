// chunks.json beside store.json: where every chunk of every tensor lies. One line per tensor, in the manifest's order:
//
//   {"schema":"store-chunks/v1","tensors":[
//   {"name":"wte","chunks":[[offset in the volume, stored bytes, filters that were left out, CRC-32 of the stored bytes], …]},
//   …]}
//
// The filters are those of the tensor's encoding, the first one's bit lowest, as in HDF5's filter mask. A contiguous tensor has chunks as well:
// runs of its bytes, each with a checksum. In a store of differences (store-chunks/v2) a chunk that is nowhere, because all of it is zero, is null.

import FileContainers
import TensorModel

/// One chunk as it is stored.
public struct StoredChunk: Hashable, Sendable {
  /// Where it begins in the volume.
  public let byteOffset: Int
  /// Its size there.
  public let byteCount: Int
  /// A bit for each filter that was not applied.
  public let filterMask: Int
  /// CRC-32 of the stored bytes.
  public let checksum: UInt32

  /// A stored chunk.
  public init(byteOffset: Int, byteCount: Int, filterMask: Int, checksum: UInt32) {
    self.byteOffset = byteOffset
    self.byteCount = byteCount
    self.filterMask = filterMask
    self.checksum = checksum
  }

  /// A chunk of differences that is nowhere: all of it is zero.
  public static let absent = StoredChunk(byteOffset: 0, byteCount: 0, filterMask: 0, checksum: 0)

  /// Whether it is nowhere.
  public var isAbsent: Bool { byteCount == 0 }

  /// Appends `[byteOffset,byteCount,filterMask,checksum]`: a store can have millions, and strings of their own take many times the memory.
  private func appendRow(to text: inout [UInt8]) {
    if self == .absent {
      text += "null".utf8
      return
    }
    var separator = UInt8(ascii: "[")
    for value in [byteOffset, byteCount, filterMask, Int(checksum)] {
      text.append(separator)
      text += String(value).utf8
      separator = UInt8(ascii: ",")
    }
    text.append(UInt8(ascii: "]"))
  }

  /// Appends a JSON list of chunks, each a list of its numbers.
  public static func appendRows(_ chunks: [StoredChunk], to text: inout [UInt8]) {
    text.append(UInt8(ascii: "["))
    for (place, chunk) in chunks.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      chunk.appendRow(to: &text)
    }
    text.append(UInt8(ascii: "]"))
  }
}

/// The chunks of all tensors of a store.
public enum ChunkTable {
  static let schemaName = "store-chunks/v1"
  /// Where chunks may be nowhere.
  static let differenceSchemaName = "store-chunks/v2"
  /// Ten million chunks' worth: 20 TB of tensors.
  static let maximumByteCount = 512 << 20

  /// The text of a table.
  ///
  /// - Parameters:
  ///   - tensors: in the manifest's order.
  ///   - isDifference: whether the store is a difference to a base.
  /// - Returns: the text.
  public static func text(
    _ tensors: [(name: String, chunks: [StoredChunk])], isDifference: Bool = false
  ) -> [UInt8] {
    let schema = isDifference ? differenceSchemaName : schemaName
    var text = Array("{\"schema\":\"\(schema)\",\"tensors\":[".utf8)
    for (place, tensor) in tensors.enumerated() {
      text += place == 0 ? "\n{\"chunks\":".utf8 : ",\n{\"chunks\":".utf8
      StoredChunk.appendRows(tensor.chunks, to: &text)
      text += ",\"name\":\(JSONValue.quoted(tensor.name))}".utf8
    }
    text += "]}\n".utf8
    return text
  }

  /// Reads a table.
  ///
  /// - Throws: `malformed`.
  static func parse(
    _ bytes: [UInt8], isDifference: Bool = false
  ) throws(CheckpointError) -> [(name: String, chunks: [StoredChunk])] {
    var scanner = JSONScanner(bytes)
    try scanner.expect("{")
    try expectKey("schema", &scanner)
    let schema = try scanner.string()
    let expected = isDifference ? differenceSchemaName : schemaName
    guard schema == expected else {
      throw CheckpointError(
        .unsupported, "a chunk table of another version", expected: expected, found: schema)
    }
    try scanner.expect(",")
    try expectKey("tensors", &scanner)
    try scanner.expect("[")
    var tensors: [(name: String, chunks: [StoredChunk])] = []
    if !scanner.take("]") {
      repeat { tensors.append(try tensor(&scanner, isDifference)) } while scanner.take(",")
      try scanner.expect("]")
    }
    try scanner.expect("}")
    scanner.skipWhitespace()
    try scanner.expectEnd()
    return tensors
  }

  private static func tensor(
    _ scanner: inout JSONScanner, _ isDifference: Bool
  ) throws(CheckpointError) -> (name: String, chunks: [StoredChunk]) {
    try scanner.expect("{")
    try expectKey("chunks", &scanner)
    try scanner.expect("[")
    var chunks: [StoredChunk] = []
    if !scanner.take("]") {
      repeat {
        let isAbsent = isDifference && scanner.takeLiteral("null")
        chunks.append(isAbsent ? .absent : try chunk(&scanner, isDifference))
      } while scanner.take(",")
      try scanner.expect("]")
    }
    try scanner.expect(",")
    try expectKey("name", &scanner)
    let name = try scanner.string()
    try scanner.expect("}")
    return (name, chunks)
  }

  private static func chunk(
    _ scanner: inout JSONScanner, _ isDifference: Bool
  ) throws(CheckpointError) -> StoredChunk {
    try scanner.expect("[")
    let byteOffset = try scanner.naturalNumber()
    try scanner.expect(",")
    let size = scanner
    let byteCount = try scanner.naturalNumber()
    // What is nowhere is null; elsewhere the tensor's reader says which chunk it is.
    guard byteCount > 0 || !isDifference else { throw size.error("a chunk without bytes") }
    try scanner.expect(",")
    let filterMask = try scanner.naturalNumber()
    try scanner.expect(",")
    let position = scanner
    guard let checksum = UInt32(exactly: try scanner.naturalNumber()) else {
      throw position.error("not a CRC-32")
    }
    try scanner.expect("]")
    return StoredChunk(
      byteOffset: byteOffset, byteCount: byteCount, filterMask: filterMask, checksum: checksum)
  }

  private static func expectKey(
    _ key: String, _ scanner: inout JSONScanner
  ) throws(CheckpointError) {
    scanner.skipWhitespace()
    let position = scanner
    guard try scanner.string() == key else { throw position.error("expected \"\(key)\" here") }
    try scanner.expect(":")
    scanner.skipWhitespace()
  }
}
