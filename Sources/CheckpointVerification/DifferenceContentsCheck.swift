import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// Reads what a store of differences holds by itself, where its base isn't given: every chunk, and the tensors that need no base.
struct DifferenceContentsCheck {
  private let store: StoreReader
  private let base: StoreManifest.Base
  private let resources: EvaluationResources
  private let progress: WorkProgress

  /// - Returns: nil for a checkpoint that can be read as it is.
  init?(_ source: Source, _ resources: EvaluationResources, _ progress: WorkProgress) {
    guard source.lacksBase, let store = source.store, let base = store.manifest.base else {
      return nil
    }
    self.store = store
    self.base = base
    self.resources = resources
    self.progress = progress
  }

  /// Reads all that a share has, or all.
  ///
  /// - Parameter share: of several parts; nil for all.
  /// - Returns: what can't be read.
  /// - Throws: what keeps it from being read.
  func read(_ share: ReadingShare? = nil) throws(CheckpointError) -> [Finding] {
    let contents = try StoredContents(store)
    let tensors = contents.checkpoint.tensors
    let places = share?.own(tensors.map(\.byteCount)) ?? tensors.indices
    var findings: [Finding] = []
    progress.begin("reading", tensors[places].reduce(0) { $0 + $1.byteCount })
    for run in EvaluationTask.runs(of: places.count) {
      let run = places.lowerBound + run.lowerBound..<places.lowerBound + run.upperBound
      let collector = DigestCollector(goesOnAfterErrors: true, progress: progress.add)
      try EvaluationPipeline(contents, resources).run(
        EvaluationTask.stored(in: contents.checkpoint, run), collector)
      findings += collector.errors.map { Finding("contents-unreadable", $0) }
    }
    return findings
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - errors: what can't be read.
  ///   - report: takes it.
  func conclude(_ errors: [Finding], _ report: inout VerificationReport) {
    var findings = errors
    let unchecked = store.manifest.tensors.count { $0.base != nil }
    let own = store.manifest.tensors.count - unchecked
    if unchecked > 0 {
      findings.append(
        Finding(
          .note, "base",
          "\(counted(unchecked, "tensor")) can be checked only together with the base, '\(base.hint)' (root \(base.root)): name it by --base"
        ))
    }
    report.record(
      .contents, findings,
      "checksums of all chunks, and \(counted(own, "tensor")) by digest; \(counted(unchecked, "other")) without the base"
    )
  }
}
