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

  /// Records the check.
  ///
  /// - Throws: what keeps it from running.
  func run(_ report: inout VerificationReport) throws(CheckpointError) {
    let contents = try StoredContents(store)
    let count = contents.checkpoint.tensors.count
    var findings: [Finding] = []
    progress.begin("reading", contents.checkpoint.byteCount)
    for run in EvaluationTask.runs(of: count) {
      let collector = DigestCollector(goesOnAfterErrors: true, progress: progress.add)
      try EvaluationPipeline(contents, resources).run(
        EvaluationTask.stored(in: contents.checkpoint, run), collector)
      findings += collector.errors.map { Finding("contents-unreadable", $0) }
    }
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
