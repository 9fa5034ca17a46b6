// "decoder" of tokenizer.json: null, or {"type": …}
//   ByteLevel; ByteFallback; Fuse
//   Replace     "pattern": {"String": …}, "content"
//   Strip       "content", "start", "stop"
//   Metaspace   "replacement", "prepend_scheme" (or "add_prefix_space" before 2023)
//   Sequence    "decoders": […]

internal import FileContainers
internal import TensorModel

extension TokenDecoder {
  /// How many steps a decoder may have; known ones have four.
  private static let maximumStepCount = 8
  /// How many characters `Strip` may drop at an end; known ones drop one.
  private static let maximumStripCount = 1 << 10

  /// The decoder of a `tokenizer.json`.
  ///
  /// - Throws: `unsupported` for steps of other kinds, `malformed`.
  init(document: JSONValue?) throws(CheckpointError) {
    guard let document, document != .null else {
      self.init(steps: [])
      return
    }
    let parts =
      try document.string("type") == "Sequence" ? document["decoders"]?.elements ?? [] : [document]
    guard parts.count <= Self.maximumStepCount else {
      throw TokenizerFiles.unsupported("a decoder of \(parts.count) steps")
    }
    var steps: [Step] = []
    for part in parts { steps.append(try Self.step(part)) }
    guard steps == [.byteLevel] || !steps.contains(.byteLevel) else {
      throw TokenizerFiles.unsupported("a decoder of ByteLevel and others")
    }
    self.init(steps: steps)
  }

  private static func step(_ value: JSONValue) throws(CheckpointError) -> Step {
    switch try value.string("type") {
    case "ByteLevel": return .byteLevel
    case "ByteFallback": return .byteFallback
    case "Fuse": return .fuse
    case "Replace":
      guard let other = value["pattern"]?["String"]?.text, let content = try value.string("content")
      else { throw TokenizerFiles.unsupported("the decoder \(value.shortText)") }
      return .replace(other, by: content)
    case "Strip":
      guard let text = try value.string("content"), text.unicodeScalars.count == 1,
        let character = text.first
      else {
        throw CheckpointError(
          .malformed, "the decoder's Strip has no character", found: value.shortText)
      }
      var counts: [Int] = []
      for key in ["start", "stop"] {
        guard let count = value[key]?.integer, (0...maximumStripCount).contains(count) else {
          throw CheckpointError(
            .malformed, "the decoder's Strip has no '\(key)'",
            expected: "a number up to \(maximumStripCount)", found: value.shortText)
        }
        counts.append(count)
      }
      return .strip(character, start: counts[0], stop: counts[1])
    case "Metaspace":
      let metaspace = try Metaspace(document: value)
      return .metaspace(metaspace.mark, dropsFirst: metaspace.scheme != .never)
    case let type: throw TokenizerFiles.unsupported("the decoder \(type ?? value.shortText)")
    }
  }
}

extension Metaspace {
  /// `Metaspace` as a pre-tokenizer or decoder of `tokenizer.json`.
  ///
  /// - Throws: `malformed` for a mark that isn't one character, `unsupported` for another scheme.
  init(document: JSONValue) throws(CheckpointError) {
    let text = try document.string("replacement") ?? ""
    guard text.unicodeScalars.count == 1, let mark = text.unicodeScalars.first else {
      throw CheckpointError(
        .malformed, "Metaspace's 'replacement' isn't one character", found: document.shortText)
    }
    let addsSpace = try document.flag("add_prefix_space") ?? true
    let name = try document.string("prepend_scheme") ?? (addsSpace ? "always" : "never")
    guard let scheme = PrependScheme(rawValue: name) else {
      throw TokenizerFiles.unsupported("Metaspace with the scheme '\(name)'")
    }
    self.init(mark: mark, scheme: scheme, splits: try document.flag("split") ?? true)
  }
}
