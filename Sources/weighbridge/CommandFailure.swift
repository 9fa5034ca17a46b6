import CheckpointConversion
import TensorModel

/// What keeps a command from its work: said to people on standard error, and to programs in a document on standard output, where
/// they have asked for documents and got none yet.
struct CommandFailure {
  private let text: String
  private let document: ErrorDocument

  /// An error; a signal is none of a file or a tensor.
  init(_ error: CheckpointError) {
    var error = error
    if error.code == .interrupted {
      error.message = "stopped by \(Signals.name)"
      (error.file, error.tensor, error.byteOffset) = (nil, nil, nil)
      text = error.description
    } else {
      text = "error: \(error)"
    }
    document = ErrorDocument(error)
  }

  /// Arguments that the parser doesn't take.
  init(_ message: UsageMessage) {
    text = message.text
    document = ErrorDocument(
      CheckpointError(.usage, message.summary, hint: message.hint))
  }

  /// Says it.
  ///
  /// - Parameter arguments: of the command line, after the program's name.
  func report(asked arguments: [String]) {
    let options = arguments.prefix { $0 != "--" }
    let isLine = options.contains("--json-lines")
    report(asDocument: (isLine || options.contains("--json")) && !Console.isPrinting, isLine)
  }

  /// Says it.
  ///
  /// - Parameters:
  ///   - isDocument: whether a document is wanted, too.
  ///   - isLine: whether it is one of several, a line each.
  func report(asDocument isDocument: Bool, _ isLine: Bool) {
    Console.error(text)
    guard isDocument, let bytes = try? JSONDocument.bytes(document) else { return }
    var line = DocumentLine()
    Console.output(document: isLine ? line.piece(bytes) + line.end : bytes)
  }
}

/// An error as programs read it.
private struct ErrorDocument: Encodable {
  private let error: CheckpointError

  init(_ error: CheckpointError) { self.error = error }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, code, message, file, tensor, byteOffset, expected, found, hint
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("error/v1", forKey: .schema)
    try container.encode(Certificate.Tool.current, forKey: .tool)
    try container.encode(error.code.rawValue, forKey: .code)
    try container.encode(error.message, forKey: .message)
    try container.encode(error.file.map(JSONDocument.path), forKey: .file)
    try container.encode(error.tensor, forKey: .tensor)
    try container.encodeIfPresent(error.byteOffset, forKey: .byteOffset)
    try container.encodeIfPresent(error.expected, forKey: .expected)
    try container.encodeIfPresent(error.found, forKey: .found)
    let hint = [error.hint ?? error.code.usualHint] + error.hintLines
    try container.encode(hint.joined(separator: "\n"), forKey: .hint)
  }
}

/// A document on one line: the line feeds in it, and the spaces after them, stand between its parts only.
struct DocumentLine {
  private var isAtStart = false

  /// What ends the line.
  let end = [UInt8(ascii: "\n")]

  /// A piece of the document without line feeds.
  mutating func piece(_ bytes: [UInt8]) -> [UInt8] {
    bytes.filter { byte in
      if byte == UInt8(ascii: "\n") {
        isAtStart = true
        return false
      }
      isAtStart = isAtStart && byte == UInt8(ascii: " ")
      return !isAtStart
    }
  }
}
