// The file `checkpoint`, in which TensorFlow's savers keep which checkpoint of a folder is the last
// (tensorflow/python/training/checkpoint_state.proto, as text):
//
//   model_checkpoint_path: "model.ckpt-400000"         relative, or absolute on the machine that wrote it
//   all_model_checkpoint_paths: "model.ckpt-390000"    those that it keeps
//   all_model_checkpoint_timestamps: 1606000000.0

import FileContainers
import TensorModel

/// Which checkpoint of a folder counts.
enum CheckpointState {
  /// The file's name.
  static let fileName = "checkpoint"
  private static let key = "model_checkpoint_path"
  private static let maximumByteCount = 1 << 20

  /// Whether a tree has such a file.
  static func isThere(_ tree: any FileTree) -> Bool {
    guard tree.containsFile(fileName), let head = try? tree.region(fileName).head(key.utf8.count)
    else { return false }
    return head == Array(key.utf8)
  }

  /// The name of the checkpoint in the same folder.
  ///
  /// Of its path the last part counts: the folder may have been moved since.
  ///
  /// - Throws: `malformed`; `unsupported` for a path that leads to another folder.
  static func prefix(in tree: any FileTree) throws(CheckpointError) -> String {
    do throws(CheckpointError) {
      var scanner = TextScanner(try tree.contents(of: fileName, limit: maximumByteCount))
      var found: String?
      while let field = try scanner.field() {
        guard field.name == key else { continue }
        guard found == nil else { throw scanner.malformed("'\(key)' stands twice") }
        found = field.value
      }
      guard let found else { throw scanner.malformed("no '\(key)' in the file") }
      let parts = found.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }
      guard let last = parts.last, !last.isEmpty, !parts.contains(".."), last != "." else {
        throw CheckpointError(
          .unsupported, "the checkpoint that it names is not in this folder",
          expected: "the name of a checkpoint", found: "'\(found)'",
          hint: "name the checkpoint's own .index file")
      }
      return String(last)
    } catch { throw error.in(file: fileName) }
  }
}

/// The fields of a flat message as text: `name: "text"` or `name: 1.5`, one after the other.
private struct TextScanner {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next field; the value is nil if it isn't a text.
  mutating func field() throws(CheckpointError) -> (name: String, value: String?)? {
    skipSpace()
    guard position < bytes.count else { return nil }
    let name = word()
    skipSpace()
    guard !name.isEmpty, take(UInt8(ascii: ":")) else { throw malformed("not a field of text") }
    skipSpace()
    guard position < bytes.count else { throw malformed("a field without a value") }
    if [UInt8(ascii: "\""), UInt8(ascii: "'")].contains(bytes[position]) {
      return (name, try text())
    }
    guard !word().isEmpty else { throw malformed("a field without a value") }
    return (name, nil)
  }

  func malformed(_ message: String) -> CheckpointError {
    CheckpointError(
      .malformed, message, byteOffset: position,
      hint: "name the checkpoint's own .index file, or mend the file in an editor")
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "#") {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      } else if [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) {
        position += 1
      } else {
        return
      }
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  /// A name or a number.
  private mutating func word() -> String {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: "+"), UInt8(ascii: "-"):
        position += 1
      default: return String(decoding: bytes[start..<position], as: UTF8.self)
      }
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func text() throws(CheckpointError) -> String {
    let quote = bytes[position]
    position += 1
    var text: [UInt8] = []
    while position < bytes.count, bytes[position] != quote {
      var byte = bytes[position]
      position += 1
      guard byte >= 0x20 else { throw malformed("a control character in a text") }
      if byte == UInt8(ascii: "\\") {
        guard position < bytes.count, let escaped = Self.escapes[bytes[position]] else {
          throw malformed("an escape in a text that paths don't need")
        }
        byte = escaped
        position += 1
      }
      text.append(byte)
    }
    guard take(quote), let text = String(validating: text, as: UTF8.self) else {
      throw malformed("a text that doesn't end, or isn't UTF-8")
    }
    return text
  }

  private static let escapes: [UInt8: UInt8] = [
    UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "\""): UInt8(ascii: "\""),
    UInt8(ascii: "'"): UInt8(ascii: "'"),
  ]
}
