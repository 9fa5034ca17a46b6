public import TensorModel

/// A form in which a report is written.
public enum ReportFormat: String, Sendable, Hashable, CaseIterable {
  /// Lines for people.
  case text
  /// A document of our own.
  case json
  /// Test results, which most programs that run pipelines show.
  case junit
  /// Static Analysis Results Interchange Format 2.1.0, which GitHub's code scanning takes.
  case sarif
  /// Annotations for GitHub's runner, and a summary of the step.
  case github
  /// GitLab's Code Quality.
  case gitlab

  /// The report's bytes, the same for equal reports.
  ///
  /// - Parameters:
  ///   - report: what was checked and found, or what kept the checks from running.
  ///   - describe: what is known of the findings' kinds.
  /// - Returns: a whole document.
  /// - Throws: `inputOutput` if a document can't be encoded.
  public func bytes(
    _ report: VerificationReport, _ describe: FindingDescription
  ) throws(CheckpointError) -> [UInt8] {
    switch self {
    case .text: TextReport.bytes(report)
    case .json: try ReportJSON.bytes(report, snakeCase: true)
    case .junit: JUnitReport.bytes(report)
    case .sarif: try SARIFReport.bytes(report, describe)
    case .github: GitHubReport.bytes(report, describe)
    case .gitlab: try GitLabReport.bytes(report)
    }
  }

  /// What files of the format begin with: only such ones, and empty ones, are replaced.
  public var beginnings: [String] {
    switch self {
    case .text: TextReport.beginnings
    case .json: ["{\n  \"byte_count\" : "]
    case .junit: [JUnitReport.beginning]
    case .sarif: [SARIFReport.beginning]
    case .github: [GitHubReport.beginning]
    case .gitlab: GitLabReport.beginnings
    }
  }
}

/// A report that is asked for: `FORMAT`, for standard output, or `FORMAT=PATH`.
public struct ReportRequest: Sendable, Hashable {
  /// The format.
  public let format: ReportFormat
  /// The file; nil for standard output.
  public let path: String?

  /// A request.
  public init(_ format: ReportFormat, path: String? = nil) {
    self.format = format
    self.path = path
  }

  /// Reads `FORMAT[=PATH]`, where `-` is standard output; nil if there is no such format, or nothing after the sign.
  public init?(parsing text: String) {
    // An accent after the sign doesn't make it another one.
    let parts = text.unicodeScalars.split(
      separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let format = ReportFormat(rawValue: String(first)) else {
      return nil
    }
    let path = parts.count > 1 ? String(parts[1]) : nil
    if let path, path.isEmpty { return nil }
    // As for checkpoints, a hyphen is the standard stream.
    self.init(format, path: path == "-" ? nil : path)
  }
}
