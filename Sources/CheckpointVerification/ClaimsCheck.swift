import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// What a certificate claims of how its tensors were made, against the source that it names: the expressions are evaluated again.
///
/// Of tensors that are evaluated anyway, as the certificate says, no more than the claims is kept: a certificate has some hundred bytes for each tensor.
struct ClaimsCheck {
  private let source: Source
  /// What is verified: a difference was made of its base's files, too.
  private let verified: Source
  private let resources: EvaluationResources
  private let known: RecordedFileDigests
  private let inputs: [Certificate.InputRecord]
  private let origin: Certificate.SourceRecord
  /// Whether the certificate names just the files that the source is of.
  private let isOfSource: Bool
  /// Of tensors that are evaluated anyway, in their order; nil where the certificate says another expression, or nothing.
  private var claims: [Claim?]
  /// The other tensors of the certificate.
  private var others: [Certificate.TensorRecord] = []
  /// What comparing claims brought up.
  private var findings: [Finding] = []

  /// What a certificate says of a tensor's values.
  struct Claim {
    let file: String
    let digest: Digest
    let exactness: Certificate.Exactness
    let largestErrorUlp: Double
    let overflowCount: Int
    let blocks: Blocks

    /// Errors of blocks, which take no memory where there are none.
    indirect enum Blocks: Equatable {
      case unmeasured
      case measured(QuantizationRecord)
    }
  }

  /// What evaluating a tensor gave.
  struct Result {
    /// Of the tensor.
    let name: String
    /// What was evaluated.
    let expression: TensorExpression
    /// The extents of the values that it is made of.
    let valueShape: Shape
    let digest: Digest
    let report: CastReport
  }

  /// Where claims are found out to be wrong.
  fileprivate static let check = "certificate-claim"

  /// - Parameters:
  ///   - text: the certificate of the checkpoint that is verified.
  ///   - verified: that checkpoint.
  ///   - source: what it is compared with.
  ///   - tensors: what is evaluated anyway.
  ///   - resources: memory and threads.
  ///   - known: digests of files that needn't be read.
  /// - Throws: `malformed` if the certificate can't be read, `inputOutput` if it has changed.
  init(
    _ text: CertificateText, of verified: Source, _ source: Source,
    besides tensors: [AgreementPairs.Tensor], _ resources: EvaluationResources,
    _ known: RecordedFileDigests
  ) throws(CheckpointError) {
    let certificate = text.frame
    self.source = source
    self.verified = verified
    self.resources = resources
    self.known = known
    inputs = certificate.inputs
    origin = certificate.source
    isOfSource = Self.names(
      certificate.inputs, source.inputs + Self.bases(of: verified, besides: source))
    claims = []
    guard isOfSource else { return }
    var claims = [Claim?](repeating: nil, count: tensors.count)
    var others: [Certificate.TensorRecord] = []
    let places = Dictionary(
      tensors.enumerated().map { (ExactName($1.name), $0) }, uniquingKeysWith: { first, _ in first }
    )
    try text.forEachTensor { (record) throws(CheckpointError) in
      if let place = places[ExactName(record.name)], claims[place] == nil,
        tensors[place].expression.description == record.expression
      {
        claims[place] = Claim(record)
      } else {
        others.append(record)
      }
    }
    (self.claims, self.others) = (claims, others)
  }

  /// The files of the base of what is verified, but for those that are the source's, too.
  private static func bases(of verified: Source, besides source: Source) -> [Source.Input] {
    let own = Set(source.inputs.map { ExactName($0.name) })
    return verified.inputs.filter { $0.isOfBase && !own.contains(ExactName($0.name)) }
  }

  private static func names(
    _ records: [Certificate.InputRecord], _ files: [Source.Input]
  ) -> Bool {
    func inputs(_ list: [(name: String, byteCount: Int?)]) -> [ExactName: Int?] {
      Dictionary(list.map { (ExactName($0.name), $0.byteCount) }, uniquingKeysWith: { $1 })
    }
    return inputs(records.map { ($0.name, $0.byteCount) })
      == inputs(files.map { ($0.name, $0.byteCount) })
  }

  /// Compares claims with what was evaluated anyway.
  ///
  /// - Parameters:
  ///   - results: of tensors that stand one after the other; nil for those that couldn't be evaluated.
  ///   - first: where they begin.
  mutating func compare(_ results: [Result?], from first: Int) {
    guard isOfSource else { return }
    for (place, result) in results.enumerated() {
      guard let result, let claim = claims[first + place] else { continue }
      findings += claim.findings(result)
    }
  }

  /// What evaluating some of the tensors has brought up.
  struct Reading: Codable {
    /// Of tensors that are evaluated anyway.
    var compared: [Finding] = []
    /// Of the others: wrong claims, and what can't be evaluated.
    var others: [Finding] = []
    var errors: [Finding] = []
    var checkedCount = 0
    var uncheckedCount = 0

    mutating func add(_ next: Reading) {
      compared += next.compared
      others += next.others
      errors += next.errors
      checkedCount += next.checkedCount
      uncheckedCount += next.uncheckedCount
    }
  }

  /// Evaluates the other tensors, as far as they can be.
  ///
  /// - Parameter share: of several parts; nil for all.
  /// - Returns: what that and comparing have brought up.
  /// - Throws: what keeps the source from being read.
  func read(_ share: ReadingShare? = nil) throws(CheckpointError) -> Reading {
    let places =
      share?.own(others.map { $0.shape.elementCount * $0.dtype.blockByteCount }) ?? others.indices
    var reading = Reading(compared: findings)
    for run in EvaluationTask.runs(of: places.count) {
      let run = places.lowerBound + run.lowerBound..<places.lowerBound + run.upperBound
      reading.add(try evaluate(others[run]))
    }
    return reading
  }

  /// Concludes from what all tensors have brought up.
  ///
  /// - Parameter reading: of all tensors.
  /// - Returns: what is wrong, and a text that says what was checked.
  /// - Throws: what keeps the source's files from being read.
  func finish(_ reading: Reading) throws(CheckpointError) -> (findings: [Finding], detail: String) {
    guard isOfSource else {
      return (
        [], "the certificate's claims are unchecked: it names other inputs than these"
      )
    }
    let findings =
      try digestFindings() + sourceFindings() + reading.compared + reading.others + reading.errors
    let checkedCount = claims.count { $0 != nil } + reading.checkedCount
    let uncheckedCount = reading.uncheckedCount
    let unchecked =
      uncheckedCount == 0
      ? ""
      : "; \(counted(uncheckedCount, "tensor")) made with importances or second moments unchecked"
    // Only sizes tell the inputs then.
    let undigested = inputs.count { $0.digest == nil }
    let unread =
      undigested == 0
      ? "" : "; \(counted(undigested, "input")) known by size alone, no digest being certified"
    return (
      findings,
      "the certificate's claims on \(counted(checkedCount, "tensor")) evaluated\(unchecked)\(unread)"
    )
  }

  private func evaluate(
    _ records: ArraySlice<Certificate.TensorRecord>
  ) throws(CheckpointError) -> Reading {
    var findings: [Finding] = []
    var tasks: [EvaluationTask] = []
    var evaluated: [(claim: Claim, expression: TensorExpression)] = []
    var uncheckedCount = 0
    for record in records {
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
        evaluated.append((Claim(record), expression))
      } catch {
        if error.code == .unsupported {
          uncheckedCount += 1
        } else {
          findings.append(
            Finding(Self.check, error.in(file: record.file, tensor: record.name)))
        }
      }
    }
    let results = DigestCollector(goesOnAfterErrors: true)
    try EvaluationPipeline(source.reader, resources).run(tasks, results)
    for (place, (claim, expression)) in evaluated.enumerated() {
      guard let result = results[place] else { continue }
      findings += claim.findings(
        Result(
          name: tasks[place].name, expression: expression,
          valueShape: tasks[place].expression.valueShape, digest: result.digest,
          report: result.report))
    }
    return Reading(
      others: findings, errors: results.errors.map { Finding(Self.check, $0) },
      checkedCount: tasks.count, uncheckedCount: uncheckedCount)
  }

  /// What it says that the source is.
  private func sourceFindings() -> [Finding] {
    // The configuration may have been another file's (--config).
    let certifiedArchitecture = origin.architecture ?? source.architectureName ?? "none"
    return
      [
        ("format", origin.format, source.checkpoint.format),
        ("layout", origin.layout, source.checkpoint.layout),
        ("architecture", certifiedArchitecture, source.architectureName ?? certifiedArchitecture),
      ].filter { $0.1 != $0.2 }.map { name, certified, found in
        Finding(
          .error, Self.check,
          "the source's \(name) is certified as '\(certified)', found '\(found)'")
      }
  }

  /// The source's files that are read for their digests.
  ///
  /// - Parameters:
  ///   - certificate: of the checkpoint that is verified.
  ///   - source: what it is compared with.
  /// - Returns: the files, open.
  /// - Throws: `inputOutput`.
  static func readFiles(
    _ certificate: Certificate, _ source: Source
  ) throws(CheckpointError) -> [InputFile] {
    let names = Set(
      certificate.inputs.filter { $0.digest != nil }.map { ExactName($0.name) })
    var files: [InputFile] = []
    for input in source.inputs where names.contains(ExactName(input.name)) {
      if let file = try source.file(of: input) { files.append(file) }
    }
    return files
  }

  private func digest(of name: String) throws(CheckpointError) -> Digest? {
    let isIt = { (input: Source.Input) in ExactName(input.name) == ExactName(name) }
    if let input = source.inputs.first(where: isIt) {
      return try source.digest(of: input, known)
    }
    guard let input = verified.inputs.first(where: { $0.isOfBase && isIt($0) }) else { return nil }
    return try (verified.base?.source ?? verified).digest(of: input, known)
  }

  /// Digests of inputs, where the certificate has them.
  private func digestFindings() throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    for record in inputs {
      guard let expected = record.digest, let found = try digest(of: record.name),
        found != expected
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

extension ClaimsCheck.Claim.Blocks {
  init(_ record: QuantizationRecord?) { self = record.map(Self.measured) ?? .unmeasured }
}

extension ClaimsCheck.Claim {
  init(_ record: Certificate.TensorRecord) {
    file = record.file
    digest = record.digest
    exactness = record.exactness
    largestErrorUlp = record.largestErrorUlp
    overflowCount = record.overflowCount
    blocks = Blocks(record.quantization)
  }

  /// What a certificate claims of a tensor that evaluating its expression doesn't confirm.
  ///
  /// - Parameter result: of the evaluation.
  /// - Returns: a finding for each wrong claim.
  func findings(_ result: ClaimsCheck.Result) -> [Finding] {
    let report = result.report
    var messages: [String] = []
    func compare<Value: Equatable>(_ claim: String, _ certified: Value, _ found: Value) {
      guard certified != found else { return }
      messages.append("the certificate's \(claim) isn't so, expected \(certified), found \(found)")
    }
    compare("digest", digest, result.digest)
    compare("exactness", exactness.rawValue, found(result).rawValue)
    compare("largest_error_ulp", largestErrorUlp, report.largestErrorUlp)
    compare("overflow_count", overflowCount, report.overflowCount)
    let errors = report.quantization.map { QuantizationRecord($0, result.valueShape) }
    if blocks != Blocks(errors) {
      messages.append("the certificate's errors of blocks aren't so")
    }
    return messages.map {
      Finding(.error, ClaimsCheck.check, $0, file: file, tensor: result.name)
    }
  }

  /// What the evaluation says of values; that none changed is right where the expression repacks codes, too.
  private func found(_ result: ClaimsCheck.Result) -> Certificate.Exactness {
    guard exactness == .repacked else { return result.report.isExact ? .exact : .rounded }
    return Certificate.Exactness(result.expression, isRounded: !result.report.isExact)
  }
}
