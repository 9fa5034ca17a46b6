import CheckpointConversion
public import CheckpointFormats
import FileContainers
public import ModelSigning
public import Quantization
public import TensorEvaluation
public import TensorModel

/// Checks a checkpoint without stopping at the first thing that is wrong.
public struct Verifier: Sendable {
  let path: String
  private(set) var openOptions: OpenOptions
  let resources: EvaluationResources
  private let catalogues: CatalogueProcess?
  let signature: SignatureCheck?
  let replay: ReplaySource?
  let progress: WorkProgress
  /// What parts have read, where that isn't read again.
  var parts: [VerificationReading]? {
    didSet {
      for part in parts ?? [] { known.add(part.files) }
    }
  }
  /// Digests of files that needn't be read.
  private var known = RecordedFileDigests()

  /// A verifier.
  ///
  /// - Parameters:
  ///   - path: the checkpoint's.
  ///   - openOptions: how to open it.
  ///   - resources: memory and threads.
  ///   - catalogues: lists what libhdf5 sees in a store's volumes; without it that isn't compared.
  ///   - signature: whose signature there must be; nil checks none.
  ///   - replay: the source that the checkpoint is made of again; nil doesn't.
  ///   - progress: told of each step, and of bytes as they are read.
  public init(
    _ path: String, _ openOptions: OpenOptions, _ resources: EvaluationResources,
    catalogues: CatalogueProcess? = nil, signature: SignatureCheck? = nil,
    replay: ReplaySource? = nil,
    progress: WorkProgress = .none
  ) {
    self.path = path
    self.openOptions = openOptions
    // Checksums and digests of files can be checked without it.
    self.openOptions.opensWithoutBase = true
    self.openOptions.tellsEachTensor = true
    self.resources = resources
    self.catalogues = catalogues
    self.signature = signature
    self.replay = replay
    self.progress = progress
  }

  /// Runs the checks.
  ///
  /// - Parameters:
  ///   - other: another checkpoint to compare every tensor with.
  ///   - statistics: what the checkpoint was quantized with, if there was something.
  ///   - manifest: of an earlier state, and what it is called.
  ///   - selection: which checks run, and which must.
  /// - Returns: checks and findings.
  /// - Throws: only what keeps the checks from running: `missing` if there is no such path, `inputOutput`, `noSpace`, `interrupted`, and anything that is wrong with
  ///   `other`. What is wrong with the checkpoint is in the report.
  public func run(
    against other: Source?, statistics: InputStatistics = InputStatistics(),
    since manifest: (manifest: CheckpointManifest, name: String)? = nil,
    _ selection: CheckSelection = CheckSelection()
  ) throws(CheckpointError) -> VerificationReport {
    var report = VerificationReport(path: path)
    guard FileKind(of: path) != nil || path == "-" else {
      throw PathObstacle.error(path)
    }
    guard needsTensors(selection) else {
      for name in VerificationReport.Name.allCases where name != .store && name != .signature {
        report.skip(name, .notAsked, Self.notAsked)
      }
      _ = try checkSignature(path, selection, &report)
      selection.conclude(&report)
      return report
    }
    try openOptions.bases?.open(openOptions)
    let opened: OpenedCheckpoint
    do throws(CheckpointError) { opened = try OpenedCheckpoint(path, openOptions) } catch {
      if error.code.isTransient || error.code == .usage { throw error }
      let place = try ifUsable { () throws(CheckpointError) in try NamedPath(path).place } ?? path
      let findings = try StructureCheck(place).findings(after: error)
      report.record(.structure, findings, "the checkpoint can't be opened")
      let others = VerificationReport.Name.allCases.filter {
        ![.structure, .store, .signature].contains($0)
      }
      for name in others {
        report.skip(
          name, selection.runs(name) ? .blocked : .notAsked, "needs a checkpoint that opens")
      }
      _ = try checkSignature(place, selection, &report)
      selection.conclude(&report)
      return report
    }
    report.format = opened.source.checkpoint.format
    try check(opened, other, statistics, manifest, selection, &report)
    selection.conclude(&report)
    return report
  }

  private func check(
    _ opened: OpenedCheckpoint, _ other: Source?, _ statistics: InputStatistics,
    _ manifest: (manifest: CheckpointManifest, name: String)?, _ selection: CheckSelection,
    _ report: inout VerificationReport
  ) throws(CheckpointError) {
    let source = opened.source
    let hasWrongBase = !opened.baseFindings.isEmpty
    if !hasWrongBase {
      // What is compared with another checkpoint must be readable.
      if other != nil || replay != nil { try source.requireBase() }
      // The source that all is made again of may need another base.
      if replay == nil { try openOptions.bases?.requireUsed() }
    }
    /// Whether a check is to run; says otherwise why not.
    func runs(_ name: VerificationReport.Name, _ report: inout VerificationReport) -> Bool {
      guard selection.runs(name) else {
        report.skip(name, .notAsked, Self.notAsked)
        return false
      }
      if selection.stopsAtFailure, report.hasFindings(selection.failureLevel) {
        report.skip(name, .blocked, "an earlier check failed (--fail-fast)")
        return false
      }
      if hasWrongBase, name == .derivation && replay != nil || name == .against && other != nil {
        report.skip(name, .blocked, "needs the base, and another one was given")
        return false
      }
      return true
    }
    if runs(.structure, &report) {
      let files = source.checkpoint.files.count
      report.record(
        .structure,
        StructureCheck.findings(of: source.checkpoint, selection),
        "\(counted(source.checkpoint.tensors.count, "tensor")) in \(counted(files, "file")), every byte accounted for"
      )
    }
    if let store = source.store, runs(.store, &report) {
      try StoreCheck(store, source.place, catalogues).run(&report)
    }
    if runs(.configuration, &report) { try ConfigurationCheck(source).run(&report) }
    var contents = try checkContents(opened, selection, &report, runs)
    if runs(.cache, &report) { try CacheCheck(source, path, known).run(&report) }
    var certificate = try checkCertificate(source, contents?.identities, &report, runs)
    if runs(.digests, &report) {
      try DigestsCheck(source, known, progress).run(
        &report, source.reader is BareUpdate ? nil : contents?.identities)
    }
    let signed = try checkSignature(
      source.place, selection, &report, certificate, contents?.identities)
    if runs(.derivation, &report) {
      try checkDerivation(source, certificate, signed, contents, &report)
    }
    if let manifest {
      if !selection.runs(.contents), selection.runs(.against) {
        report.skip(.against, .notAsked, "needs the check 'contents': add contents to --checks")
      } else if runs(.against, &report) {
        ManifestChanges(manifest.manifest, manifest.name)
          .run(&report, source, contents?.identities)
      }
    } else if let other {
      if runs(.against, &report) {
        // What was found out of each tensor makes room: nothing else needs it, or it can be read again.
        contents = nil
        try AgreementCheck(source, other, statistics, resources, known, progress).run(
          &report, certificate.take(), VerificationReading.all(\.agreement, of: parts))
      }
      try other.confirm()
    } else {
      report.skip(.against, .notAsked, "compares with another checkpoint: --against OTHER")
    }
    try source.confirm()
  }

  private static let notAsked = "not asked for (--checks, --skip)"

  /// Whether anything is checked that needs an open checkpoint: signatures are of files alone.
  private func needsTensors(_ selection: CheckSelection) -> Bool {
    VerificationReport.Name.allCases.contains { $0 != .signature && selection.runs($0) }
  }

  /// Checks the signature.
  ///
  /// - Returns: the derivation that was signed, if it was one and its signer is trusted.
  private func checkSignature(
    _ place: String, _ selection: CheckSelection, _ report: inout VerificationReport,
    _ certificate: CertificateText? = nil, _ contents: [TensorIdentity]? = nil
  ) throws(CheckpointError) -> Derivation? {
    guard selection.runs(.signature) else {
      report.skip(.signature, .notAsked, Self.notAsked)
      return nil
    }
    guard let signature else {
      let name = ModelSigner.signatureName
      fileExists("\(place)/\(name)")
        ? report.skip(
          .signature, .notAsked,
          "\(name) is there: --public-key or --certificate-roots says whose it must be")
        : report.skip(.signature, .absent, "there is no \(name)")
      return nil
    }
    let outcome = try signature.run(
      known: known, expecting: { progress.begin("hashing for the signature", $0) }
    ) {
      (byteCount) throws(CheckpointError) in
      try resources.checkCancellation()
      progress.add(byteCount)
    }
    let signed = try SignedDerivation(outcome.statement, certificate, contents)
    report.record(
      .signature, outcome.findings + (signed?.findings ?? []),
      outcome.detail + (signed == nil ? "" : SignedDerivation.remark))
    return signed?.derivation
  }

  /// The checkpoint's own certificate, checked, or only read where something else needs it.
  private func checkCertificate(
    _ source: Source, _ contents: [TensorIdentity]?, _ report: inout VerificationReport,
    _ runs: (VerificationReport.Name, inout VerificationReport) -> Bool
  ) throws(CheckpointError) -> CertificateText? {
    let check = CertificateCheck(source, source.place, isReplayed: replay != nil)
    if runs(.certificate, &report) { return try check.run(&report, contents) }
    guard replay != nil else { return nil }
    var inner = VerificationReport(path: path)
    return try check.run(&inner, contents)
  }

  private func checkDerivation(
    _ source: Source, _ text: CertificateText?, _ signed: Derivation?,
    _ contents: ContentsCheck.Contents?, _ report: inout VerificationReport
  ) throws(CheckpointError) {
    guard let replay else {
      return report.skip(
        .derivation, .notAsked, "makes the checkpoint again from its source: --replay SOURCE")
    }
    var certificate = signed?.certificate
    if let text { certificate = try Certificate(text) }
    let place = try CertificatePlace(of: source.place, files: source.checkpoint.files.map(\.name))
    if FileKind(of: source.place) == .directory, place.name != Certificate.fileName, signed == nil {
      return report.skip(
        .derivation, .absent,
        "\(place.name) is the certificate of the file beside it alone: verify that file with --replay"
      )
    }
    guard let certificate else {
      guard case .ofOthers(let other) = place.state, let named = other.files.first else {
        return report.skip(
          .derivation, .absent, "no certificate says how the checkpoint was made")
      }
      return report.skip(
        .derivation, .absent,
        "\(place.name) is the certificate of '\(named.name)': give the checkpoint that name again"
      )
    }
    guard let contents else {
      return report.skip(.derivation, .blocked, "needs tensors that can be read")
    }
    let check = DerivationCheck(source, certificate, replay, resources, known, progress)
    report.derivation = try check.run(
      &report, contents.identities, signed, VerificationReading.all(\.derivation, of: parts))
  }

  /// Reads all tensors once, for whatever needs their bytes.
  private func checkContents(
    _ opened: OpenedCheckpoint, _ selection: CheckSelection, _ report: inout VerificationReport,
    _ runs: (VerificationReport.Name, inout VerificationReport) -> Bool
  ) throws(CheckpointError) -> ContentsCheck.Contents? {
    let source = opened.source
    let isAsked = runs(.contents, &report)
    let isBlocked = !isAsked && selection.runs(.contents)
    var contents: ContentsCheck.Contents?
    let wantsValues = selection.runs(.values)
    if !isBlocked, isAsked || wantsValues || selection.runs(.certificate) || replay != nil {
      // Without being asked for it only gives the others what they need.
      var inner = VerificationReport(path: path)
      let check = ContentsCheck(
        source, resources, countsValues: wantsValues, progress,
        baseFindings: opened.baseFindings)
      if let parts {
        contents = try check.conclude(VerificationReading.contents(of: parts), &inner)
      } else {
        contents = try check.run(&inner)
      }
      if isAsked { report.take(inner) }
    }
    if runs(.values, &report) {
      if let contents {
        ValuesCheck(source, contents).run(&report)
      } else {
        report.skip(.values, .blocked, "needs tensors that can be read")
      }
    }
    return contents
  }
}
