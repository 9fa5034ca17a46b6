import TensorModel

/// The pax records of an extended header: `LENGTH KEY=VALUE\n`, the length counting itself, one after the other.
///
/// Only a path and a size matter here; times, owners and comments don't. Anything that would change what the data mean is
/// refused.
struct PAXRecords {
  /// The member's path, instead of the header's.
  private(set) var path: [UInt8]?
  /// The member's size, instead of the header's.
  private(set) var byteCount: Int?

  private static let harmlessKeys: Set = [
    "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset", "hdrcharset",
  ]
  private static let harmlessPrefixes = [
    "LIBARCHIVE.", "SCHILY.xattr.", "SCHILY.acl.", "SCHILY.fflags", "SCHILY.dev", "SCHILY.ino",
    "SCHILY.nlink", "RHT.security.", "MSWINDOWS.",
  ]

  /// Parses all records.
  ///
  /// - Parameters:
  ///   - bytes: the extended header's data.
  ///   - offset: where they begin in the archive.
  ///   - isGlobal: whether they are for all members that follow: then they can't have a path or size.
  /// - Throws: `malformed`, or `unsupported` for keys that would change what the data mean.
  init(_ bytes: [UInt8], at offset: Int, isGlobal: Bool) throws(CheckpointError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let start = offset + rest.startIndex
      let (key, value) = try Self.record(&rest, at: start)
      switch key {
      case "path" where !isGlobal && path == nil: path = Array(value)
      case "size" where !isGlobal && byteCount == nil:
        let text = String(decoding: value, as: UTF8.self)
        guard value.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else {
          throw CheckpointError(
            .malformed, "the size in a pax record", byteOffset: start,
            expected: "a non-negative number below 2^63", found: "'\(text)'")
        }
        byteCount = number
      case "path", "size":
        throw CheckpointError(
          .malformed, isGlobal ? "a \(key) for all members" : "two pax records of one kind",
          byteOffset: start, expected: "one \(key) per member", found: "another \(key)",
          hint: "readers would disagree about this archive; don't trust it")
      default:
        guard
          Self.harmlessKeys.contains(key)
            || Self.harmlessPrefixes.contains(where: { key.hasPrefix($0) })
        else {
          throw CheckpointError(
            .unsupported,
            key.hasPrefix("GNU.sparse.") ? "a sparse file" : "an extended tar header",
            byteOffset: start, expected: "a path, a size, times, owners or comments",
            found: "'\(key)'",
            hint: "unpack the archive and pack it again with `tar --format=ustar -cf`")
        }
      }
    }
  }

  /// Takes the next record.
  private static func record(
    _ rest: inout ArraySlice<UInt8>, at offset: Int
  ) throws(CheckpointError) -> (key: String, value: ArraySlice<UInt8>) {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    // Seven digits hold every length that fits.
    guard digits.count <= 7, digits.first != 0x30,
      let length = Int(String(decoding: digits, as: UTF8.self)), length <= rest.count,
      length >= digits.count + 2
    else {
      throw CheckpointError(
        .malformed, "the length of a pax record", byteOffset: offset,
        expected: "at most \(rest.count)",
        found: "'\(String(decoding: rest.prefix(16), as: UTF8.self))'",
        hint: "readers would disagree about this archive; don't trust it")
    }
    let record = rest.prefix(length)
    let body = record.dropFirst(digits.count + 1).dropLast()
    guard record[digits.endIndex] == 0x20, record.last == 0x0a,
      let equals = body.firstIndex(of: UInt8(ascii: "=")), equals > body.startIndex,
      let key = String(validating: body[..<equals], as: UTF8.self)
    else {
      throw CheckpointError(
        .malformed, "a pax record", byteOffset: offset,
        expected: "'\(length) KEY=VALUE' and a line feed",
        found: "'\(String(decoding: record.prefix(60), as: UTF8.self))'",
        hint: "readers would disagree about this archive; don't trust it")
    }
    rest = rest.dropFirst(length)
    return (key, body[(equals + 1)...])
  }
}
