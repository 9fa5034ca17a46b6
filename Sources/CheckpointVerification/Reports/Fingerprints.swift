import FileContainers
import TensorModel

/// What makes a finding the same one in the next run: programs that show findings over time know them by it.
enum Fingerprints {
  /// A fingerprint for each finding, each another.
  ///
  /// - Parameters:
  ///   - findings: in an order that doesn't change.
  ///   - location: of the checkpoint.
  /// - Returns: 32 hexadecimal digits each.
  static func all(_ findings: [Finding], _ location: ReportLocation) -> [String] {
    var counts: [[String]: Int] = [:]
    return findings.map { finding in
      let parts = [
        finding.check, location.path(of: finding.file), finding.tensor ?? "",
        lasting(finding.message),
      ]
      let count = counts[parts, default: 0]
      counts[parts] = count + 1
      // The lengths keep parts apart, whatever they contain.
      let text = (parts + ["\(count)"]).map { "\($0.utf8.count):\($0)" }.joined()
      return String(Digest(of: Array(text.utf8)).hexadecimal.prefix(32))
    }
  }

  /// A message without its counts, positions and digests: those change with the contents, and the finding stays.
  private static func lasting(_ message: String) -> String {
    message.split(separator: " ").filter { word in
      let letters = word.unicodeScalars.filter { $0.properties.isAlphabetic }
      let digits = word.unicodeScalars.filter { ("0"..."9").contains($0) }
      let isNumber = !digits.isEmpty && letters.isEmpty
      let isDigest = word.contains("sha256:") || digits.count + letters.count >= 40
      return !isNumber && !isDigest
    }.joined(separator: " ")
  }
}
