import CheckpointConversion
public import CheckpointFormats
import FileContainers
public import Quantization
import TensorEvaluation
public import TensorModel

/// A checkpoint against what its certificate's conversion gives when it is made again from the source: every tensor, and all that the certificate says.
struct DerivationCheck {
  private let written: Source
  private let certificate: Certificate
  private let replay: ReplaySource
  private let resources: EvaluationResources
  private let progress: WorkProgress
  private let known: RecordedFileDigests

  /// What making some of the tensors again came to.
  struct Reading: Codable {
    let results: Replay.GroupResults
    /// Of the source's tensors, where what was signed of the derivation needs them.
    let sourceIdentities: [TensorIdentity]?
  }

  /// - Parameters:
  ///   - written: the checkpoint that is verified.
  ///   - certificate: its own.
  ///   - replay: where the source is.
  ///   - resources: memory and threads.
  ///   - known: digests of files that needn't be read.
  ///   - progress: told of each step, and of bytes as they are read or made.
  init(
    _ written: Source, _ certificate: Certificate, _ replay: ReplaySource,
    _ resources: EvaluationResources, _ known: RecordedFileDigests, _ progress: WorkProgress
  ) {
    self.known = known
    self.written = written
    self.certificate = certificate
    self.replay = replay
    self.resources = resources
    self.progress = progress
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - report: of the verification.
  ///   - stored: the checkpoint's tensors as they are.
  ///   - signed: what was signed of the derivation; nil if nothing was.
  ///   - parts: what parts have made again of all tensors; nil where nobody has.
  /// - Returns: what a derivation's signature says, where all agrees and `replay` wants it.
  /// - Throws: what keeps the source from being read.
  func run(
    _ report: inout VerificationReport, _ stored: [TensorIdentity], _ signed: Derivation?,
    _ parts: [Reading]? = nil
  ) throws(CheckpointError) -> Derivation? {
    guard certificate.settings != nil else {
      report.skip(.derivation, .unsupported, Replay.withoutSettings.summary)
      return nil
    }
    let replayed: Replay
    switch try planned() {
    case .success(let replay): replayed = replay
    case .failure(let error):
      // The options that it may name are those of the conversion, as the certificate has them.
      let isOther = error.check == "replay-source"
      let finding = Finding(
        .error, isOther ? "replay-source" : "replay-plan",
        isOther
          ? error.summary
          : "the certificate states a conversion that this source has not: \(error.summary)")
      report.record(
        .derivation, [finding], "the conversion can't be planned again from \(replay.name)")
      return nil
    }
    try replay.openOptions.bases?.requireUsed()
    let comparison = ReplayComparison(certificate, replayed, known)
    let others = try comparison.sourceFindings() + [comparison.otherTensors()].compactMap { $0 }
    guard others.isEmpty else {
      report.record(
        .derivation, others,
        "\(replay.name) isn't what the certificate says was converted: nothing is made again")
      return nil
    }
    if let other = comparison.otherImportance() {
      report.record(.derivation, [other], "nothing is made again")
      return nil
    }
    var findings = comparison.planFindings() + comparison.baseFindings(written)
    // What was left out changes no tensor; signed is only what agrees.
    findings += comparison.leftOutFindings(replay.wantsDerivation ? .error : .warning)
    var root: Digest?
    if signed != nil || replay.wantsDerivation {
      let recorded = parts?.compactMap(\.sourceIdentities)
      root =
        recorded?.count == parts?.count
        ? recorded.map { rootDigest(of: $0.flatMap { $0 }) } : nil
      if root == nil { root = try replayed.sourceRoot(progress) }
      if let signed { findings += Self.differences(signed, replayed, root) }
    }
    let made: [Replay.GroupResults]
    if let parts {
      made = parts.map(\.results)
    } else {
      made = [try replayed.results(of: replayed.groups, progress)]
    }
    let results = try replayed.results(of: made)
    findings += comparison.resultFindings(results, stored)
    findings += try WrittenFiles(written, certificate, replayed.plan).findings()
    try replayed.source.confirm()
    report.record(
      .derivation, findings,
      "\(counted(results.tensors.count, "tensor")) made again from \(replay.name) by the certificate's plan"
        + (certificate.validation == nil ? "" : "; its validation isn't made again")
    )
    let agrees = !findings.contains { $0.severity == .error }
    guard agrees, replay.wantsDerivation, let root else { return nil }
    return Derivation(
      certificate: certificate,
      source: .init(format: replayed.source.checkpoint.format, root: root),
      root: rootDigest(of: stored), plan: replayed.planDigest)
  }

  private func planned() throws(CheckpointError) -> Result<Replay, CheckpointError> {
    try Replay.plan(
      of: certificate, from: replay.path, replay.openOptions, base: written.base,
      statistics: replay.statistics, resources)
  }

  /// Makes a share of the tensors again.
  ///
  /// - Parameters:
  ///   - share: of several parts.
  ///   - isSigned: whether a derivation was signed, which names its source by all of its tensors.
  /// - Returns: what came of them, and the source's files that are read for their digests; nil where nothing can be made again, which the merge says.
  /// - Throws: what keeps the source from being read.
  func read(
    _ share: ReadingShare, isSigned: Bool
  ) throws(CheckpointError) -> (reading: Reading, files: [InputFile])? {
    guard certificate.settings != nil, case .success(let replayed) = try planned(),
      ReplayComparison(certificate, replayed, known).otherTensors() == nil
    else { return nil }
    let identities =
      isSigned
      ? try replayed.sourceIdentities(
        share.own(replayed.source.reader.checkpoint.tensors.map(\.byteCount)), progress) : nil
    let results = try replayed.results(of: share.own(replayed.byteCounts), progress)
    try replayed.source.confirm()
    return (
      Reading(results: results, sourceIdentities: identities),
      try ClaimsCheck.readFiles(certificate, replayed.source)
    )
  }

  /// A signed derivation names its source by its tensors: rounding can hide that it is another.
  private static func differences(
    _ signed: Derivation, _ replayed: Replay, _ root: Digest?
  ) -> [Finding] {
    let format = replayed.source.checkpoint.format
    guard signed.source.format != format || signed.source.root != root else { return [] }
    return [
      Finding(
        .error, "replay-source",
        "the signed derivation is from another source, expected \(signed.source.format) with root \(signed.source.root), found \(format) with root \(root.map { "\($0)" } ?? "unknown")"
      )
    ]
  }
}

/// Where the source of a checkpoint is, from which it is to be made again.
public struct ReplaySource: Sendable {
  let path: String
  let openOptions: OpenOptions
  let statistics: InputStatistics
  /// Whether the outcome is to be signed.
  let wantsDerivation: Bool

  /// A source.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - openOptions: how to open it.
  ///   - statistics: what weights were quantized with, if there was something.
  ///   - wantsDerivation: whether the outcome is to be signed.
  /// - Throws: `missing` where there is nothing; also where it isn't opened, as no certificate is there.
  public init(
    _ path: String, _ openOptions: OpenOptions, statistics: InputStatistics = InputStatistics(),
    wantsDerivation: Bool = false
  ) throws(CheckpointError) {
    for place in [path, openOptions.assetsDirectory].compactMap({ $0 })
    where FileKind(of: place) == nil && place != "-" { throw PathObstacle.error(place) }
    self.path = path
    self.openOptions = openOptions
    self.statistics = statistics
    self.wantsDerivation = wantsDerivation
  }

  /// Its last component, for messages.
  var name: String { Directories.split(path).name }
}
