import FileContainers
import TensorModel

/// The lines of `SHA256SUMS` as coreutils writes and checks them.
///
/// `<hex>  <name>`, or `SHA256 (<name>) = <hex>`; where a name has a backslash or a line's
/// end, the line begins with a backslash, and they are written `\\`, `\n`, `\r`. Lines that begin with `#` are comments.
struct SHA256Sums {
  /// Names and digests, in the order of the lines.
  let entries: [(name: String, digest: Digest)]

  static let maximumByteCount = 100_000_000

  /// The list's text.
  static func text(_ files: [CheckpointManifest.File]) -> [UInt8] {
    var text: [UInt8] = []
    for file in files {
      let special = [UInt8(ascii: "\\"), UInt8(ascii: "\n"), UInt8(ascii: "\r")]
      let isEscaped = file.name.utf8.contains(where: special.contains)
      if isEscaped { text.append(UInt8(ascii: "\\")) }
      text += "\(file.digest.hexadecimal)  ".utf8
      for byte in file.name.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): text += "\\\\".utf8
        case UInt8(ascii: "\n"): text += "\\n".utf8
        case UInt8(ascii: "\r"): text += "\\r".utf8
        default: text.append(byte)
        }
      }
      text.append(UInt8(ascii: "\n"))
    }
    return text
  }

  /// Reads a list: lines that end with LF or CRLF, names marked as text or binary.
  ///
  /// - Throws: `malformed` for lines of another form, and for names that lead out of the directory or stand twice.
  init(parsing bytes: [UInt8], _ fileName: String) throws(CheckpointError) {
    var entries: [(name: String, digest: Digest)] = []
    var seen: Set<ExactName> = []
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
      guard let entry = Self.entry(line), CheckpointManifest.isWithin(entry.name),
        seen.insert(ExactName(entry.name)).inserted
      else {
        throw CheckpointError(
          .malformed, "not a line of digest and file name", file: fileName,
          expected: "64 hexadecimal digits, two blanks, and the name of a file here, once",
          found: "line \(number + 1)",
          hint: "write the list again: sha256sum, or weighbridge manifest --sha256sums")
      }
      entries.append(entry)
    }
    self.entries = entries
  }

  private static func entry(_ line: ArraySlice<UInt8>) -> (name: String, digest: Digest)? {
    let isEscaped = line.first == UInt8(ascii: "\\")
    let rest = isEscaped ? line.dropFirst() : line
    guard let (written, digits) = tagged(rest) ?? plain(rest), let text = String(digits),
      let digest = Digest("sha256:\(text.lowercased())")
    else { return nil }
    var name: [UInt8] = []
    var isAfterBackslash = false
    for byte in written {
      if isAfterBackslash {
        switch byte {
        case UInt8(ascii: "n"): name.append(UInt8(ascii: "\n"))
        case UInt8(ascii: "r"): name.append(UInt8(ascii: "\r"))
        case UInt8(ascii: "\\"): name.append(byte)
        default: return nil
        }
        isAfterBackslash = false
      } else if isEscaped, byte == UInt8(ascii: "\\") {
        isAfterBackslash = true
      } else {
        name.append(byte)
      }
    }
    guard !isAfterBackslash, let text = String(name[...]) else { return nil }
    // As `find` names files.
    return (text.hasPrefix("./") ? String(text.dropFirst(2)) : text, digest)
  }

  /// The name and the digits of `<hex>  <name>`.
  private static func plain(
    _ line: ArraySlice<UInt8>
  ) -> (name: ArraySlice<UInt8>, digits: ArraySlice<UInt8>)? {
    let marks = [UInt8(ascii: " "), UInt8(ascii: "*")]
    guard line.count > 66, line[line.startIndex + 64] == UInt8(ascii: " "),
      marks.contains(line[line.startIndex + 65])
    else { return nil }
    return (line.dropFirst(66), line.prefix(64))
  }

  /// Those of `SHA256 (<name>) = <hex>`, as `sha256sum --tag` writes it.
  private static func tagged(
    _ line: ArraySlice<UInt8>
  ) -> (name: ArraySlice<UInt8>, digits: ArraySlice<UInt8>)? {
    let (start, middle) = (Array("SHA256 (".utf8), Array(") = ".utf8))
    guard line.starts(with: start), line.count > start.count + middle.count + 64,
      line.dropLast(64).suffix(middle.count).elementsEqual(middle)
    else { return nil }
    return (line.dropFirst(start.count).dropLast(64 + middle.count), line.suffix(64))
  }
}

extension String {
  /// A text, or nil for bytes that are none.
  fileprivate init?(_ bytes: ArraySlice<UInt8>) { self.init(validating: bytes, as: UTF8.self) }
}
