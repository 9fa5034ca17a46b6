import CheckpointConversion
import Foundation
import TensorModel

/// Reports that are JSON: keys sorted, nothing in a string that a terminal or a runner would obey.
enum ReportJSON {
  /// A document's text, with a line feed at its end.
  ///
  /// - Parameters:
  ///   - document: of ours, or of a format that others define.
  ///   - snakeCase: whether keys are written `like_this`.
  /// - Returns: UTF-8.
  /// - Throws: `inputOutput` if it can't be encoded.
  static func bytes(
    _ document: some Encodable, snakeCase: Bool
  ) throws(CheckpointError) -> [UInt8] {
    if snakeCase { return try JSONDocument.bytes(document) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return printableJSON([UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")])
    } catch {
      throw CheckpointError(.inputOutput, "can't write JSON: \(error)")
    }
  }
}

/// The longest message that reports for other programs show.
let longestReportedMessage = 2000

extension Finding {
  /// The message, safe to print, and with the tensor in front of it.
  var reportedMessage: String {
    let tensor = tensor.map { "tensor '\(printable(clipped($0, to: shownNameLength)))': " } ?? ""
    return tensor + printable(clipped(message, to: longestReportedMessage))
  }
}
