import FileContainers
import TensorModel

/// What a GGUF source says that isn't made anew: who made it, how it is prompted, keys of others.
struct GGUFCarriedKeys {
  /// In the order of the source.
  let entries: [(key: String, value: GGUFValue)]

  /// Describe the file that they stand in, not the model.
  private static let ofTheFile = ["split.", "general.alignment"]

  /// The keys of a source that go along.
  ///
  /// - Parameters:
  ///   - header: the source's; nil if it is no GGUF file.
  ///   - own: what is written anyway.
  ///   - isQuantized: whether blocks are made anew, so that what is said of how they were made doesn't hold.
  init(
    _ header: GGUFHeader?, besides own: [(key: String, value: GGUFValue)], isQuantized: Bool
  ) {
    guard let header else {
      entries = []
      return
    }
    let written = Dictionary(
      own.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    // Whether the tokenizer composes texts is said anew.
    var dropped =
      Self.ofTheFile + [ComposedTexts.key]
      + (isQuantized ? ["quantize.", QuantizationMarks.prefix] : [])
    // Of another tokenizer nothing holds, and templates are either the source's or those that are given.
    if header["tokenizer.ggml.tokens"] != written["tokenizer.ggml.tokens"] {
      dropped.append("tokenizer.")
    } else if written.keys.contains(where: { $0.hasPrefix(ChatTemplates.key) }) {
      dropped.append(ChatTemplates.key)
    }
    // Of another graph only who made the model holds.
    let isSameGraph = header["general.architecture"] == written["general.architecture"]
    entries = header.metadata.filter { entry in
      written[entry.key] == nil && !dropped.contains(where: entry.key.hasPrefix)
        && (isSameGraph || entry.key.hasPrefix("general."))
    }
  }
}
