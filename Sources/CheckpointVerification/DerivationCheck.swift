import CheckpointConversion
public import CheckpointFormats
import FileContainers
public import Quantization
import TensorEvaluation
import TensorModel

/// A checkpoint against what its certificate's conversion gives when it is made again from the source: every tensor, and all that the certificate says.
struct DerivationCheck {
  private let written: Source
  private let certificate: Certificate
  private let replay: ReplaySource
  private let resources: EvaluationResources
  private let progress: WorkProgress

  /// - Parameters:
  ///   - written: the checkpoint that is verified.
  ///   - certificate: its own.
  ///   - replay: where the source is.
  ///   - resources: memory and threads.
  ///   - progress: told of each step, and of bytes as they are read or made.
  init(
    _ written: Source, _ certificate: Certificate, _ replay: ReplaySource,
    _ resources: EvaluationResources, _ progress: WorkProgress
  ) {
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
  /// - Returns: what a derivation's signature says, where all agrees and `replay` wants it.
  /// - Throws: what keeps the source from being read.
  func run(
    _ report: inout VerificationReport, _ stored: [TensorIdentity], _ signed: Derivation?
  ) throws(CheckpointError) -> Derivation? {
    guard certificate.settings != nil else {
      report.skip(.derivation, .unsupported, Replay.withoutSettings.summary)
      return nil
    }
    let replayed: Replay
    switch try Replay.plan(
      of: certificate, from: replay.path, replay.openOptions, base: written.base,
      importance: replay.importance, resources)
    {
    case .success(let made): replayed = made
    case .failure(let error):
      // The options that it may name are those of the conversion, as the certificate has them.
      let finding = Finding(
        .error, "replay-plan",
        "the certificate states a conversion that this source has not: \(error.summary)")
      report.record(
        .derivation, [finding], "the conversion can't be planned again from \(replay.name)")
      return nil
    }
    try replay.openOptions.bases?.requireUsed()
    let comparison = ReplayComparison(certificate, replayed)
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
    var findings = comparison.planFindings()
    var root: Digest?
    if signed != nil || replay.wantsDerivation {
      root = try replayed.sourceRoot(progress)
      if let signed { findings += Self.differences(signed, replayed, root) }
    }
    let results = try replayed.results(progress)
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
  let importance: ImportanceMatrix?
  /// Whether the outcome is to be signed.
  let wantsDerivation: Bool

  /// A source.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - openOptions: how to open it.
  ///   - importance: the matrix that weights were quantized with, if there was one.
  ///   - wantsDerivation: whether the outcome is to be signed.
  public init(
    _ path: String, _ openOptions: OpenOptions, importance: ImportanceMatrix? = nil,
    wantsDerivation: Bool = false
  ) {
    self.path = path
    self.openOptions = openOptions
    self.importance = importance
    self.wantsDerivation = wantsDerivation
  }

  /// Its last component, for messages.
  var name: String { Directories.split(path).name }
}
