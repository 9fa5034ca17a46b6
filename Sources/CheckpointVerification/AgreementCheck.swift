import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import Quantization
import Synchronization
import TensorEvaluation
import TensorModel

/// A checkpoint against another one: what the other gives in this one's names and dtypes must be what is stored, bit for bit.
struct AgreementCheck {
  private let source: Source
  private let other: Source
  private let importance: ImportanceMatrix?
  private let resources: EvaluationResources
  private let progress: WorkProgress

  init(
    _ source: Source, _ other: Source, _ importance: ImportanceMatrix?,
    _ resources: EvaluationResources, _ progress: WorkProgress
  ) {
    self.source = source
    self.other = other
    self.importance = importance
    self.resources = resources
    self.progress = progress
  }

  private func configurationFindings(
    _ expected: [UInt8]?
  ) throws(CheckpointError) -> [Finding] {
    try ConfigurationDifference.between(source, other, as: expected).map {
      Finding(.error, "against-configuration", $0.text, file: HuggingFaceConfiguration.fileName)
    }
  }

  /// The same weights compute something else if tokens see something else.
  private func attentionFindings() throws(CheckpointError) -> [Finding] {
    let ours = try source.model().attention
    let theirs = try other.model().attention
    guard ours != theirs else { return [] }
    return [
      Finding(
        .warning, "against-attention",
        "the attention is \(ours.rawValue), the other's is \(theirs.rawValue): the same weights compute something else"
      )
    ]
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - report: of the verification.
  ///   - certificate: what the checkpoint's own one claims is compared too; nil without one.
  /// - Throws: what reading the other throws.
  func run(
    _ report: inout VerificationReport, _ certificate: Certificate?
  ) throws(CheckpointError) {
    // What is wrong with the other keeps the check from running.
    _ = try other.model()
    let pairs: AgreementPairs
    do throws(CheckpointError) {
      pairs = try AgreementPairs(source, other, importance, resources)
    } catch {
      if error.code == .usage || error.code.isTransient { throw error }
      report.record(
        .against, [Finding("against-names", error)], "the tensors have no canonical names")
      return
    }
    var findings =
      try configurationFindings(pairs.configuration) + attentionFindings() + pairs.findings
    let tasks = zip(pairs.tasks, pairs.stored).map { task, stored in
      EvaluationTask(name: task.name, expression: task.expression, counterpart: stored)
    }
    // What is compared with takes as much memory.
    let resources = resources.halved
    let comparison = StreamingComparison(
      source.reader, pairs.stored, resources, progress.add)
    progress.begin("comparing", tasks.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(other.reader, resources).run(tasks, comparison)
    for (place, task) in tasks.enumerated() {
      if let failure = comparison.failure(of: place) {
        findings.append(Finding("against-unreadable", failure.in(tensor: task.name)))
        continue
      }
      guard let difference = comparison.difference(of: place) else { continue }
      let geometry = task.expression.geometry
      let unit = task.expression.type.dtype.isBlockQuantized ? "blocks" : "elements"
      findings.append(
        Finding(
          .error, "against-difference",
          "\(difference.cellCount) of \(geometry.rows * geometry.columns) \(unit) differ from the other's, the first at place \(difference.firstByte / geometry.cellByteCount)",
          tensor: task.name))
    }
    var detail =
      "\(counted(tasks.count, "tensor")) compared with \(Directories.split(other.path).name)"
    if let certificate {
      let places = Dictionary(
        tasks.enumerated().map { (ExactName($1.name), $0) }, uniquingKeysWith: { $1 })
      let claims = try ClaimsCheck(certificate, other, resources).run { name in
        guard let place = places[name], let result = comparison.result(of: place) else {
          return nil
        }
        return (pairs.descriptions[place], tasks[place].expression.valueShape, result)
      }
      findings += claims.findings
      detail += "; \(claims.detail)"
    }
    report.record(.against, findings, detail)
  }
}

/// Compares evaluated slabs with the same regions of another checkpoint's tensors.
private final class StreamingComparison: EvaluationConsumer {
  struct Difference {
    var firstByte: Int
    var cellCount: Int
  }

  private let evaluator: CounterpartEvaluator
  private let expressions: [CompiledExpression]
  private let differences = Mutex<[Int: Difference]>([:])
  private let failures = Mutex<[Int: CheckpointError]>([:])
  private let results: Mutex<[EvaluatedTensor?]>
  private let progress: @Sendable (Int) -> Void

  init(
    _ reader: any CheckpointReader, _ expressions: [CompiledExpression],
    _ resources: EvaluationResources, _ progress: @escaping @Sendable (Int) -> Void
  ) {
    evaluator = CounterpartEvaluator(reader, expressions, resources)
    self.expressions = expressions
    self.progress = progress
    results = Mutex(Array(repeating: nil, count: expressions.count))
  }

  /// Why this checkpoint's own tensor couldn't be read; nil if it could.
  func failure(of task: Int) -> CheckpointError? { failures.withLock { $0[task] } }

  func difference(of task: Int) -> Difference? { differences.withLock { $0[task] } }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    defer { progress(slab.bytes.count) }
    guard !slab.bytes.isEmpty, failure(of: slab.index) == nil else { return true }
    do throws(CheckpointError) { try compare(slab) } catch {
      if error.code.isTransient { throw error }
      failures.withLock { $0[slab.index] = error }
    }
    return true
  }

  private func compare(_ slab: EvaluatedSlab) throws(CheckpointError) {
    let cell = expressions[slab.index].geometry.cellByteCount
    try evaluator.withCounterpart(of: slab) { found in
      guard let base = found.baseAddress, let expected = slab.bytes.baseAddress,
        memcmp(base, expected, found.count) != 0
      else { return }
      var difference: Difference?
      for start in Swift.stride(from: 0, to: found.count, by: cell)
      where !found[start..<start + cell].elementsEqual(slab.bytes[start..<start + cell]) {
        difference = difference ?? Difference(firstByte: slab.byteOffset + start, cellCount: 0)
        difference?.cellCount += 1
      }
      guard let difference else { return }
      differences.withLock {
        let earlier = $0[slab.index]
        $0[slab.index] = Difference(
          firstByte: min(earlier?.firstByte ?? .max, difference.firstByte),
          cellCount: (earlier?.cellCount ?? 0) + difference.cellCount)
      }
    }
  }

  /// What came of a task.
  func result(of task: Int) -> EvaluatedTensor? { results.withLock { $0[task] } }

  func finish(_ tensor: EvaluatedTensor) { results.withLock { $0[tensor.index] = tensor } }
}
