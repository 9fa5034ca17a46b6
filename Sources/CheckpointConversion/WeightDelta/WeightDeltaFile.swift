import CTensorKernels
import CheckpointFormats
import FileContainers
import TensorModel

/// A safetensors file of frames whose sizes are known only when they have been written: its header, with room for any, is written last.
///
/// `@unchecked Sendable`: slabs come to it one after the other.
final class WeightDeltaFile: @unchecked Sendable {
  private let file: OutputFile
  private let headerByteCount: Int
  private var end = 0
  private var entries: [Entry] = []
  private var current: (encoder: ZstdFrameEncoder, checksum: ContentChecksum)?

  private struct Entry {
    let name: String
    let start: Int
    var end: Int
    var checksum: String
  }

  /// As slime's trainers compress.
  private static let level = 1
  private static let checksumKind = ContentChecksum.Kind.xxh3

  /// Creates the file.
  ///
  /// - Throws: `conflict`, `noSpace`, `inputOutput`.
  init(creating path: String, _ names: [String]) throws(CheckpointError) {
    file = try OutputFile(creating: path, byteCount: 0)
    headerByteCount = Self.headerByteCount(names)
  }

  /// Bytes of the longest header that such tensors can have.
  static func headerByteCount(_ names: [String]) -> Int {
    let digits = String(repeating: "9", count: 19)
    let checksum = String(repeating: "f", count: 32)
    let text = header(
      names.map { ($0, "[\(digits)]", "[\(digits),\(digits)]", checksum) })
    return (text.count + 8 + 7) / 8 * 8
  }

  private static func header(
    _ entries: [(name: String, shape: String, offsets: String, checksum: String)]
  ) -> [UInt8] {
    var text = Array("{".utf8)
    if !entries.isEmpty {
      let sums = entries.map { "\(JSONValue.quoted($0.name)):\"\($0.checksum)\"" }
      text += "\"__metadata__\":{\(sums.joined(separator: ","))}".utf8
    }
    for entry in entries {
      text +=
        ",\(JSONValue.quoted(entry.name)):{\"dtype\":\"U8\",\"shape\":\(entry.shape),\"data_offsets\":\(entry.offsets)}"
        .utf8
    }
    text.append(UInt8(ascii: "}"))
    return text
  }

  /// Takes the next bytes of a tensor.
  ///
  /// - Parameters:
  ///   - new: its new bytes.
  ///   - difference: the same, combined with the base's.
  ///   - offset: where in the tensor they begin; 0 begins it.
  ///   - byteCount: of the tensor.
  ///   - name: of the tensor.
  /// - Throws: `noSpace`, `inputOutput`.
  func append(
    _ new: UnsafeRawBufferPointer, _ difference: UnsafeRawBufferPointer, at offset: Int,
    of byteCount: Int, _ name: String
  ) throws(CheckpointError) {
    if offset == 0 {
      current = (
        try ZstdFrameEncoder(level: Self.level, byteCount: byteCount),
        ContentChecksum(Self.checksumKind)
      )
      entries.append(Entry(name: name, start: end, end: end, checksum: ""))
    }
    guard current != nil else { return }
    current?.checksum.update(new)
    let isLast = offset + new.count == byteCount
    try current?.encoder.append(difference, isLast: isLast) { (bytes) throws(CheckpointError) in
      guard let base = bytes.baseAddress else { return }
      try file.write(at: headerByteCount + end, from: base, count: bytes.count)
      end += bytes.count
    }
    guard isLast else { return }
    entries[entries.count - 1].end = end
    entries[entries.count - 1].checksum = current?.checksum.hexadecimal ?? ""
    current = nil
  }

  /// Writes the header and makes the file durable.
  ///
  /// - Returns: its size.
  /// - Throws: `noSpace`, `inputOutput`.
  func finish() throws(CheckpointError) -> Int {
    var text = Self.header(
      entries.map {
        ($0.name, "[\($0.end - $0.start)]", "[\($0.start),\($0.end)]", $0.checksum)
      })
    text += [UInt8](repeating: UInt8(ascii: " "), count: headerByteCount - 8 - text.count)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    try file.write(at: 0, length + text)
    do { try file.synchronise() } catch {
      // After a failed sync nobody knows what is on the disk.
      try? Directories.removeTree(file.path)
      throw error
    }
    return headerByteCount + end
  }
}
