import TensorModel

/// The rules for paths of archive members, which never reach the file system but become names of files and tensors.
enum ArchivePath {
  /// The most bytes in a tar member's path; also what Linux allows.
  ///
  /// Zip entries, which have any tensor's name, are as long as the format lets them be.
  static let maximumByteCount = 4096

  /// A zip entry's name, which must already be in its simplest form; a directory's ends in `/`.
  ///
  /// - Throws: `malformed`.
  static func zipName(
    _ bytes: ArraySlice<UInt8>, at offset: Int
  ) throws(CheckpointError) -> String {
    // An archive can have a million names, nearly all of them like this.
    if isPlain(bytes) { return String(decoding: bytes, as: UTF8.self) }
    let name = try text(bytes, at: offset, limit: Int(UInt16.max))
    if !bytes.contains(slash) && !bytes.elementsEqual(".".utf8) { return name }
    let components = (name.utf8.last == slash ? bytes.dropLast() : bytes)
      .split(separator: slash, omittingEmptySubsequences: false)
    guard !components.contains(where: { $0.isEmpty || $0.elementsEqual(".".utf8) }) else {
      throw refusal("with an empty or '.' component", name, at: offset)
    }
    return name
  }

  /// Whether a path is ASCII in which nothing can be dangerous: no folders, no dots beside each other, none alone.
  private static func isPlain(_ bytes: ArraySlice<UInt8>) -> Bool {
    var last = dot
    for byte in bytes {
      guard (0x20..<0x7f).contains(byte), byte != slash, byte != UInt8(ascii: "\\"),
        byte != dot || last != dot
      else { return false }
      last = byte
    }
    return !bytes.isEmpty && bytes.count <= Int(UInt16.max)
  }

  /// A tar member's path without `.` components and repeated or trailing slashes; empty for the archive's top.
  ///
  /// - Throws: `malformed`.
  static func tarPath(
    _ bytes: ArraySlice<UInt8>, at offset: Int
  ) throws(CheckpointError) -> String {
    try text(bytes, at: offset, limit: maximumByteCount).utf8
      .split(separator: slash)
      .filter { !$0.elementsEqual(".".utf8) }
      .map { String($0) ?? "" }
      .joined(separator: "/")
  }

  private static let (slash, dot) = (UInt8(ascii: "/"), UInt8(ascii: "."))

  /// The path as a string, if nothing about it is dangerous.
  private static func text(
    _ bytes: ArraySlice<UInt8>, at offset: Int, limit: Int
  ) throws(CheckpointError) -> String {
    guard let path = String(validating: bytes, as: UTF8.self) else {
      throw refusal("that isn't UTF-8", String(decoding: bytes, as: UTF8.self), at: offset)
    }
    guard bytes.count <= limit else {
      throw refusal("of more than \(limit) bytes", "\(path.prefix(60))…", at: offset)
    }
    guard let first = bytes.first else { throw refusal("that is empty", "", at: offset) }
    guard first != slash else { throw refusal("that is absolute", path, at: offset) }
    guard !bytes.contains(0) else { throw refusal("with a NUL byte", path, at: offset) }
    guard !bytes.contains(UInt8(ascii: "\\")) else {
      throw refusal("with a backslash", path, at: offset)
    }
    // Most names have no dots beside each other.
    guard
      !zip(bytes, bytes.dropFirst()).contains(where: { $0 == dot && $1 == dot })
        || !bytes.split(separator: slash).contains(where: { $0.elementsEqual("..".utf8) })
    else {
      throw refusal("with a '..' component", path, at: offset)
    }
    return path
  }

  private static func refusal(_ what: String, _ path: String, at offset: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "a member path \(what)", byteOffset: offset, expected: "a plain relative path",
      found: "'\(path)'", hint: "such paths are used for attacks; don't trust this archive")
  }
}
