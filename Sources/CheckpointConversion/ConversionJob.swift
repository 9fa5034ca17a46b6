public import CheckpointFormats
import FileContainers
public import TensorModel

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
    // What was made of an input that has changed since can't be gone on with.
    let isVoid = Journal.isVoid(at: "\(destination.partialPath)/\(Journal.fileName)")
    if isOurs && error.code != .conflict
      && (!error.code.isTransient || isEmpty(destination) || isVoid)
    {
      try? destination.discardPartial()
      if let spool { try? Directories.removeTree(spool) }
      return error
    }
    var kept = error
    let flags = request.force ? "--resume --force" : "--resume"
    let advice =
      isVoid
      ? "nothing of the work so far counts any more: remove it: \(shellCommand("rm -r", destination.partialPath))"
      : "the work so far is kept: repeat the command with \(flags), or remove it: \(shellCommand("rm -r", destination.partialPath))"
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
