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

    /// What helps against most errors of the kind, for places that know nothing better.
    public var usualHint: String {
      switch self {
      case .malformed:
        "the file was damaged, or what wrote it breaks the format's rules: get it again, or write it again"
      case .unsupported:
        "have the program that made it write safetensors, GGUF, npz or PyTorch's files, which are read here"
      case .corrupt: "the file was damaged: get it again"
      case .missing: "check how the path is spelled, and whether everything was downloaded"
      case .overflow: "choose a dtype with a larger range, such as bf16 or f32"
      case .usage: "--help after the command's name says what can be given"
      case .conflict: "choose another destination, or move away what is there"
      case .inputOutput: "check the disk and the permissions, then repeat the command"
      case .noSpace:
        "free some space, or choose a destination or --spool directory on another disk"
      case .interrupted: "repeat the command to begin again"
      }
    }
  }

  /// The classification.
  public var code: Code
  /// What is wrong, without place and values.
  public var message: String
  /// The id of the finding that it is, where the kind of error has one of its own.
  public var check: String?
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
  /// What the user can do, in one line; nil where nothing better is known than the kind's usual hint.
  public var hint: String?
  /// Lines that follow the hint: commands, or a document to complete.
  public var hintLines: [String]
  /// What else was found with it or before, for places that list everything; others are told how many errors there are.
  public var others: [Finding] = []

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
  ///   - hintLines: what follows the hint, a line each.
  public init(
    _ code: Code, _ message: String, file: String? = nil, tensor: String? = nil,
    byteOffset: Int? = nil, expected: String? = nil, found: String? = nil, hint: String? = nil,
    hintLines: [String] = []
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.tensor = tensor
    self.byteOffset = byteOffset
    self.expected = expected
    self.found = found
    self.hint = hint
    self.hintLines = hintLines
  }

  /// The same error as a finding of its own kind.
  ///
  /// - Parameter check: the finding's id.
  /// - Returns: the error.
  public func called(_ check: String) -> CheckpointError {
    var copy = self
    copy.check = check
    return copy
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
  /// `file: tensor 'name': message, expected X, found Y (byte N)`, one line that is safe to print; without the hint.
  public var summary: String {
    var text = ""
    if let file { text += shown(file, Self.longestPath) + ": " }
    if let tensor { text += "tensor '\(shown(tensor))': " }
    text += shown(message, Self.longestMessage)
    if let expected { text += ", expected \(shown(expected))" }
    if let found { text += ", found \(shown(found))" }
    if let byteOffset { text += " (byte \(byteOffset))" }
    let more = others.count { $0.severity == .error }
    if more > 0 { text += " (and \(more) more: weighbridge verify lists all)" }
    return text
  }

  /// The summary, and the hint on lines of its own: there always is one.
  public var description: String {
    let hint = "hint: \(printable(hint ?? code.usualHint))"
    return ([summary, hint] + hintLines.map { printable($0) }).joined(separator: "\n")
  }

  /// What is shown of paths, and of messages with names in them.
  private static let (longestPath, longestMessage) = (4096, 2000)

  private func shown(_ text: String, _ limit: Int = shownNameLength) -> String {
    printable(clipped(text, to: limit))
  }
}
