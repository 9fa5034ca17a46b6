import FileContainers
import ModelArchitectures
import Tokenization

/// Whether a tokenizer composes texts (NFC) before it cuts them, which llama.cpp never does and no key of its says.
enum ComposedTexts {
  /// The key in which files that were written here say it, where it isn't what the pattern and the graph have as a rule.
  static let key = "weighbridge.tokenizer.composes_text"

  /// What is taken for so where a file doesn't say it: the models were trained with texts that were composed, or weren't.
  private static func standard(_ cutting: TextCutting, graph: String?) -> Bool {
    cutting == .qwen2
      || Architectures.all.contains {
        $0.gguf?.composesTexts ?? false && $0.gguf?.architecture == graph
      }
  }

  /// What a file's keys say.
  static func composes(_ header: GGUFHeader, _ cutting: TextCutting) -> Bool {
    header[key]?.flag ?? standard(cutting, graph: header["general.architecture"]?.text)
  }

  /// The key for a tokenizer, if it needs one.
  ///
  /// - Parameters:
  ///   - composes: whether it does.
  ///   - cutting: its pattern.
  ///   - graph: `general.architecture` of the file; nil if it isn't known.
  /// - Returns: one entry or none.
  static func entries(
    _ composes: Bool, _ cutting: TextCutting, graph: String?
  ) -> [(key: String, value: GGUFValue)] {
    composes == standard(cutting, graph: graph) ? [] : [(key, .bool(composes))]
  }
}
