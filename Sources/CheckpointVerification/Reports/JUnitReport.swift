import TensorModel

/// Test results as Jenkins, GitLab and most others read them: a suite for each check, a failed test case for each error.
///
/// There is no standard; the schema that is used most is jenkinsci/xunit-plugin's `junit-10.xsd`. Times are left out, as equal runs give
/// equal bytes. Of test cases with one name GitLab counts the first only, so every name is another.
enum JUnitReport {
  static let beginning = """
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="weighbridge
    """

  /// GitLab takes 30 MB.
  private static let maximumFailureCount = 10_000

  static func bytes(_ report: VerificationReport) -> [UInt8] {
    var suites = report.checks.map { suite($0, report) }
    if let error = report.error {
      suites = [
        Suite(
          name: "verify",
          cases: [
            Case(
              name: "verify",
              outcome: .error(
                type: error.code.rawValue, message: error.summary, text: error.description))
          ])
      ]
    }
    let others = failing(report.otherFindings, report)
    if !others.isEmpty { suites.append(Suite(name: "selection", cases: failures(others))) }
    if report.verdict == .failed, !suites.contains(where: { $0.count("failure") > 0 }) {
      let text = TextReport.verdict(report)
      let outcome = Case.Outcome.failure(type: "verdict", message: text, text: text)
      suites.append(Suite(name: "verdict", cases: [Case(name: "verdict", outcome: outcome)]))
    }
    return Array(inert(document(suites)).utf8)
  }

  private static func suite(
    _ check: VerificationReport.Check, _ report: VerificationReport
  ) -> Suite {
    let name = check.name.rawValue
    let findings = report.findings(of: check.name)
    let failing = failing(findings, report)
    var cases = failures(failing)
    if check.status == .skipped {
      cases.append(
        Case(
          name: name,
          outcome: .skipped(type: check.reason?.rawValue ?? "skipped", message: check.detail)))
    } else if cases.isEmpty {
      cases.append(Case(name: name, outcome: .passed))
    }
    let rest = findings.filter { !failing.contains($0) }
    return Suite(name: name, cases: cases, output: rest.map(\.line))
  }

  /// The findings that a report fails by: errors; without any, warnings, if they count.
  private static func failing(_ findings: [Finding], _ report: VerificationReport) -> [Finding] {
    guard report.verdict == .failed else { return [] }
    let severity: Finding.Severity = report.hasFindings(.error) ? .error : .warning
    return findings.filter { $0.severity == severity }
  }

  private static func failures(_ findings: [Finding]) -> [Case] {
    var counts: [String: Int] = [:]
    var cases: [Case] = []
    for finding in findings.prefix(maximumFailureCount) {
      let places = [finding.file, finding.tensor].compactMap { $0 }
      var name = ([finding.check] + places.map { printable(clipped($0, to: shownNameLength)) })
        .joined(separator: " ")
      let count = counts[name, default: 0] + 1
      counts[name] = count
      if count > 1 { name += " #\(count)" }
      let outcome = Case.Outcome.failure(
        type: finding.check, message: finding.reportedMessage, text: finding.line)
      cases.append(Case(name: name, outcome: outcome))
    }
    if findings.count > cases.count {
      let text = "\(counted(findings.count - cases.count, "more finding")), all in --report json"
      let outcome = Case.Outcome.failure(type: "left-out", message: text, text: text)
      cases.append(Case(name: "more findings", outcome: outcome))
    }
    return cases
  }

  private struct Case {
    enum Outcome {
      case passed
      case skipped(type: String, message: String)
      case failure(type: String, message: String, text: String)
      case error(type: String, message: String, text: String)
    }

    let name: String
    let outcome: Outcome

    var tag: String {
      switch outcome {
      case .passed: "passed"
      case .skipped: "skipped"
      case .failure: "failure"
      case .error: "error"
      }
    }
  }

  private struct Suite {
    let name: String
    let cases: [Case]
    var output: [String] = []

    func count(_ tag: String) -> Int { cases.count { $0.tag == tag } }
  }

  // MARK: XML

  private static func document(_ suites: [Suite]) -> String {
    func count(_ tag: String) -> Int { suites.reduce(0) { $0 + $1.count(tag) } }
    let tests = suites.reduce(0) { $0 + $1.cases.count }
    var text =
      "\(beginning)\" tests=\"\(tests)\" failures=\"\(count("failure"))\" errors=\"\(count("error"))\">\n"
    for suite in suites {
      text +=
        "  <testsuite name=\"\(xml(suite.name))\" tests=\"\(suite.cases.count)\" failures=\"\(suite.count("failure"))\" errors=\"\(suite.count("error"))\" skipped=\"\(suite.count("skipped"))\">\n"
      for testCase in suite.cases { text += element(testCase, suite.name) }
      if !suite.output.isEmpty {
        let lines = suite.output.map { xml($0) }.joined(separator: "\n")
        text += "    <system-out>\(lines)</system-out>\n"
      }
      text += "  </testsuite>\n"
    }
    return text + "</testsuites>\n"
  }

  private static func element(_ testCase: Case, _ suite: String) -> String {
    let start =
      "    <testcase classname=\"weighbridge.\(xml(suite))\" name=\"\(xml(testCase.name))\""
    switch testCase.outcome {
    case .passed: return start + "/>\n"
    case .skipped(let type, let message):
      return start
        + ">\n      <skipped type=\"\(xml(type))\" message=\"\(xml(message))\"/>\n    </testcase>\n"
    case .failure(let type, let message, let text), .error(let type, let message, let text):
      let tag = testCase.tag
      return start
        + ">\n      <\(tag) type=\"\(xml(type))\" message=\"\(xml(message))\">\(xml(text))</\(tag)>\n    </testcase>\n"
    }
  }

  /// A text for an element or an attribute.
  ///
  /// What XML 1.0 has no character for, not even as a reference, is written as `\u{…}`.
  private static func xml(_ text: String) -> String {
    var result = ""
    for scalar in printable(text, keepingLines: true).unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n": result += "&#10;"
      case "\u{fffe}", "\u{ffff}": result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
