import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// Reads what a difference holds by itself, where its base isn't given: every chunk of a store, and the tensors that need no base; every compressed change of an update.
struct DifferenceContentsCheck {
  private let holder: Holder
  private let need: BaseNeed
  private let resources: EvaluationResources
  private let progress: WorkProgress

  private enum Holder {
    case store(StoreReader)
    case update(BareUpdate)
  }

  /// - Returns: nil for a checkpoint that can be read as it is.
  init?(_ source: Source, _ resources: EvaluationResources, _ progress: WorkProgress) {
    guard source.lacksBase, let need = source.difference else { return nil }
    if let store = source.store {
      holder = .store(store)
    } else if let update = source.reader as? BareUpdate {
      holder = .update(update)
    } else {
      return nil
    }
    self.need = need
    self.resources = resources
    self.progress = progress
  }

  /// Reads all that a share has, or all.
  ///
  /// - Parameter share: of several parts; nil for all.
  /// - Returns: what can't be read.
  /// - Throws: what keeps it from being read.
  func read(_ share: ReadingShare? = nil) throws(CheckpointError) -> [Finding] {
    let contents: any CheckpointReader =
      switch holder {
      case .store(let store): try StoredContents(store)
      case .update(let update): update
      }
    let tensors = contents.checkpoint.tensors
    let places = share?.own(tensors.map(\.byteCount)) ?? tensors.indices
    progress.begin("reading", tensors[places].reduce(0) { $0 + $1.byteCount })
    var findings: [Finding] = []
    if case .update(let update) = holder {
      for place in places {
        do throws(CheckpointError) {
          try update.check(place, resources.checkCancellation)
        } catch {
          if error.code.isTransient { throw error }
          findings.append(Finding("contents-unreadable", error))
        }
        progress.add(tensors[place].byteCount)
      }
      return findings
    }
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
    let (own, unchecked) = counts
    if unchecked > 0 {
      findings.append(
        Finding(
          .note, "base",
          "\(counted(unchecked, "tensor")) can be checked only together with the base, '\(need.hint)' (\(need.rootText)): name it by --base"
        ))
    }
    let rest = "\(counted(unchecked, own == 0 ? "tensor" : "other")) need the base"
    let detail =
      switch holder {
      case .store:
        "checksums of all chunks\(own == 0 ? "" : ", and \(counted(own, "tensor")) by digest"); \(rest)"
      case .update: "all changes can be decompressed; \(rest)"
      }
    report.record(.contents, findings, detail)
  }

  /// How many tensors are checked by themselves, and how many aren't.
  private var counts: (own: Int, unchecked: Int) {
    switch holder {
    case .store(let store):
      let unchecked = store.manifest.tensors.count { $0.base != nil }
      return (store.manifest.tensors.count - unchecked, unchecked)
    case .update(let update): return (0, update.checkpoint.tensors.count)
    }
  }
}
