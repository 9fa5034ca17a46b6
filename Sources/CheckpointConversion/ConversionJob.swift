public import CheckpointFormats
import FileContainers
import Quantization
public import TensorEvaluation
public import TensorModel

/// A conversion as a user asks for it.
public struct ConversionRequest: Sendable {
  /// What to convert: anything that `Source` opens.
  public var source: String
  /// Where to.
  public var destination: String
  /// The format; nil leaves it to the destination's ending and the source's format.
  public var format: String?
  /// What writes it, where that is none of this package's targets; counts instead of `format`.
  public var target: (any ConversionTarget.Type)?
  /// Dtype, sharding, what is allowed.
  public var settings = ConversionPlan.Settings()
  /// How to open the source.
  public var openOptions: OpenOptions
  /// Where archives are unpacked to; nil is beside the destination.
  public var spoolDirectory: String?
  /// Whether to go on with an interrupted run.
  public var resume = false
  /// Whether to replace what exists, and to discard unfinished work unless it is resumed.
  public var force = false
  /// Whether the certificate shall have digests of the inputs.
  public var hashesInputs = false
  /// Runs source and result side by side at the end; nil if that wasn't asked for.
  public var validator: (any ConversionValidator)?
  /// Memory and threads.
  public var resources: EvaluationResources

  /// A request with everything else at its default.
  public init(
    source: String, destination: String, openOptions: OpenOptions, resources: EvaluationResources
  ) {
    self.source = source
    self.destination = destination
    self.openOptions = openOptions
    self.resources = resources
  }
}

/// Carries a request out: opens, plans, converts, and cleans up or leaves what can be resumed.
public struct ConversionJob: Sendable {
  let request: ConversionRequest
  /// The destination is one file.
  let isSingleFile: Bool
  /// Tells the parts that the file may be cut into; nil where it can't be, or where the source's are joined to it.
  let partCount: AtomicDestination.PartCount?

  /// Who is told how it goes.
  public struct Observer: Sendable {
    /// Called once, when everything is known and before anything is written.
    public let willStart: @Sendable (Source, ConversionPlan, Replaced?) -> Void
    /// Called with findings as they come up.
    public let report: @Sendable (Finding) -> Void
    /// Called with the bytes of tensors that were written since the last call.
    public let progress: @Sendable (Int) -> Void

    /// How many files and bytes give way to the result.
    public typealias Replaced = (fileCount: Int, byteCount: Int)

    /// An observer.
    public init(
      willStart: @escaping @Sendable (Source, ConversionPlan, Replaced?) -> Void,
      report: @escaping @Sendable (Finding) -> Void, progress: @escaping @Sendable (Int) -> Void
    ) {
      self.willStart = willStart
      self.report = report
      self.progress = progress
    }
  }

  /// The names of all formats that are written, as `ConversionRequest.format` has them.
  public static var formatNames: [String] { Targets.names }

  /// A job for a request.
  public init(_ request: ConversionRequest) {
    isSingleFile = Targets.isSingleFile(request.destination)
    var request = request
    request.settings.fileName =
      isSingleFile ? Directories.split(request.destination).name : nil
    self.request = request
    partCount = Targets.partCount(for: request)
  }

  /// The plan, without writing anything beside the destination.
  ///
  /// - Throws: what opening and planning throw.
  public func plan() throws(CheckpointError) -> (Source, ConversionPlan) {
    let destination = try destination()
    let source = try differing(
      RestoredTokenizer.added(to: try Source(request.source, request.openOptions)))
    try confirm(destination)
    return (source, try plan(source))
  }

  /// The same for a destination that isn't looked at, because nothing will be written.
  ///
  /// - Throws: what opening and planning throw.
  public func planWithoutDestination() throws(CheckpointError) -> (Source, ConversionPlan) {
    let source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    return (source, try plan(source))
  }

  /// The plan as JSON.
  ///
  /// - Throws: never for plans made here.
  public static func document(
    _ plan: ConversionPlan, _ source: Source
  ) throws(CheckpointError) -> [UInt8] {
    var document: [UInt8] = []
    try write(plan, source) { document += $0 }
    return document
  }

  /// Writes the plan as JSON, piece by piece.
  ///
  /// - Parameters:
  ///   - plan: of a conversion.
  ///   - source: what it converts.
  ///   - write: is given the pieces in order.
  /// - Throws: never for plans made here; what `write` throws.
  public static func write(
    _ plan: ConversionPlan, _ source: Source, _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try PlanDocument.write(plan, source, write)
  }

  /// The plan for a source that is open.
  ///
  /// - Parameter source: with the tokenizer that it gets.
  /// - Returns: the plan.
  /// - Throws: what planning throws.
  func plan(_ source: Source) throws(CheckpointError) -> ConversionPlan {
    if let error = source.checkpoint.configurationError { throw error }
    let target = try Targets.target(for: request, source)
    guard
      !isSingleFile || Targets.canBeCut(request.destination)
        || request.settings.sharding == nil
    else {
      throw CheckpointError(
        .usage, "one file can't be cut into shards", file: request.destination,
        hint: "name a directory as destination, or leave out --max-shard-size and --shards")
    }
    guard request.settings.compression == nil || target == StoreTarget.self else {
      throw CheckpointError(
        .usage, "--compression is for stores", found: "--to \(target.format.name)",
        hint: "leave it out, or choose --to \(StoreTarget.format.name)")
    }
    let model = try source.model()
    var settings = request.settings
    if target == WeightDeltaTarget.self {
      if settings.deltaVersion == nil {
        settings.deltaVersion = try WeightDeltaTarget.version(of: request.destination)
      }
      guard request.validator == nil else {
        throw CheckpointError(
          .usage, "an update can't be run by itself",
          hint: "leave out --validate, and compare it afterwards with compare --forward --base")
      }
    }
    let planner = Planner(source, settings, resources(for: source))
    if try planner.copiesParts() {
      guard target.keepsQuantizedParts else { throw needsDType(model, target) }
      _ = try model.requireCopyable()
    } else {
      try model.requireValues()
      if target.keepsNames && model.keepsLayout {
        _ = try model.requireCopyable()
      } else {
        try model.requireSound()
      }
    }
    if model.attention == .prefix && !target.carriesAttention {
      throw losesAttention(to: target)
    }
    try request.validator?.check(source)
    return try target.plan(planner)
  }

  /// The source, to be written as a difference where a base was given that it isn't read with itself.
  ///
  /// - Parameter source: open.
  /// - Returns: the same, with the base.
  /// - Throws: what opening the base throws; `usage` where there is one and the format has no differences, or none and it has nothing else.
  func differing(_ source: Source) throws(CheckpointError) -> Source {
    let target = try Targets.target(for: request, source)
    let base = try request.openOptions.bases?.target(
      request.openOptions, sharing: target.differences == .always)
    if let base, target.differences == .never {
      let writers = Targets.all.filter { $0.differences != .never }
        .map { "--to \($0.format.name)" }
      throw CheckpointError(
        .usage, "--base names a checkpoint that nothing here is a difference to",
        found: "--to \(target.format.name)",
        hint:
          "leave it out, or write the difference to \(base.hint) with \(writers.joined(separator: " or "))"
      )
    }
    if base == nil, target.differences == .always {
      throw CheckpointError(
        .usage, "\(target.format.name) is written as a difference to a base",
        hint: "name the base by --base PATH")
    }
    return base.map { source.differing(from: $0) } ?? source
  }

  /// What may be used; what is read together with a base is compared with its digests in any case, since another base gives other values.
  private func resources(for source: Source) -> EvaluationResources {
    var resources = request.resources
    if source.base != nil { resources.checksRecordedDigests = true }
    return resources
  }

  /// The plan for another quantization than that of the request.
  func plan(
    _ source: Source, quantizing quantization: QuantizationRequest
  ) throws(CheckpointError) -> ConversionPlan {
    var request = request
    request.settings.quantization = quantization
    return try ConversionJob(request).plan(source)
  }

  /// In which dtype its values are wanted would be a guess.
  private func needsDType(
    _ model: ModelContents, _ target: any ConversionTarget.Type
  ) -> CheckpointError {
    let copies = Targets.all.filter { $0.keepsQuantizedParts }.map { "--to \($0.format.name)" }
    return CheckpointError(
      .usage,
      "the weights are quantized (\(model.quantized?.method ?? "")), and \(target.format.name) can't keep codes and scales as they are",
      file: request.source, tensor: model.quantized?.example,
      hint:
        "say which dtype their values are to have, such as --dtype bf16; or copy them with \(copies.joined(separator: " or "))"
    )
  }

  /// Nothing in the format, and nothing in the programs that read it, would say that prompts are to be seen as a whole.
  private func losesAttention(to target: any ConversionTarget.Type) -> CheckpointError {
    if request.openOptions.attention == .prefix {
      return CheckpointError(
        .usage,
        "prefix attention, which --attention declares, is nothing that \(target.format.name) can carry",
        hint:
          "leave --attention out, or choose \(Targets.all.filter { $0.carriesAttention }.map { "--to \($0.format.name)" }.joined(separator: " or "))"
      )
    }
    let carriers = Targets.all.filter { $0.carriesAttention }.map { "--to \($0.format.name)" }
    return CheckpointError(
      .usage,
      "the model has prefix attention (its prompt is seen as a whole), which \(target.format.name) can't carry",
      file: request.source,
      hint:
        "keep it with \(carriers.joined(separator: " or ")); or give it up with --attention causal, as the certificate will say, and measure what that costs:",
      hintLines: [
        shellCommand(
          "weighbridge compare --forward --prefix N", request.source, request.destination)
      ])
  }

  /// Converts.
  ///
  /// - Returns: the certificate, and how much was taken over from an earlier run.
  /// - Throws: anything; the destination is then absent. After an interruption, a full disk or an I/O error the work stays and can be resumed, which the
  ///   hint says; otherwise it is removed, because repeating the command couldn't end differently.
  public func run(_ observer: Observer) throws(CheckpointError) -> Converter.Outcome {
    let destination = try destination()
    try refuseParts(at: destination)
    if destination.hasPartial { try UnfinishedWork(destination.partialPath).requireOwn() }
    let needsUnpacking = try Source.needsUnpacking(request.source)
    var earlierWork: DirectoryLock?
    if destination.hasPartial && !request.resume {
      earlierWork = try earlierWorkToDiscard(destination)
      // What is unpacked goes where it lies. Other inputs are opened first: it might be one of them.
      if needsUnpacking { try discard(&earlierWork, destination) }
    }
    let isResuming = destination.hasPartial && request.resume
    var lock: DirectoryLock?
    var spool: String?
    do throws(CheckpointError) {
      // Before anything else: a process that is at work there is not to be disturbed.
      if isResuming { lock = try destination.begin() }
      var options = request.openOptions
      options.temporaryDirectory =
        request.spoolDirectory ?? Directories.split(destination.partialPath).parent
      if needsUnpacking {
        if lock == nil { lock = try destination.begin() }
        spool = try spoolPath(destination)
        options.spoolPath = spool
        if request.source == "-", let spool, fileExists(spool) {
          observer.report(
            Finding(
              .warning, "standard-input-not-read",
              "the archive that the interrupted run has unpacked is used; standard input is not read"
            ))
        }
      }
      let source = try differing(
        RestoredTokenizer.added(to: try Source(request.source, options)))
      let plan = try plan(source)
      try confirm(destination)
      try discard(&earlierWork, destination)
      observer.willStart(source, plan, try destination.replacedSize())
      let converter = try Converter(
        plan, source, destination,
        Converter.Options(
          resources: resources(for: source), resume: request.resume,
          hashesInputs: request.hashesInputs,
          validator: request.validator,
          report: observer.report, progress: observer.progress))
      try converter.checkSpace()
      if lock == nil { lock = try destination.begin() }
      let outcome = try withExtendedLifetime(lock) { () throws(CheckpointError) in
        try converter.run()
      }
      if let spool { try Directories.removeTree(spool) }
      return outcome
    } catch {
      throw afterwards(
        error, destination, spool, isLocked: lock != nil, isOurs: lock != nil && !isResuming)
    }
  }

  /// What an earlier run has left, locked, if it was asked for that it is removed and nobody is at it.
  private func earlierWorkToDiscard(
    _ destination: AtomicDestination
  ) throws(CheckpointError) -> DirectoryLock {
    // First of all, is somebody at it?
    let lock = try DirectoryLock(destination.partialPath)
    guard request.force else {
      throw CheckpointError(
        .conflict, "an unfinished conversion to this destination is there",
        file: destination.partialPath,
        hint:
          "go on with it by --resume, or remove it: \(shellCommand("rm -r", destination.partialPath))"
      )
    }
    return lock
  }

  /// Removes it.
  ///
  /// - Throws: `conflict` if something in it is read.
  private func discard(
    _ earlierWork: inout DirectoryLock?, _ destination: AtomicDestination
  ) throws(CheckpointError) {
    guard let lock = earlierWork else { return }
    for path in try Directories.files(in: destination.partialPath) {
      try request.openOptions.readFiles.refuseLoss(of: path)
    }
    try withExtendedLifetime(lock) { () throws(CheckpointError) in
      try destination.discardPartial()
    }
    earlierWork = nil
  }

  /// Keeps or removes what a failed run has left.
  ///
  /// - Parameters:
  ///   - error: what ended the run.
  ///   - destination: whose partial directory is concerned.
  ///   - spool: where an archive was unpacked to.
  ///   - isLocked: whether this run works there.
  ///   - isOurs: whether this run has begun the work: work of earlier runs and of other processes isn't removed.
  /// - Returns: the error, with a hint at what is left.
  private func afterwards(
    _ error: CheckpointError, _ destination: AtomicDestination, _ spool: String?, isLocked: Bool,
    isOurs: Bool
  ) -> CheckpointError {
    // Nothing was begun by this run, or by the one that it takes up.
    guard destination.hasPartial, isLocked, error.code != .conflict || isOurs else { return error }
    if isOurs && error.code != .conflict && (!error.code.isTransient || isEmpty(destination)) {
      try? destination.discardPartial()
      if let spool { try? Directories.removeTree(spool) }
      return error
    }
    var kept = error
    let flags = request.force ? "--resume --force" : "--resume"
    let advice =
      "the work so far is kept: repeat the command with \(flags), or remove it: \(shellCommand("rm -r", destination.partialPath))"
    if kept.hint == nil { kept.hint = advice } else { kept.hintLines.append(advice) }
    return kept
  }

  /// Whether standard input ended before anything was read of it: nothing was written but an empty journal and an empty spool.
  private func isEmpty(_ destination: AtomicDestination) -> Bool {
    request.source == "-"
      && (try? Directories.size(of: destination.partialPath).byteCount) == 0
  }

  /// Where an archive is unpacked to.
  ///
  /// The name says of which file, so that another one's spool isn't taken for it.
  private func spoolPath(_ destination: AtomicDestination) throws(CheckpointError) -> String {
    var name = "spool-stdin.tar"
    if request.source != "-" {
      let file = try InputFile(path: NamedPath(request.source).place)
      name = "spool-\(file.byteCount)-\(file.modificationTime)-\(file.changeTime).tar"
    }
    guard let directory = request.spoolDirectory else {
      return "\(destination.partialPath)/\(name)"
    }
    let place = Digest(of: Array(Directories.resolved(request.destination).utf8)).hexadecimal
    return "\(directory)/weighbridge-\(place.prefix(12))-\(name)"
  }
}
