public import CheckpointFormats
public import FileContainers
import ModelArchitectures
public import TensorEvaluation
public import TensorModel

/// Runs a plan: evaluates its tensors into the files of a destination, resumably, and certifies what it did.
public struct Converter: Sendable {
  private let plan: ConversionPlan
  private let source: Source
  private let destination: AtomicDestination
  private let options: Options
  private let certificateName: String

  /// How to run.
  public struct Options: Sendable {
    /// Memory and threads.
    public let resources: EvaluationResources
    /// Whether to take up the work of an interrupted run.
    public let resume: Bool
    /// Whether the certificate shall have digests of the inputs.
    public let hashesInputs: Bool
    /// Runs source and result side by side; nil if that isn't wanted.
    public let validator: (any ConversionValidator)?
    /// Called with findings as they come up.
    public let report: @Sendable (Finding) -> Void
    /// Called with the number of bytes of tensors written since the last call.
    public let progress: @Sendable (Int) -> Void

    /// Options.
    public init(
      resources: EvaluationResources, resume: Bool = false, hashesInputs: Bool = false,
      validator: (any ConversionValidator)? = nil,
      report: @escaping @Sendable (Finding) -> Void = { _ in },
      progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
      self.resources = resources
      self.resume = resume
      self.hashesInputs = hashesInputs
      self.validator = validator
      self.report = report
      self.progress = progress
    }
  }

  /// What came of it.
  public struct Outcome: Sendable {
    /// What was to be done.
    public let plan: ConversionPlan
    /// The certificate, as it was written.
    public let certificate: Certificate
    /// Tensors that were taken over from an interrupted run.
    public let resumedTensorCount: Int
    /// Where the base lies that the result is a difference to, as the user named it; nil for a complete one.
    public let base: String?
    /// What could not be removed after all was done; nil as a rule.
    public let leftover: String?
  }

  /// A run of a plan.
  ///
  /// - Parameters:
  ///   - plan: for this source.
  ///   - source: what is read.
  ///   - destination: whose partial directory exists and is locked.
  ///   - options: how.
  /// - Throws: `conflict` if other files' certificates are in the way.
  public init(
    _ plan: ConversionPlan, _ source: Source, _ destination: AtomicDestination, _ options: Options
  ) throws(CheckpointError) {
    certificateName = try Self.certificateName(for: destination)
    self.plan = plan
    self.source = source
    self.destination = destination
    self.options = options
  }

  /// The certificate's file name: fixed in a directory, after the file's name beside a single file.
  ///
  /// - Throws: `conflict` if other files' certificates are in the way.
  public static func certificateName(
    for destination: AtomicDestination
  ) throws(CheckpointError) -> String {
    guard destination.kind == .file else { return Certificate.fileName }
    let (folder, file) = Directories.split(destination.path)
    return try CertificatePlace.name(forNew: file, in: folder) {
      destination.partCount?($0) != nil
    }
  }

  /// Compares what the plan needs with what the disk has, before anything is written.
  ///
  /// - Throws: `noSpace`.
  public func checkSpace() throws(CheckpointError) {
    guard plan.knowsSizes else { return }
    let existing = plan.weightFiles.filter { fileExists("\(destination.partialPath)/\($0.name)") }
    let needed = plan.byteCount - existing.reduce(0) { $0 + $1.byteCount }
    let folder = Directories.split(destination.partialPath).parent
    guard let free = freeByteCount(at: folder), free < needed else { return }
    throw CheckpointError(
      .noSpace, "not enough space on the destination's disk", file: destination.path,
      expected: "\(needed) bytes free", found: "\(free)",
      hint: "free some space, or choose a destination on another disk")
  }

  /// Runs the plan to its end.
  ///
  /// - Throws: `overflow` if a value would become infinite and that isn't allowed;
  ///   `conflict` if there is nothing that can be resumed; whatever reading and writing throw. The destination is then absent.
  public func run() throws(CheckpointError) -> Outcome {
    let planDigest = try PlanDocument.digest(plan, source)
    let names =
      plan.weightFiles.map(\.name) + plan.sidecars.map(\.name) + plan.companions
      + [certificateName]
    try destination.recover(Directories.topLevel(names), companion: companion)
    let journalPath = "\(destination.partialPath)/\(Journal.fileName)"
    let (journal, claims): (Journal, Journal.Claims)
    if options.resume, Directories.hasContents(journalPath) {
      (journal, claims) = try Journal.resume(
        at: journalPath, plan: planDigest, files: names, inputs: source.inputs)
      if let input = claims.replacedInput { options.report(Journal.replacement(of: input)) }
    } else {
      claims = Journal.Claims(groups: options.resume ? try finishedClaims(planDigest) : [])
      journal = try Journal.create(
        at: journalPath, plan: planDigest, files: names, inputs: source.inputs)
      for claim in claims.groups { try journal.record(claim) }
    }
    do throws(CheckpointError) { return try run(planDigest, journal, claims) } catch {
      // Whatever ended it: what was made of an input that has changed doesn't count.
      do throws(CheckpointError) { try source.confirm() } catch { try journal.recordChange() }
      throw error
    }
  }

  private func run(
    _ planDigest: Digest, _ journal: Journal, _ claims: Journal.Claims
  ) throws(CheckpointError) -> Outcome {
    let findings = plan.findings + (try contentFindings())
    let run = ConversionRun(
      plan: plan, source: source, folder: destination.partialPath, resources: options.resources,
      journal: journal, results: GroupResults(count: plan.groups.count),
      census: plan.census(of: source),
      progress: options.progress)
    var writer: any WeightWriter =
      switch plan.format {
      case StoreFormat.name: StoreWriter(run)
      case WeightDeltaFormat.name: try WeightDeltaWriter(run)
      default: FixedLayoutWriter(run)
      }
    // What planning took isn't what writing takes.
    PageArena.shared.releaseIdle()
    PageArena.trimHeap()
    let resumedTensorCount = try writer.begin(claims)
    try writer.write()
    let files = try writer.finish()
    PageArena.shared.releaseIdle()
    for sidecar in plan.sidecars {
      try sidecar.write(to: try emptyPlace(sidecar.name), options.resources)
    }
    var certificate = try certificate(planDigest, findings, files, run.results)
    certificate.validation = try validation(writer)
    try source.confirm()
    let leftover = try publish(certificate, files.map(\.name), writer)
    return Outcome(
      plan: plan, certificate: certificate, resumedTensorCount: resumedTensorCount,
      base: source.target?.source.path, leftover: leftover)
  }

  /// The certificate beside a single file, which gives way as the file does.
  private var companion: String? { destination.kind == .file ? certificateName : nil }

  /// What source and result compute, if that is to be compared.
  ///
  /// - Throws: what the forward pass throws.
  private func validation(
    _ writer: any WeightWriter
  ) throws(CheckpointError) -> Certificate.Validation? {
    guard let validator = options.validator else { return nil }
    let written = try writer.written()
    let result = try plan.result(written)
    return try validator.validate(source, readBy: source.reader, [result])[0]
  }

  private func contentFindings() throws(CheckpointError) -> [Finding] {
    let findings = try source.reader.contentFindings()
    for finding in findings { options.report(finding) }
    return findings
  }

  /// A run that was interrupted between dropping its journal and the rename has left a certificate, whose digests are as good as claims.
  ///
  /// - Throws: `conflict` if it is that of another plan.
  private func finishedClaims(_ planDigest: Digest) throws(CheckpointError) -> [Journal.Claim] {
    let name = certificateName
    let path = "\(destination.partialPath)/\(name)"
    guard fileExists(path) else { return [] }
    guard
      let certificate = try ifUsable({ () throws(CheckpointError) in
        try Certificate(at: path, file: name)
      })
    else { return [] }
    guard certificate.plan == planDigest, certificate.tensors.count == plan.tensors.count else {
      throw Journal.otherPlan(path, expected: planDigest, found: certificate.plan)
    }
    return plan.groups.indices.map { group in
      let parts = certificate.tensors[plan.places(of: group)]
      let first = parts[parts.startIndex]
      // Only whether and how far values were rounded is in the certificate, not how many.
      return Journal.Claim(
        group: group, digests: parts.map(\.digest), rounded: first.exactness == .rounded ? 1 : 0,
        ulp: first.largestErrorUlp, overflows: first.overflowCount,
        quantization: first.quantization)
    }
  }

  // MARK: Certificate

  private func inputRecords(_ digests: [String: Digest]) -> [Certificate.InputRecord] {
    source.inputs.map {
      Certificate.InputRecord(name: $0.name, byteCount: $0.byteCount, digest: digests[$0.name])
    }
  }

  private func certificate(
    _ planDigest: Digest, _ findings: [Finding], _ files: [Certificate.FileRecord],
    _ results: GroupResults
  ) throws(CheckpointError) -> Certificate {
    var digests: [String: Digest] = [:]
    if options.hashesInputs {
      for input in source.inputs {
        digests[input.name] = try source.digest(of: input)
        try options.resources.checkCancellation()
      }
    }
    let records = try ResultRecords(plan) { results[$0] }
    for finding in records.findings { options.report(finding) }
    return Certificate(
      tool: .current, plan: planDigest,
      source: Certificate.SourceRecord(
        format: plan.source.format, layout: plan.source.layout,
        architecture: plan.source.architecture),
      format: plan.format, settings: SettingsRecord(plan.settings), attention: plan.attention,
      base: plan.base.map(Certificate.Base.init),
      inputs: inputRecords(digests),
      tensors: records.tensors, files: files,
      assets: plan.assetRecords, leftOut: plan.leftOut,
      findings: findings + records.findings, root: records.root)
  }

  private func publish(
    _ certificate: Certificate, _ weights: [String], _ writer: any WeightWriter
  ) throws(CheckpointError) -> String? {
    let record = try write(certificate)
    let closing = try writer.closingFiles(certificate, record)
    for file in closing { try replace(file.name, with: file.contents) }
    let names = Self.publicationOrder(
      destination.kind, weights: weights, sidecars: plan.sidecars.map(\.name),
      companions: plan.companions, certificate: certificateName)
    try Directories.synchroniseParents(of: names, in: destination.partialPath)
    return try destination.publish(
      Directories.topLevel(names), companion: companion, discarding: Journal.discardedLine)
  }

  /// The names of a result's files in the order in which they may appear.
  static func publicationOrder(
    _ kind: AtomicDestination.Kind, weights: [String], sidecars: [String], companions: [String],
    certificate: String
  ) -> [String] {
    // A directory is complete when its last file is there; a single file is complete by itself, so it comes last, and of its parts the first.
    (kind == .file
      ? [certificate] + weights.reversed()
      : weights + sidecars + [certificate])
      + companions
  }

  /// Writes the certificate.
  ///
  /// - Returns: what was written.
  private func write(
    _ certificate: Certificate
  ) throws(CheckpointError) -> StoreManifest.FileRecord {
    try certificate.write(to: try emptyPlace(certificateName), as: certificateName)
  }

  private func replace(_ name: String, with contents: [UInt8]) throws(CheckpointError) {
    try OutputFile.create(try emptyPlace(name), contents: contents)
  }

  /// Where a file of the destination is written, with nothing there.
  private func emptyPlace(_ name: String) throws(CheckpointError) -> String {
    let path = "\(destination.partialPath)/\(name)"
    try Directories.removeTree(path)
    try Directories.createParents(of: name, in: destination.partialPath)
    return path
  }
}
