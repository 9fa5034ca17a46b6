/// The one error type: what is wrong, where, what was expected, and what to do next.
///
/// Low-level code throws with what it knows (an offset); readers add file and tensor once, with `in(file:tensor:)`.
public struct CheckpointError: Error, Sendable, Hashable {
  /// A broad classification, for callers that decide by it.
  public enum Code: String, Sendable, Hashable {
    /// Bytes that break the rules of their format.
    case malformed
    /// Well-formed, but not something this version handles.
    case unsupported
    /// A checksum or digest that doesn't match.
    case corrupt
    /// Something named isn't there.
    case missing
    /// A value that would become infinite in the output dtype.
    case overflow
    /// Arguments or configuration that can't be used as given.
    case usage
    /// The destination, the partial or the journal is in the way.
    case conflict
    /// The system refused a read, write or other call.
    case inputOutput
    /// The disk is full, or would be.
    case noSpace
    /// A signal asked the work to stop.
    case interrupted

    /// Whether the same command can succeed later without anything being changed but the circumstances.
    public var isTransient: Bool {
      self == .inputOutput || self == .noSpace || self == .interrupted
    }
  }

  /// The classification.
  public var code: Code
  /// What is wrong, without place and values.
  public var message: String
  /// The file's name relative to the checkpoint, or its path.
  public var file: String?
  /// The tensor concerned.
  public var tensor: String?
  /// Where in the file, in bytes.
  public var byteOffset: Int?
  /// What should have been there.
  public var expected: String?
  /// What was there.
  public var found: String?
  /// What the user can do.
  public var hint: String?

  /// An error with as much of its place as the caller knows.
  ///
  /// - Parameters:
  ///   - code: the classification.
  ///   - message: what is wrong.
  ///   - file: the file's name.
  ///   - tensor: the tensor's name.
  ///   - byteOffset: the place in the file.
  ///   - expected: what should have been there.
  ///   - found: what was there.
  ///   - hint: what to do next.
  public init(
    _ code: Code, _ message: String, file: String? = nil, tensor: String? = nil,
    byteOffset: Int? = nil, expected: String? = nil, found: String? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.tensor = tensor
    self.byteOffset = byteOffset
    self.expected = expected
    self.found = found
    self.hint = hint
  }

  /// The same error with its place filled in where it had none.
  public func `in`(file: String? = nil, tensor: String? = nil) -> CheckpointError {
    var copy = self
    copy.file = copy.file ?? file
    copy.tensor = copy.tensor ?? tensor
    return copy
  }
}

/// What a body gives, or nil where the contents of files are at fault.
///
/// What the system refuses, and interruptions, are no reason to go on without.
///
/// - Parameter body: reads something that may be unusable.
/// - Returns: its result; nil if that can't be had.
/// - Throws: transient errors.
public func ifUsable<Result>(
  _ body: () throws(CheckpointError) -> Result
) throws(CheckpointError) -> Result? {
  do { return try body() } catch {
    if error.code.isTransient { throw error }
    return nil
  }
}

extension CheckpointError: CustomStringConvertible {
  /// `file: tensor 'name': message, expected X, found Y (byte N)`, safe to print on a terminal; without the hint.
  public var summary: String {
    var text = ""
    if let file { text += printable(file) + ": " }
    if let tensor { text += "tensor '\(printable(tensor))': " }
    text += printable(message, keepingLines: true)
    if let expected { text += ", expected \(printable(expected))" }
    if let found { text += ", found \(printable(found))" }
    if let byteOffset { text += " (byte \(byteOffset))" }
    return text
  }

  /// The summary, and the hint on a line of its own.
  public var description: String {
    hint.map { "\(summary)\nhint: \(printable($0, keepingLines: true))" } ?? summary
  }
}

/// A text from an untrusted file, made harmless for terminals and logs: control and bidirectional format characters are
/// written as `\u{1b}`.
///
/// - Parameters:
///   - text: anything.
///   - keepingLines: leave line feeds as they are; for texts of our own.
/// - Returns: the text to print.
public func printable(_ text: String, keepingLines: Bool = false) -> String {
  func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control: keepingLines && scalar == "\n"
    case .format, .lineSeparator, .paragraphSeparator: false
    default: true
    }
  }
  if text.unicodeScalars.allSatisfy(isHarmless) { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    if isHarmless(scalar) {
      result.unicodeScalars.append(scalar)
    } else {
      result += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return result
}
