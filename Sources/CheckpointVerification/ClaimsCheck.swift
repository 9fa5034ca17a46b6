import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// What a certificate claims of how its tensors were made, against the source that it names: the expressions are evaluated again.
struct ClaimsCheck {
  private let certificate: Certificate
  private let source: Source
  private let resources: EvaluationResources

  /// What evaluating a tensor gave.
  struct Result {
    /// What was evaluated, printed.
    let expression: String
    /// The extents of the values that it is made of.
    let valueShape: Shape
    let digest: Digest
    let report: CastReport
  }

  /// Where claims are found out to be wrong.
  private static let check = "certificate-claim"

  /// - Parameters:
  ///   - certificate: of the checkpoint that is verified.
  ///   - source: what it is compared with.
  ///   - resources: memory and threads.
  init(_ certificate: Certificate, _ source: Source, _ resources: EvaluationResources) {
    self.certificate = certificate
    self.source = source
    self.resources = resources
  }

  /// Whether the certificate names just the files that the source is of.
  private var isOfSource: Bool {
    func inputs(_ list: [(name: String, byteCount: Int?)]) -> [ExactName: Int?] {
      Dictionary(list.map { (ExactName($0.name), $0.byteCount) }, uniquingKeysWith: { $1 })
    }
    return inputs(certificate.inputs.map { ($0.name, $0.byteCount) })
      == inputs(source.inputs.map { ($0.name, $0.byteCount) })
  }

  /// Evaluates what can be evaluated.
  ///
  /// - Parameter evaluated: gives the result of a tensor that is there already, with its expression.
  /// - Returns: what is wrong, and a text that says what was checked.
  /// - Throws: what keeps the source from being read.
  func run(
    _ evaluated: (ExactName) -> Result?
  ) throws(CheckpointError) -> (findings: [Finding], detail: String) {
    guard isOfSource else {
      return (
        [], "the certificate's claims are unchecked: it names other inputs than these"
      )
    }
    var findings = try digestFindings() + sourceFindings()
    var tasks: [EvaluationTask] = []
    var records: [Certificate.TensorRecord] = []
    var (unchecked, checked) = (0, 0)
    for record in certificate.tensors {
      if let known = evaluated(ExactName(record.name)), known.expression == record.expression {
        checked += 1
        findings += self.findings(record, known)
        continue
      }
      do throws(CheckpointError) {
        let expression = try TensorExpression(parsing: record.expression, sources: record.sources)
        let compiled = try CompiledExpression(expression, in: source.reader.checkpoint)
        guard compiled.type == TensorType(record.dtype, record.shape) else {
          throw CheckpointError(
            .malformed, "the expression gives another dtype or shape than it is certified with",
            expected: "\(record.dtype.rawValue) \(record.shape)",
            found: "\(compiled.type.dtype.rawValue) \(compiled.type.shape)")
        }
        tasks.append(EvaluationTask(name: record.name, expression: compiled))
        records.append(record)
      } catch {
        if error.code == .unsupported {
          unchecked += 1
        } else {
          findings.append(
            Finding(Self.check, error.in(file: record.file, tensor: record.name)))
        }
      }
    }
    let results = DigestCollector(goesOnAfterErrors: true)
    try EvaluationPipeline(source.reader, resources).run(tasks, results)
    for (place, record) in records.enumerated() {
      guard let result = results[place] else { continue }
      findings += self.findings(
        record,
        Result(
          expression: record.expression, valueShape: tasks[place].expression.valueShape,
          digest: result.digest, report: result.report))
    }
    findings += results.errors.map { Finding(Self.check, $0) }
    let rest =
      unchecked == 0
      ? "" : "; \(counted(unchecked, "tensor")) made with an importance matrix unchecked"
    // Only sizes tell the inputs then.
    let undigested = certificate.inputs.count { $0.digest == nil }
    let unread =
      undigested == 0
      ? "" : "; \(counted(undigested, "input")) known by size alone, no digest being certified"
    return (
      findings,
      "the certificate's claims on \(counted(tasks.count + checked, "tensor")) evaluated\(rest)\(unread)"
    )
  }

  private func findings(
    _ record: Certificate.TensorRecord, _ result: Result
  ) -> [Finding] {
    record.disagreements(with: result).map {
      Finding(.error, Self.check, $0, file: record.file, tensor: record.name)
    }
  }

  /// What it says that the source is.
  private func sourceFindings() -> [Finding] {
    [
      ("format", certificate.source.format, source.checkpoint.format),
      ("layout", certificate.source.layout, source.checkpoint.layout),
    ].filter { $0.1 != $0.2 }.map { name, certified, found in
      Finding(
        .error, Self.check, "the source's \(name) is certified as '\(certified)', found '\(found)'")
    }
  }

  /// Digests of inputs, where the certificate has them.
  private func digestFindings() throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    for record in certificate.inputs {
      guard let expected = record.digest,
        let input = source.inputs.first(where: { ExactName($0.name) == ExactName(record.name) }),
        let found = try source.digest(of: input), found != expected
      else { continue }
      findings.append(
        Finding(
          .error, Self.check,
          "the certificate is of another input, expected \(expected), found \(found)",
          file: record.name))
    }
    return findings
  }
}

extension Certificate.TensorRecord {
  /// What a certificate claims of a tensor that evaluating its expression doesn't confirm.
  ///
  /// - Parameter result: of the evaluation.
  /// - Returns: a message for each wrong claim.
  func disagreements(with result: ClaimsCheck.Result) -> [String] {
    let report = result.report
    var messages: [String] = []
    func compare<Value: Equatable>(_ claim: String, _ certified: Value, _ found: Value) {
      guard certified != found else { return }
      messages.append("the certificate's \(claim) isn't so, expected \(certified), found \(found)")
    }
    compare("digest", digest, result.digest)
    compare("exactness", exactness.rawValue, found(report).rawValue)
    compare("largest_error_ulp", largestErrorUlp, report.largestErrorUlp)
    compare("overflow_count", overflowCount, report.overflowCount)
    if quantization != report.quantization.map({ QuantizationRecord($0, result.valueShape) }) {
      messages.append("the certificate's errors of blocks aren't so")
    }
    return messages
  }

  /// What the evaluation says of values; that none changed is right where the expression repacks codes, too.
  private func found(_ report: CastReport) -> Certificate.Exactness {
    guard exactness == .repacked,
      let parsed = try? TensorExpression(parsing: expression, sources: sources)
    else { return report.isExact ? .exact : .rounded }
    return Certificate.Exactness(parsed, isRounded: !report.isExact)
  }
}
