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
    // What is compared with takes as much memory.
    let resources = resources.halved
    let comparison = StreamingComparison(source.reader, pairs.parts, resources, progress.add)
    progress.begin("comparing", pairs.tasks.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(other.reader, resources).run(pairs.tasks, comparison)
    let parts = pairs.parts.joined()
    for (place, part) in parts.enumerated() {
      if let failure = comparison.failure(of: place) {
        findings.append(Finding("against-unreadable", failure.in(tensor: part.name)))
        continue
      }
      guard let difference = comparison.difference(of: place) else { continue }
      let geometry = part.stored.geometry
      let unit = part.stored.type.dtype.isBlockQuantized ? "blocks" : "elements"
      findings.append(
        Finding(
          .error, "against-difference",
          "\(difference.cellCount) of \(geometry.rows * geometry.columns) \(unit) differ from the other's, the first at place \(difference.firstByte / geometry.cellByteCount)",
          tensor: part.name))
    }
    var detail =
      "\(counted(parts.count, "tensor")) compared with \(Directories.split(other.path).name)"
    if let certificate {
      let results = comparison.results(pairs)
      let claims = try ClaimsCheck(certificate, other, resources).run { results[$0] }
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
  /// Where each task's tensors begin among all.
  private let firstPlaces: [Int]
  private let geometries: [MatrixGeometry]
  private let differences = Mutex<[Int: Difference]>([:])
  private let failures = Mutex<[Int: CheckpointError]>([:])
  private let finished: Mutex<[EvaluatedTensor?]>
  private let progress: @Sendable (Int) -> Void

  init(
    _ reader: any CheckpointReader, _ parts: [[AgreementPairs.Part]],
    _ resources: EvaluationResources, _ progress: @escaping @Sendable (Int) -> Void
  ) {
    let stored = parts.joined().map(\.stored)
    evaluator = CounterpartEvaluator(reader, stored, resources)
    geometries = stored.map(\.geometry)
    var places: [Int] = []
    var place = 0
    for tensors in parts {
      places.append(place)
      place += tensors.count
    }
    firstPlaces = places
    self.progress = progress
    finished = Mutex(Array(repeating: nil, count: parts.count))
  }

  /// Why this checkpoint's own tensor couldn't be read; nil if it could.
  func failure(of place: Int) -> CheckpointError? { failures.withLock { $0[place] } }

  func difference(of place: Int) -> Difference? { differences.withLock { $0[place] } }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    defer { progress(slab.bytes.count) }
    for (number, part) in slab.parts.enumerated() where !part.bytes.isEmpty {
      let place = firstPlaces[slab.index] + number
      guard failure(of: place) == nil else { continue }
      do throws(CheckpointError) {
        // Of several tensors there are whole rows.
        let region = slab.parts.count == 1 ? slab.region : geometries[place].rows(of: part)
        try evaluator.withCounterpart(region, at: place, byteCount: part.bytes.count) {
          compare($0, part, place)
        }
      } catch {
        if error.code.isTransient { throw error }
        failures.withLock { $0[place] = error }
      }
    }
    return true
  }

  private func compare(_ found: UnsafeRawBufferPointer, _ part: SlabPart, _ place: Int) {
    guard let base = found.baseAddress, let expected = part.bytes.baseAddress,
      memcmp(base, expected, found.count) != 0
    else { return }
    let cell = geometries[place].cellByteCount
    var difference: Difference?
    for start in Swift.stride(from: 0, to: found.count, by: cell)
    where !found[start..<start + cell].elementsEqual(part.bytes[start..<start + cell]) {
      difference = difference ?? Difference(firstByte: part.byteOffset + start, cellCount: 0)
      difference?.cellCount += 1
    }
    guard let difference else { return }
    differences.withLock {
      let earlier = $0[place]
      $0[place] = Difference(
        firstByte: min(earlier?.firstByte ?? .max, difference.firstByte),
        cellCount: (earlier?.cellCount ?? 0) + difference.cellCount)
    }
  }

  func finish(_ tensor: EvaluatedTensor) { finished.withLock { $0[tensor.index] = tensor } }

  /// What came of each tensor that was evaluated.
  func results(_ pairs: AgreementPairs) -> [ExactName: ClaimsCheck.Result] {
    var results: [ExactName: ClaimsCheck.Result] = [:]
    finished.withLock { finished in
      for (task, tensor) in finished.enumerated() {
        guard let tensor else { continue }
        for (part, digest) in zip(pairs.parts[task], tensor.digests) {
          results[ExactName(part.name)] = ClaimsCheck.Result(
            expression: part.description, valueShape: pairs.tasks[task].expression.valueShape,
            digest: digest, report: part.isOfValues ? tensor.report : CastReport())
        }
      }
    }
    return results
  }
}

extension MatrixGeometry {
  /// The rows that a part of a slab consists of.
  fileprivate func rows(of part: SlabPart) -> MatrixRegion {
    let first = part.byteOffset / rowByteCount
    return MatrixRegion(
      rows: first..<first + part.bytes.count / rowByteCount, columns: 0..<columns)
  }
}
