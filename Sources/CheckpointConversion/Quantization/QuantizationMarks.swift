import Quantization
import TensorModel

/// What a file of quantized weights says of how they were made, where that isn't the format's own way: with it they can be made again.
struct QuantizationMarks {
  /// Keys and texts, in the metadata of the file; none for the format's own way.
  let entries: [(key: String, text: String)]

  /// What all keys begin with.
  static let prefix = "weighbridge."
  private static let qualityKey = prefix + "quality"
  private static let importanceKey = prefix + "importance"
  private static let momentsKey = prefix + "hessian"

  /// - Parameter request: what was asked for; nil where nothing is quantized.
  init(_ request: QuantizationRequest?) {
    var entries: [(String, String)] = []
    if let request, request.quality != .plain {
      entries.append((Self.qualityKey, request.quality.rawValue))
      if let importance = request.importance {
        entries.append((Self.importanceKey, importance.fileName))
      }
      if let moments = request.moments { entries.append((Self.momentsKey, moments.fileName)) }
    }
    self.entries = entries
  }

  /// Metadata with these marks, and with none that it had.
  func added(to metadata: [ExactName: String]) -> [ExactName: String] {
    var metadata = metadata.filter { !$0.key.text.hasPrefix(Self.prefix) }
    for (key, text) in entries { metadata[ExactName(key)] = text }
    return metadata
  }

  /// How the weights of a file were made.
  ///
  /// - Parameters:
  ///   - written: the file.
  ///   - statistics: what is at hand of what they were made with.
  /// - Returns: the quality; `plain` where the file says nothing.
  /// - Throws: `usage` if there was a matrix, or a file of second moments, and none is at hand; `unsupported` for a quality of another version.
  static func quality(
    of written: Checkpoint, statistics: InputStatistics
  ) throws(CheckpointError) -> QuantizationQuality {
    guard let text = written.metadata[ExactName(qualityKey)] else { return .plain }
    guard let quality = QuantizationQuality(rawValue: text) else {
      throw CheckpointError(
        .unsupported, "weights were quantized in a way that this version doesn't know",
        expected: QuantizationQuality.allCases.map(\.rawValue).joined(separator: ", "), found: text,
        hint: "compare with the version of weighbridge that wrote the file")
    }
    if statistics.importance == nil, let file = written.metadata[ExactName(importanceKey)] {
      throw CheckpointError(
        .usage, "the file was quantized with an importance matrix, which --against needs too",
        found: file, hint: "name it by --imatrix")
    }
    if statistics.moments == nil, let file = written.metadata[ExactName(momentsKey)] {
      throw CheckpointError(
        .usage, "the file was quantized with second moments, which --against needs too",
        found: file, hint: "name the file by --hessian")
    }
    return quality
  }
}
