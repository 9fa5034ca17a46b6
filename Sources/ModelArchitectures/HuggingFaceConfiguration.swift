public import FileContainers
public import TensorModel

/// A model's `config.json` in Hugging Face's form, as far as shapes and names depend on it.
public struct HuggingFaceConfiguration: Sendable {
  /// The text as it was.
  public let bytes: [UInt8]
  /// The parsed document.
  public let document: JSONValue

  /// Parses a configuration.
  ///
  /// - Throws: `malformed`.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    self.bytes = bytes
    document = try JSONValue(parsing: bytes)
    guard document.members != nil else {
      throw CheckpointError(.malformed, "a configuration is a JSON object")
    }
  }

  /// The family's name.
  public var modelType: String? { document["model_type"]?.text }

  /// The family, if it is known.
  public var architecture: Architecture? { modelType.flatMap(Architectures.named) }

  /// The sizes of a family whose table is known.
  ///
  /// - Throws: `usage` for a key that is missing or no positive integer, or too large for any model; `unsupported` for settings that the forward
  ///   pass doesn't know.
  public func dimensions() throws(CheckpointError) -> Architecture.Dimensions {
    try DecoderConfiguration(self).dimensions
  }

  /// The text with the weights' dtype replaced where it is named, and nothing else changed.
  ///
  /// - Parameter torchName: PyTorch's name of the new dtype, such as `float16`.
  /// - Returns: the edited text.
  public func settingDType(_ torchName: String) -> [UInt8] {
    var result = bytes
    for member in (document.members ?? []).reversed() {
      guard ["dtype", "torch_dtype"].contains(member.key), member.value.text != nil,
        let range = member.range
      else { continue }
      result.replaceSubrange(range, with: Array("\"\(torchName)\"".utf8))
    }
    return result
  }
}
