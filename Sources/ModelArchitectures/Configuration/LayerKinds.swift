import FileContainers
import TensorModel

/// What a layer's tokens see, as `layer_types` names it.
enum LayerKind: String {
  /// All that came before.
  case full = "full_attention"
  /// The last so many tokens.
  case sliding = "sliding_attention"
}

extension SettingsReader {
  /// What `layer_types` says.
  ///
  /// - Parameter count: of layers.
  /// - Returns: a kind for each layer; nil if the configuration has no such list.
  /// - Throws: `unsupported` for other kinds, and for lists of another length.
  mutating func layerKinds(_ count: Int) throws(CheckpointError) -> [LayerKind]? {
    guard let types = try value("layer_types") else { return nil }
    let kinds = types.elements?.compactMap { $0.text.flatMap(LayerKind.init) } ?? []
    guard kinds.count == count, kinds.count == types.elements?.count else {
      throw unsupported(
        "layer_types", expected: "'sliding_attention' or 'full_attention' for each layer")
    }
    return kinds
  }

  /// Reads the window that all layers have, or none.
  ///
  /// - Parameter decoder: gets it.
  /// - Throws: `usage` for something else than a number or nothing.
  mutating func windowEverywhere(_ decoder: inout DecoderConfiguration) throws(CheckpointError) {
    let window = try optionalCount("sliding_window")
    decoder.windows = decoder.windows.map { _ in window }
  }
}
