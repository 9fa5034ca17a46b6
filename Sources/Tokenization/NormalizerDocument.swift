// "normalizer" of tokenizer.json: null, or {"type": …}
//   NFC
//   Prepend      "prepend"
//   Replace      "pattern": {"String": …} or {"Regex": " {2,}"}, "content"
//   Strip        "strip_left", "strip_right"
//   Precompiled  "precompiled_charsmap": base64 of a SentencePiece model's
//   Sequence     "normalizers": […]

internal import FileContainers
internal import TensorModel

extension Normalizer {
  /// How many steps a normalizer may have; known ones have four.
  private static let maximumStepCount = 16

  /// The normalizer of a `tokenizer.json`.
  ///
  /// - Throws: `unsupported` for steps of other kinds, `malformed`.
  init(document: JSONValue?) throws(CheckpointError) {
    var waiting = [document].compactMap { $0 }
    while let value = waiting.popLast() {
      guard value != .null else { continue }
      if try value.string("type") == "Sequence" {
        waiting += (value["normalizers"]?.elements ?? []).reversed()
      } else {
        steps.append(try Self.step(value))
      }
      guard steps.count + waiting.count <= Self.maximumStepCount else {
        throw TokenizerFiles.unsupported("a normalizer of more than \(Self.maximumStepCount) steps")
      }
    }
  }

  private static func step(_ value: JSONValue) throws(CheckpointError) -> Step {
    let type = try value.string("type")
    switch type {
    case "NFC": return .composed
    case "Prepend": return .prepend(Array(try required("prepend", of: value).unicodeScalars))
    case "Replace":
      let content = Array(try required("content", of: value).unicodeScalars)
      if let text = value["pattern"]?["String"]?.text, !text.isEmpty {
        return .replace(Array(text.unicodeScalars), by: content)
      }
      if value["pattern"]?["Regex"]?.text == " {2,}" { return .replaceSpaces(by: content) }
      throw TokenizerFiles.unsupported(
        "a normalizer that replaces \(value["pattern"]?.shortText ?? "nothing")")
    case "Strip":
      return .strip(
        left: try value.flag("strip_left") ?? false, right: try value.flag("strip_right") ?? false)
    case "Precompiled":
      guard let bytes = Base64.bytes(of: try required("precompiled_charsmap", of: value)) else {
        throw CheckpointError(
          .malformed, "the normalizer's 'precompiled_charsmap' isn't base64",
          hint: "get the tokenizer's files again")
      }
      return .map(try CharacterMap(parsing: bytes))
    default: throw TokenizerFiles.unsupported("the normalizer \(type ?? value.shortText)")
    }
  }

  private static func required(
    _ key: String, of value: JSONValue
  ) throws(CheckpointError) -> String {
    guard let text = try value.string(key) else {
      throw CheckpointError(
        .malformed, "the normalizer has no '\(key)'", found: value.shortText)
    }
    return text
  }
}

/// Bytes written as text (RFC 4648, section 4).
enum Base64 {
  private static let digits: [UInt8: UInt32] = Dictionary(
    uniqueKeysWithValues:
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated()
      .map { ($1, UInt32($0)) })

  /// The bytes; nil for what is no base64.
  static func bytes(of text: String) -> [UInt8]? {
    let utf8 = Array(text.utf8)
    let padding = utf8.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard utf8.count % 4 == 0, padding <= 2 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(utf8.count / 4 * 3)
    var group: UInt32 = 0
    for (index, digit) in utf8.enumerated() {
      let isPadding = index >= utf8.count - padding
      guard let value = isPadding ? 0 : digits[digit] else { return nil }
      group = group << 6 | value
      guard index % 4 == 3 else { continue }
      for shift: UInt32 in [16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: group >> shift)) }
      group = 0
    }
    bytes.removeLast(padding)
    return bytes
  }
}
