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
  private let statistics: InputStatistics
  private let resources: EvaluationResources
  private let progress: WorkProgress
  private let known: RecordedFileDigests

  /// What comparing some of the tensors has brought up.
  struct Reading: Codable {
    var findings: [Finding] = []
    var tensorCount = 0
    /// Of the certificate's claims; nil without one.
    var claims: ClaimsCheck.Reading?

    mutating func add(_ next: Reading) {
      findings += next.findings
      tensorCount += next.tensorCount
      guard let claims = next.claims else { return }
      if self.claims == nil { self.claims = claims } else { self.claims?.add(claims) }
    }
  }

  /// - Parameters:
  ///   - source: what is verified.
  ///   - other: what it must be.
  ///   - statistics: what weights were quantized with, if there was something.
  ///   - resources: memory and threads.
  ///   - known: digests of files that needn't be read.
  ///   - progress: told of bytes as they are compared.
  init(
    _ source: Source, _ other: Source, _ statistics: InputStatistics,
    _ resources: EvaluationResources, _ known: RecordedFileDigests, _ progress: WorkProgress
  ) {
    self.known = known
    self.source = source
    self.other = other
    self.statistics = statistics
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
  ///   - certificate: the checkpoint's own one, whose claims are compared too; nil without one.
  ///   - parts: what parts have read of all tensors; nil where nobody has.
  /// - Throws: what reading the other throws.
  func run(
    _ report: inout VerificationReport, _ certificate: CertificateText?, _ parts: [Reading]? = nil
  ) throws(CheckpointError) {
    try prepare()
    let pairs: AgreementPairs
    do throws(CheckpointError) {
      pairs = try AgreementPairs(source, other, statistics, resources)
    } catch {
      if error.code == .usage || error.code.isTransient { throw error }
      report.record(
        .against, [Finding("against-names", error)], "the tensors have no canonical names")
      return
    }
    var findings =
      try configurationFindings(pairs.configuration) + attentionFindings() + pairs.findings
    // The pairs say all that is needed of the models.
    source.forgetModel()
    other.forgetModel()
    var claims = try self.claims(certificate, pairs)
    var reading = Reading()
    if let parts {
      for part in parts { reading.add(part) }
    } else {
      reading = try read(pairs, pairs.pairs.indices, &claims)
      reading.claims = try claims?.read()
    }
    findings += reading.findings
    var detail =
      "\(counted(reading.tensorCount, "tensor")) compared with \(Directories.split(other.path).name)"
    if let checked = try claims?.finish(reading.claims ?? .init()) {
      findings += checked.findings
      detail += "; \(checked.detail)"
    }
    report.record(.against, findings, detail)
  }

  /// Makes room, and makes sure that the other is a model: what is wrong with it keeps the check from running.
  private func prepare() throws(CheckpointError) {
    PageArena.shared.releaseIdle()
    PageArena.trimHeap()
    _ = try other.model()
  }

  /// What is compared with takes as much memory.
  private var comparing: EvaluationResources { resources.halved }

  private func claims(
    _ certificate: CertificateText?, _ pairs: AgreementPairs
  ) throws(CheckpointError) -> ClaimsCheck? {
    try certificate.map { (text) throws(CheckpointError) in
      try ClaimsCheck(
        text, of: source, other, besides: pairs.pairs.flatMap(\.tensors), comparing, known)
    }
  }

  /// Compares a share of the tensors.
  ///
  /// - Parameters:
  ///   - share: of several parts.
  ///   - certificate: the checkpoint's own one; nil without one.
  /// - Returns: what that has brought up; nil where nothing can be compared, which the merge says.
  /// - Throws: what reading the other throws.
  func read(
    _ share: ReadingShare, _ certificate: CertificateText?
  ) throws(CheckpointError) -> Reading? {
    try prepare()
    let found = try ifUsable { () throws(CheckpointError) in
      try AgreementPairs(source, other, statistics, resources)
    }
    guard let pairs = found else { return nil }
    source.forgetModel()
    other.forgetModel()
    var claims = try self.claims(certificate, pairs)
    var reading = try read(pairs, share.own(pairs.pairs.map(\.byteCount)), &claims)
    reading.claims = try claims?.read(share)
    return reading
  }

  /// Compares some of the pairs.
  private func read(
    _ pairs: AgreementPairs, _ places: Range<Int>, _ claims: inout ClaimsCheck?
  ) throws(CheckpointError) -> Reading {
    let resources = comparing
    let own = pairs.pairs[places]
    progress.begin("comparing", own.reduce(0) { $0 + $1.byteCount })
    var reading = Reading()
    let first = pairs.pairs[..<places.lowerBound].reduce(0) { $0 + $1.tensors.count }
    PageArena.trimHeap()
    for run in EvaluationTask.runs(of: own.count) {
      // What was an evaluator's scratch would become its counterpart's.
      PageArena.shared.releaseIdle()
      let run = places.lowerBound + run.lowerBound..<places.lowerBound + run.upperBound
      let comparison = try StreamingComparison(
        Array(own[run]), source.reader, other.reader, resources, progress.add)
      try EvaluationPipeline(other.reader, resources).run(comparison.tasks, comparison)
      reading.findings += comparison.findings
      claims?.compare(comparison.results, from: first + reading.tensorCount)
      reading.tensorCount += comparison.tensors.count
    }
    return reading
  }
}

/// Compares evaluated slabs with the same regions of another checkpoint's tensors.
private final class StreamingComparison: EvaluationConsumer {
  struct Difference {
    var firstByte: Int
    var cellCount: Int
  }

  /// What the other gives.
  let tasks: [EvaluationTask]
  /// The tensors that it must be, those of a task one after the other.
  let tensors: [AgreementPairs.Tensor]
  /// Where each task's tensors begin among all.
  private let firstPlaces: [Int]
  private let evaluator: CounterpartEvaluator
  private let stored: [TensorType]
  private let differences = Mutex<[Int: Difference]>([:])
  private let failures = Mutex<[Int: CheckpointError]>([:])
  private let finished: Mutex<[EvaluatedTensor?]>
  private let progress: @Sendable (Int) -> Void

  /// - Throws: `malformed` where an expression doesn't fit its checkpoint.
  init(
    _ pairs: [AgreementPairs.Pair], _ reader: any CheckpointReader, _ other: any CheckpointReader,
    _ resources: EvaluationResources, _ progress: @escaping @Sendable (Int) -> Void
  ) throws(CheckpointError) {
    var (tasks, places): ([EvaluationTask], [Int]) = ([], [])
    var stored: [CompiledExpression] = []
    for pair in pairs {
      places.append(stored.count)
      for tensor in pair.tensors {
        stored.append(
          try CompiledExpression(tensor.own ?? .stored(tensor.name), in: reader.checkpoint))
      }
      tasks.append(
        EvaluationTask(
          name: pair.name,
          expression: try CompiledExpression(pair.expression, in: other.checkpoint),
          counterpart: pair.rowParts == nil ? stored.last : nil, parts: pair.rowParts))
    }
    self.tasks = tasks
    tensors = pairs.flatMap(\.tensors)
    firstPlaces = places
    evaluator = CounterpartEvaluator(reader, stored, resources)
    self.stored = stored.map(\.type)
    self.progress = progress
    finished = Mutex(Array(repeating: nil, count: tasks.count))
  }

  private func failure(of place: Int) -> CheckpointError? { failures.withLock { $0[place] } }

  /// Where the checkpoint's own tensors can't be read, and where they differ.
  var findings: [Finding] {
    tensors.indices.compactMap { place in
      let name = tensors[place].name
      if let failure = failure(of: place) {
        return Finding("against-unreadable", failure.in(tensor: name))
      }
      guard let difference = differences.withLock({ $0[place] }) else { return nil }
      let geometry = stored[place].geometry
      let unit = stored[place].dtype.isBlockQuantized ? "blocks" : "elements"
      return Finding(
        .error, "against-difference",
        "\(difference.cellCount) of \(geometry.rows * geometry.columns) \(unit) differ from the other's, the first at place \(difference.firstByte / geometry.cellByteCount)",
        tensor: name)
    }
  }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    defer { progress(slab.bytes.count) }
    for (number, part) in slab.parts.enumerated() where !part.bytes.isEmpty {
      let place = firstPlaces[slab.index] + number
      guard failure(of: place) == nil else { continue }
      do throws(CheckpointError) {
        // Of several tensors there are whole rows.
        let region = slab.parts.count == 1 ? slab.region : stored[place].geometry.rows(of: part)
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
    let cell = stored[place].geometry.cellByteCount
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

  /// What came of each tensor; nil for those that weren't evaluated.
  var results: [ClaimsCheck.Result?] {
    finished.withLock { finished in
      tasks.indices.flatMap { task in
        tasks[task].parts.parts.indices.map { number in
          finished[task].map { evaluated in
            let tensor = tensors[firstPlaces[task] + number]
            return ClaimsCheck.Result(
              name: tensor.name, expression: tensor.expression,
              valueShape: tasks[task].expression.valueShape, digest: evaluated.digests[number],
              report: tensor.isOfValues ? evaluated.report : CastReport())
          }
        }
      }
    }
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
