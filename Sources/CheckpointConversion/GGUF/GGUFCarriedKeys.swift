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
    let written = Dictionary(
      own.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    guard let header, header["general.architecture"] == written["general.architecture"] else {
      entries = []
      return
    }
    var dropped = Self.ofTheFile + (isQuantized ? ["quantize."] : [])
    // Of another tokenizer nothing holds.
    if header["tokenizer.ggml.tokens"] != written["tokenizer.ggml.tokens"] {
      dropped.append("tokenizer.")
    }
    entries = header.metadata.filter { entry in
      written[entry.key] == nil && !dropped.contains(where: entry.key.hasPrefix)
    }
  }
}
