import FileContainers
import TensorModel

/// The template that turns a conversation into a text: `tokenizer.chat_template` of a GGUF file.
enum ChatTemplate {
  /// The file that has it where `tokenizer_config.json` doesn't.
  static let fileName = "chat_template.jinja"
  /// The key of a GGUF file.
  static let key = "tokenizer.chat_template"

  private static let maximumByteCount = 16 << 20

  /// The template among a checkpoint's files; of several, the one named `default`.
  ///
  /// - Returns: nil if there is none.
  /// - Throws: `malformed` for files that can't be parsed, `inputOutput`.
  static func text(in assets: [Checkpoint.Asset]) throws(CheckpointError) -> String? {
    if let bytes = try contents("tokenizer_config.json", assets) {
      let document: JSONValue
      do throws(CheckpointError) { document = try JSONValue(parsing: bytes) } catch {
        throw error.in(file: "tokenizer_config.json")
      }
      let value = document["chat_template"]
      let named = value?.elements?.first { $0["name"]?.text == "default" }
      if let text = value?.text ?? named?["template"]?.text { return text }
    }
    return try contents(fileName, assets).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func contents(
    _ name: String, _ assets: [Checkpoint.Asset]
  ) throws(CheckpointError) -> [UInt8]? {
    guard let asset = assets.first(where: { $0.name == name }) else { return nil }
    guard asset.byteCount <= maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too large for a file of a tokenizer", file: name,
        expected: "at most \(maximumByteCount) bytes", found: "\(asset.byteCount)")
    }
    return try asset.contents()
  }
}
