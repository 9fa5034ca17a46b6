public import FileContainers
import TensorModel

/// A key of a GGUF file that says another count than the tensors have.
public struct GGUFContradiction: Hashable, Sendable {
  /// The whole key, such as `llama.vocab_size`.
  public let key: String
  /// What the model has.
  public let expected: Int
  /// What the key says.
  public let found: GGUFValue
  /// The tensor whose rows are counted, by its name in the file; nil where several tensors say it.
  public let tensor: String?
}

extension GGUFTable {
  /// Counts that no setting of the family's configuration has, and that follow from its other sizes.
  ///
  /// Keys that stand for settings are compared with the tensors as these are.
  ///
  /// - Parameters:
  ///   - header: of the file.
  ///   - configuration: of the model, as its tensors and other keys have it.
  /// - Returns: what the file says otherwise, in the order of the table.
  public func contradictions(
    _ header: GGUFHeader, _ configuration: DecoderConfiguration
  ) -> [GGUFContradiction] {
    let further = Self.furtherCounts.filter { count in !keys.contains { $0.key == count.key } }
    return (keys + further).compactMap { key in
      let name = "\(architecture).\(key.key)"
      guard key.setting == nil, key.meaning.isCountOfTensors, let found = header[name],
        let expected = key.value(of: configuration)?.integer, !Self.says(found, expected)
      else { return nil }
      let isOfTokens = key.meaning == .vocabulary
      return GGUFContradiction(
        key: name, expected: expected, found: found,
        tensor: isOfTokens ? DecoderRole.tokenEmbedding.ggufName(layer: nil) : nil)
    }
  }

  /// What llama.cpp reads of every graph.
  private static let furtherCounts = [
    GGUFSetting("vocab_size", nil, .vocabulary),
    GGUFSetting("attention.head_count_kv", nil, .keyHeads),
    GGUFSetting("attention.key_length", nil, .ownHeadWidth),
    GGUFSetting("attention.value_length", nil, .ownHeadWidth),
  ]

  /// Whether a number, or a list of one for each layer, is a count.
  private static func says(_ value: GGUFValue, _ count: Int) -> Bool {
    (value.array.map { $0.values ?? [value] } ?? [value]).allSatisfy { $0.integer == count }
  }
}

extension GGUFSetting.Meaning {
  /// Whether tensors have so many rows or columns.
  fileprivate var isCountOfTensors: Bool {
    [.vocabulary, .keyHeads, .inner, .expertInner, .headWidth, .ownHeadWidth].contains(self)
  }
}
