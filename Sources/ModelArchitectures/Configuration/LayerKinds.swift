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

  /// Reads which layers have a window, of families where some have one.
  ///
  /// - Parameters:
  ///   - decoder: gets them.
  ///   - period: of so many layers the last has none, where `layer_types` doesn't say it.
  /// - Throws: `unsupported` for other kinds of layers, and for windows without a width.
  mutating func windows(
    _ decoder: inout DecoderConfiguration, period: Int
  ) throws(CheckpointError) {
    let window = try optionalCount("sliding_window")
    let layers = decoder.dimensions.layers
    let kinds =
      try layerKinds(layers) ?? (1...layers).map { $0 % period == 0 ? .full : .sliding }
    guard window != nil || !kinds.contains(.sliding) else {
      throw unsupported("sliding_window", expected: "a number for layers of 'sliding_attention'")
    }
    decoder.windows = kinds.map { $0 == .sliding ? window : nil }
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
