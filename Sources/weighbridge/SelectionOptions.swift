import ArgumentParser
import CheckpointVerification
import TensorModel

/// Which checks `verify` runs, and what makes them fail.
struct SelectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The only checks that run, such as structure,configuration.", valueName: "list"),
    completion: .list(VerificationReport.Name.allCases.map(\.rawValue)))
  var checks: String?

  @Option(
    help: ArgumentHelp("Checks that don't run.", valueName: "list"),
    completion: .list(VerificationReport.Name.allCases.map(\.rawValue)))
  var skip: String?

  @Option(
    help: ArgumentHelp(
      "Checks that must pass: one that is skipped is an error.", valueName: "list"),
    completion: .list(VerificationReport.Name.allCases.map(\.rawValue)))
  var require: String?

  @Flag(help: "Fail if a check was skipped, and on warnings.")
  var strict = false

  @Option(help: "The least severity that makes the exit code 1: warning or error.")
  var failOn = FailureLevel.error

  @Flag(help: "Run no check after one that failed.")
  var failFast = false

  typealias Name = VerificationReport.Name

  /// Refuses names that no check has, and lists that contradict each other.
  func check(requiring: Set<Name>) throws {
    let selection = try selection(requiring)
    if !Name.allCases.contains(where: selection.runs) {
      throw ValidationError("--checks and --skip leave no check to run.")
    }
    let left = selection.required.filter { !selection.runs($0) }
    // Values that are required and skipped are said in the report: a pipeline puts both together.
    if selection.only != nil, let first = left.first(where: { !selection.skipped.contains($0) }) {
      throw ValidationError("'\(first.rawValue)' must pass, and isn't among those of --checks.")
    }
  }

  /// What was asked for, with what other options ask for.
  ///
  /// - Throws: a usage error for names that no check has, which `check` has refused.
  func selection(_ requiring: Set<Name>) throws -> CheckSelection {
    var selection = CheckSelection()
    selection.only = try checks.map { try Self.names($0, "--checks") }
    selection.skipped = try skip.map { try Self.names($0, "--skip") } ?? []
    selection.required = try requiring.union(require.map { try Self.names($0, "--require") } ?? [])
    selection.stopsAtFailure = failFast
    selection.failureLevel = strict ? .warning : failOn.severity
    selection.wantsAll = strict
    return selection
  }

  private static func names(_ list: String, _ option: String) throws -> Set<Name> {
    let known = Name.allCases.map(\.rawValue)
    var names: Set<Name> = []
    for word in list.split(separator: ",", omittingEmptySubsequences: false) {
      guard let name = Name(rawValue: String(word)) else {
        let near = nearNames(String(word), among: known)
        let help =
          near.isEmpty
          ? "There are \(known.joined(separator: ", "))." : "Did you mean \(alternatives(near))?"
        throw ValidationError("\(option): no check is called '\(word)'. \(help)")
      }
      names.insert(name)
    }
    return names
  }
}

/// What `--fail-on` takes.
enum FailureLevel: String, ExpressibleByArgument, CaseIterable {
  case warning, error

  var severity: Finding.Severity { self == .warning ? .warning : .error }
}
