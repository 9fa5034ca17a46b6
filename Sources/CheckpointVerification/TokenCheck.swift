import CheckpointFormats
import FileContainers
import TensorModel

/// Tokens that the model has no embedding for: whoever feeds one to it reads outside of the matrix.
struct TokenCheck {
  private let source: Source
  private let rowCount: Int

  /// - Parameters:
  ///   - source: with the files beside the weights.
  ///   - rowCount: of the embedding.
  init(_ source: Source, rowCount: Int) {
    self.source = source
    self.rowCount = rowCount
  }

  /// What is wrong; nil where there is no tokenizer that can be read, which is said of the files beside the weights.
  ///
  /// - Throws: what reading throws.
  func finding() throws(CheckpointError) -> Finding? {
    let name = TokenizerOutline.fileName
    guard let asset = source.checkpoint.assets.first(where: { $0.name == name }),
      asset.byteCount <= SidecarSoundness.maximumByteCount,
      let outline = try ifUsable({ () throws(CheckpointError) in
        try TokenizerOutline(parsing: asset.contents(), name)
      }),
      let last = outline.last, last.id >= rowCount
    else { return nil }
    return Finding(
      .warning, "token-outside",
      "the tokenizer has ids up to \(last.id) ('\(last.token)'), and the embedding \(counted(rowCount, "row"))",
      file: name)
  }
}
