public import CheckpointFormats
public import FileContainers
public import Quantization
public import TensorEvaluation
public import TensorModel

/// A conversion that a certificate states, made again from its source: planned anew and evaluated, and nothing written.
public struct Replay: Sendable {
  /// What is converted.
  public let source: Source
  /// What the certificate's settings come to with this source.
  public let plan: ConversionPlan
  /// The digest of that plan, as the program that wrote the certificate would have stated it.
  public let planDigest: Digest
  private let resources: EvaluationResources

  /// Plans again.
  ///
  /// - Parameters:
  ///   - certificate: with the settings of the conversion.
  ///   - path: of the source, which needn't lie where it lay.
  ///   - openOptions: how to open it.
  ///   - base: what the checkpoint that is made again is a difference to; nil for a complete one.
  ///   - statistics: what weights were quantized with, if there was something.
  ///   - resources: memory and threads.
  /// - Returns: the replay, or why the source has no such conversion.
  /// - Throws: `unsupported` for certificates without settings; `usage` without a matrix or a tokenizer that is needed, and with a matrix that the certificate
  ///   doesn't name; what opening the source throws.
  public static func plan(
    of certificate: Certificate, from path: String, _ openOptions: OpenOptions,
    base: BaseCheckpoint?, statistics: InputStatistics, _ resources: EvaluationResources
  ) throws(CheckpointError) -> Result<Replay, CheckpointError> {
    guard let recorded = certificate.settings else { throw withoutSettings }
    guard recorded.quantization?.importance == nil || statistics.importance != nil else {
      throw CheckpointError(
        .usage, "the weights were quantized with an importance matrix, which is needed again",
        expected: recorded.quantization?.importance, hint: "name it by --imatrix")
    }
    guard recorded.quantization?.importance != nil || statistics.importance == nil else {
      throw CheckpointError(
        .usage, "an importance matrix is given, and the certificate says that none was used",
        hint: "leave out --imatrix, or name the checkpoint that was quantized with it")
    }
    guard recorded.quantization?.hessian == nil || statistics.moments != nil else {
      throw CheckpointError(
        .usage, "the weights were quantized with second moments, which are needed again",
        expected: recorded.quantization?.hessian, hint: "name the file by --hessian")
    }
    guard recorded.quantization?.hessian != nil || statistics.moments == nil else {
      throw CheckpointError(
        .usage, "second moments are given, and the certificate says that none were used",
        hint: "leave out --hessian, or name the checkpoint that was quantized with them")
    }
    var source = RestoredTokenizer.added(to: try Source(path, openOptions))
    do throws(CheckpointError) {
      var request = ConversionRequest(
        source: path, destination: recorded.file ?? Self.directory, openOptions: openOptions,
        resources: resources)
      request.format = certificate.format
      request.settings = try recorded.settings(statistics)
      if let attention = certificate.attention, try source.model().attention != attention {
        request.openOptions.attention = attention
        source = RestoredTokenizer.added(to: try Source(path, request.openOptions))
      }
      if let base { source = source.differing(from: base) }
      let plan = try ConversionJob(request).plan(source, keepingSettings: true)
      return .success(
        Replay(
          source: source, plan: plan,
          planDigest: try PlanDocument.digest(plan, source, as: certificate),
          resources: resources))
    } catch {
      if error.code.isTransient { throw error }
      // Of another source it isn't said what it lacks for the conversion.
      if let other = difference(certificate, source) { return .failure(other) }
      // A tokenizer that the file has and the source hasn't was given.
      if openOptions.assetsDirectory == nil,
        error.summary == GGUFTokenizerKeys.missing(source).summary
      {
        throw CheckpointError(
          .usage,
          "the file was made with a tokenizer from elsewhere, which is needed again: the source has none",
          file: path, hint: "name the directory that the conversion was given: --assets DIR")
      }
      return .failure(error)
    }
  }

  /// Why a source isn't the one that a certificate names, as far as its files' names and sizes tell; nil if they are the same.
  private static func difference(_ certificate: Certificate, _ source: Source) -> CheckpointError? {
    var (expected, found) = (certificate.source.format, source.checkpoint.format)
    if expected == found, !certificate.isOfStandardInput {
      func text(_ inputs: [(name: String, byteCount: Int?)]) -> [String] {
        inputs.map {
          "'\($0.name)' (\($0.byteCount.map { counted($0, "byte") } ?? "unknown size"))"
        }
        .sorted()
      }
      let certified = text(certificate.inputs.map { ($0.name, $0.byteCount) })
      let inputs = text(source.inputs.map { ($0.name, $0.byteCount) })
      expected = Set(certified).subtracting(inputs).min() ?? ""
      found = Set(inputs).subtracting(certified).min() ?? ""
    }
    guard expected != found else { return nil }
    return CheckpointError(
      .malformed, "the source isn't the one that the certificate names",
      expected: expected.isEmpty ? "no more" : expected, found: found.isEmpty ? "none" : found,
      hint: "name the source that the checkpoint was made of"
    ).called("replay-source")
  }

  /// Stands for any directory: plans don't depend on its name.
  private static let directory = "replay"

  /// What is said of certificates that don't state what was asked for.
  public static let withoutSettings = CheckpointError(
    .unsupported, "the certificate doesn't say what was asked for",
    hint: "it was written by an earlier version of weighbridge: convert the source again")

  /// What making some of a plan's groups again came to.
  public struct GroupResults: Sendable, Codable {
    fileprivate var claims: [Journal.Claim]
  }

  /// All of the plan's groups.
  public var groups: Range<Int> { plan.groups.indices }

  /// Bytes of each of them.
  public var byteCounts: [Int] { plan.groups.map(\.byteCount) }

  /// Makes the tensors of some groups again.
  ///
  /// - Parameters:
  ///   - groups: of the plan.
  ///   - progress: told of bytes that were made.
  /// - Returns: what came of them.
  /// - Throws: what reading and evaluating throw.
  public func results(
    of groups: Range<Int>, _ progress: WorkProgress
  ) throws(CheckpointError) -> GroupResults {
    let whole = plan
    let plan = whole.replacing(
      groups: Array(whole.groups[groups]), weightFiles: whole.weightFiles)
    let census = plan.census(of: source)
    let results = DigestCollector(census: census, progress: progress.add)
    let tasks = try plan.tasks(Array(plan.groups.indices), from: source)
    progress.begin("making again", tasks.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(source.reader, resources).run(tasks, results)
    return GroupResults(
      claims: plan.groups.indices.compactMap { place in
        results[place].map { plan.claim($0, at: place, census).at(groups.lowerBound + place) }
      })
  }

  /// The records of all tensors, and what they bring up, as the certificate must have them.
  ///
  /// - Parameter parts: what came of all groups.
  /// - Returns: records and findings.
  /// - Throws: `inputOutput` where a group is missing; what reading throws.
  public func results(
    of parts: [GroupResults]
  ) throws(CheckpointError) -> (tensors: [Certificate.TensorRecord], findings: [Finding]) {
    let claims = Dictionary(
      parts.flatMap(\.claims).map { ($0.group, $0) }, uniquingKeysWith: { first, _ in first })
    let records = try ResultRecords(plan) { claims[$0] }
    return (
      records.tensors, plan.findings + (try source.reader.contentFindings()) + records.findings
    )
  }

  /// The root of all tensors that the source stores.
  ///
  /// - Parameter progress: told of bytes that were read.
  /// - Returns: the root.
  /// - Throws: what reading throws.
  public func sourceRoot(
    _ progress: WorkProgress
  ) throws(CheckpointError) -> Digest {
    rootDigest(
      of: try sourceIdentities(source.reader.checkpoint.tensors.indices, progress))
  }

  /// Identities of some of the tensors that the source stores.
  ///
  /// - Parameters:
  ///   - places: among them.
  ///   - progress: told of bytes that were read.
  /// - Returns: the identities, in their order.
  /// - Throws: what reading throws.
  public func sourceIdentities(
    _ places: Range<Int>, _ progress: WorkProgress
  ) throws(CheckpointError) -> [TensorIdentity] {
    let tensors = source.reader.checkpoint.tensors[places]
    let digests = DigestCollector(progress: progress.add)
    progress.begin("reading the source", tensors.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(source.reader, resources)
      .run(EvaluationTask.stored(in: source.reader.checkpoint, places), digests)
    return tensors.enumerated().compactMap { place, tensor in
      digests[place].map {
        TensorIdentity(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: $0.digest)
      }
    }
  }
}
