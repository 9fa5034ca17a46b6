import TensorModel

/// The kinds of archive that checkpoints come in, recognised by content.
public enum ArchiveKind: Sendable, Hashable {
  /// A plain tar.
  case tar
  /// A tar compressed with zstd.
  case zstdTar

  /// How many of the first bytes are looked at.
  public static let headByteCount = TarHeader.blockByteCount

  /// The kind of a file that begins with these bytes, or nil.
  public init?(head: [UInt8]) {
    if head.count >= 4, LittleEndianBytes(head[...], base: 0).isFrameStart {
      self = .zstdTar
    } else if head.count == Self.headByteCount,
      head.allSatisfy({ $0 == 0 }) || TarHeader.hasValidChecksum(head)
    {
      self = .tar
    } else {
      return nil
    }
  }

  private static let others: [(magic: [UInt8], name: String, command: String)] = [
    ([0x1f, 0x8b], "a gzip file", "gzip -dc FILE | weighbridge … -"),
    ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "an xz file", "xz -dc FILE | weighbridge … -"),
    ([0x42, 0x5a, 0x68], "a bzip2 file", "bzip2 -dc FILE | weighbridge … -"),
    ([0x50, 0x4b, 0x03, 0x04], "a zip file", "unzip FILE"),
  ]

  /// The kind of an archive.
  ///
  /// - Throws: `malformed` for an empty file, `unsupported` for what isn't one of the kinds.
  init(requiring head: [UInt8]) throws(CheckpointError) {
    guard !head.isEmpty else {
      throw CheckpointError(
        .malformed, "an empty file", byteOffset: 0, expected: "a tar or zstd archive",
        found: "0 bytes", hint: "the download is incomplete; get it again")
    }
    guard let kind = ArchiveKind(head: head) else {
      let other = Self.others.first { head.starts(with: $0.magic) }
      throw CheckpointError(
        .unsupported, "not a tar archive, plain or compressed with zstd", byteOffset: 0,
        expected: "a tar header or a zstd frame",
        found: other?.name ?? head.prefix(8).map { String($0, radix: 16) }.joined(separator: " "),
        hint: other.map { "unpack it first: \($0.command)" })
    }
    self = kind
  }
}
