/// Something that a person should know about a checkpoint or a conversion.
public struct Finding: Hashable, Sendable, Codable {
  /// How much it matters.
  public enum Severity: String, Sendable, Codable, Hashable, CaseIterable, Comparable {
    /// Good to know: something was left out or assumed, results are the same.
    case note
    /// Can change results, or is not as it should be.
    case warning
    /// Wrong.
    case error

    /// Notes before warnings before errors.
    public static func < (left: Severity, right: Severity) -> Bool {
      (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
  }

  /// How much it matters.
  public let severity: Severity
  /// The stable name of the check that found it, such as `layer-norm-desync`.
  public let check: String
  /// The file concerned, relative to the checkpoint.
  public let file: String?
  /// The tensor concerned.
  public let tensor: String?
  /// A sentence.
  public let message: String

  /// A finding.
  public init(
    _ severity: Severity, _ check: String, _ message: String, file: String? = nil,
    tensor: String? = nil
  ) {
    self.severity = severity
    self.check = check
    self.message = message
    self.file = file
    self.tensor = tensor
  }

  /// An error, as a finding: of its own kind where it has one, else of the one that is given.
  public init(_ check: String, _ error: CheckpointError) {
    var placeless = error
    placeless.file = nil
    placeless.tensor = nil
    placeless.others = []
    var message = placeless.summary + (error.hint.map { "; \($0)" } ?? "")
    // A command belongs to what it is announced by; a document to complete is for terminals.
    if error.hint != nil, error.hintLines.count == 1 { message += " \(error.hintLines[0])" }
    self.init(.error, error.check ?? check, message, file: error.file, tensor: error.tensor)
  }

  /// The same, of another severity.
  public func with(_ severity: Severity) -> Finding {
    Finding(severity, check, message, file: file, tensor: tensor)
  }

  /// One line for a terminal; long names are clipped.
  public var line: String {
    let names = [
      file.map { printable(clipped($0, to: shownNameLength)) },
      tensor.map { "'\(printable(clipped($0, to: shownNameLength)))'" },
    ].compactMap { $0 }
    let place = names.map { "\($0): " }.joined()
    return
      "\(severity.rawValue): \(place)\(printable(clipped(message, to: Self.longestMessage))) [\(check)]"
  }

  private static let longestMessage = 2000
}
