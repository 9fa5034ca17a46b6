import CheckpointFormats
import FileContainers
import Foundation
import StoreWriting
public import TensorEvaluation
public import TensorModel

/// Makes the result of all parts of a conversion: what a single run would have written, byte for byte.
///
/// No source is needed. Whole files are renamed; pieces are copied into the file one by one, each removed when it is in. What was interrupted goes on
/// when it is started again.
public struct PartsMerge: Sendable {
  let destination: String
  private let isForced: Bool
  private let resources: EvaluationResources
  private let wait: Double
  private let progress: WorkProgress
  private let willReplace: @Sendable (ConversionJob.Observer.Replaced) -> Void

  /// What came of it.
  public struct Outcome: Sendable {
    /// The certificate, as it was written.
    public let certificate: Certificate
    /// How many parts there were; nil where a merge was finished of which nothing but empty folders was left.
    public let partCount: Int?
    /// What a quantization's report begins with; nil for other conversions, and where a merge was finished that had removed it already.
    public let quantization: QuantizationOutline?
    /// How the parts were asked for; nil where nothing says it.
    public let invocation: PartsInvocation?
    /// What could not be removed after all was done; nil as a rule.
    public internal(set) var leftover: String?
    /// Whether the result was there already, and nothing of the parts.
    public internal(set) var wasWhole = false
  }

  /// Is told what came of it before the last that is known of the parts is removed: what it throws leaves that for another merge.
  public typealias Reporting = (Outcome) throws(CheckpointError) -> Void

  /// The folder in that of the merge where the result is put together.
  static let resultName = "result"
  /// The file beside it that says which certificate is being published.
  static let publicationName = "publishing"

  /// A merge.
  ///
  /// - Parameters:
  ///   - destination: as the parts were given it.
  ///   - isForced: whether what is there gives way.
  ///   - wait: for how many seconds parts that aren't seen are looked for again.
  ///   - resources: say whether to go on.
  ///   - progress: told of bytes as they are joined.
  ///   - willReplace: told how much gives way, before it does.
  public init(
    _ destination: String, isForced: Bool = false, wait: Double = 0,
    _ resources: EvaluationResources, progress: WorkProgress = .none,
    willReplace: @escaping @Sendable (ConversionJob.Observer.Replaced) -> Void = { _ in }
  ) {
    self.willReplace = willReplace
    self.destination = destination
    self.isForced = isForced
    self.wait = wait
    self.resources = resources
    self.progress = progress
  }

  var kind: AtomicDestination.Kind {
    Targets.isSingleFile(destination) ? .file : .directory
  }

  /// Does it.
  ///
  /// - Parameters:
  ///   - needsQuantization: whether anything but a quantization is refused, before anything is made.
  ///   - report: is told what came of it, while it could be told again.
  /// - Returns: what came of it.
  /// - Throws: `missing` where there are no parts, or not all: nothing is made then; `usage`, `conflict`, `corrupt`, `noSpace`, `inputOutput`.
  public func run(
    needsQuantization: Bool = false, _ report: Reporting = { (_) throws(CheckpointError) in }
  ) throws(CheckpointError) -> Outcome {
    let end = ContinuousClock.now + .seconds(wait)
    guard let partialPath = try seenPartialPath(until: end) else {
      let outcome = try repeated()
      try refuse(
        outcome.certificate.tensors.contains { $0.quantization != nil }, needsQuantization)
      try report(outcome)
      return outcome
    }
    try OwnParts(partialPath).require()
    if let outcome = try cleared(partialPath) {
      try report(outcome)
      return outcome
    }
    if let interrupted = try PartsFolder.merging(in: partialPath) {
      let folder = try interrupted.takenForMerging()
      return try own(folder) { () throws(CheckpointError) in
        if let outcome = try published(folder) { return try finish(outcome, folder, report) }
        return try merge(CollectedParts(folder), report)
      }
    }
    let folder = PartsFolder(in: partialPath)
    guard FileKind(ofEntry: folder.path) == .directory else { throw nothingThere }
    try own(folder) { () throws(CheckpointError) in
      try waitForAll(folder, until: end)
      let parts = try CollectedParts(folder)
      try refuse(parts.plan.frame.quantization != nil, needsQuantization)
      try parts.requireSound()
      if let replaced = try target(parts, workingIn: nil, resuming: false).replacedSize() {
        willReplace(replaced)
      }
    }
    let taken = try folder.takenForMerging()
    return try own(taken) { () throws(CheckpointError) in
      try merge(CollectedParts(taken), report)
    }
  }

  /// Where the work of this destination lies; nil where there is none, or nothing is left of it.
  ///
  /// A file system may hide the folder from this machine, too: it is looked for as long as parts are, unless the result stands there, which parts could
  /// only replace by --force.
  private func seenPartialPath(
    until end: ContinuousClock.Instant
  ) throws(CheckpointError) -> String? {
    while true {
      let path = try AtomicDestination.partialPath(of: destination, kind: kind)
      if try PartsFolder.found(in: path) != nil { return path }
      let isWhole = try isForced ? false : ifUsable(whole) ?? nil != nil
      try resources.checkCancellation()
      if isWhole || ContinuousClock.now >= end { return FileKind(ofEntry: path).map { _ in path } }
      Thread.sleep(forTimeInterval: 0.5)
    }
  }

  /// Refuses what only a quantization has.
  private func refuse(_ isQuantization: Bool, _ needsOne: Bool) throws(CheckpointError) {
    guard needsOne && !isQuantization else { return }
    throw CheckpointError(
      .usage, "--report and --max-rmse are of a quantization, and these parts are none",
      file: destination, hint: "leave them out")
  }

  /// Works in a folder that another merge may take: what is wrong then isn't what is told.
  private func own<Result>(
    _ folder: PartsFolder, _ body: () throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    do throws(CheckpointError) { return try body() } catch {
      guard FileKind(ofEntry: folder.path) == .directory else {
        throw CheckpointError(
          .conflict, "another merge of these parts is at work, or has done it", file: destination,
          hint:
            "leave it to that one; \(shellCommand("weighbridge merge", destination)) says when the result is whole"
        )
      }
      var error = error
      // There is no other disk to choose: parts are of one destination.
      if error.code.isTransient {
        let first =
          switch error.code {
          case .noSpace: "free some space"
          case .interrupted: "nothing is lost"
          default: "check the disk and the permissions"
          }
        error.hint =
          "\(first); then merge again, which goes on where it was: \(shellCommand("weighbridge merge", destination))"
      }
      throw error
    }
  }

  /// Has the outcome told, and removes what is left of the parts.
  private func finish(
    _ outcome: Outcome, _ folder: PartsFolder, _ report: Reporting
  ) throws(CheckpointError) -> Outcome {
    try report(outcome)
    var outcome = outcome
    outcome.leftover = remove(folder) ?? outcome.leftover
    return outcome
  }

  /// Waits until all parts are seen.
  private func waitForAll(
    _ folder: PartsFolder, until end: ContinuousClock.Instant
  ) throws(CheckpointError) {
    if let change = folder.change { throw change }
    while true {
      let missing: [Int]
      if let description = try folder.description() {
        missing = try PartStates(folder, description, readsRecords: false).missing
        if missing.isEmpty { return }
      } else {
        missing = []
      }
      try resources.checkCancellation()
      guard ContinuousClock.now < end else {
        guard let description = try folder.description() else {
          throw CollectedParts.undescribed(folder)
        }
        if let damage = try PartStates(folder, description).damages.first { throw damage }
        throw CheckpointError(
          .missing, "not all parts are complete", file: folder.path,
          expected: counted(description.partCount, "part"),
          found: "without \(NumberRanges.text(missing))",
          hint:
            "do these, then merge again; where a file system still hides them from this machine, --wait 90s looks again"
        )
      }
      Thread.sleep(forTimeInterval: 0.5)
    }
  }

  private func target(
    _ parts: CollectedParts, workingIn folder: String?, resuming: Bool
  ) throws(CheckpointError) -> AtomicDestination {
    let replacement = Replaceable.replacement(of: destination, besides: ReadFiles())
    do throws(CheckpointError) {
      return try AtomicDestination(
        destination, kind: kind,
        partCount: parts.plan.frame.replacesSets ? Targets.partCount(ofSets: destination) : nil,
        replacing: replacement, isForced: isForced, resuming: resuming, workingIn: folder)
    } catch {
      guard error.code == .conflict else { throw error }
      // Parts are of one destination: there is no other to choose.
      let givesWay = (try? replacement(error.file ?? destination)) != nil
      var error = error
      error.hint =
        "move it away\(givesWay && !isForced ? ", or replace it by --force" : ""), then merge again; the parts are kept"
      throw error
    }
  }

  // MARK: Putting together

  private func merge(
    _ parts: CollectedParts, _ report: Reporting
  ) throws(CheckpointError) -> Outcome {
    let folder = parts.folder
    let name = "\(Directories.split(folder.path).name)/\(Self.resultName)"
    let target = try target(parts, workingIn: name, resuming: true)
    let certificateName = try Converter.certificateName(for: target)
    let frame = parts.plan.frame
    let weights = frame.files.map(\.name)
    let sidecars = frame.certificate.assets.map(\.name)
    let names = Converter.publicationOrder(
      kind, weights: weights, sidecars: sidecars, companions: frame.companions,
      certificate: certificateName)
    let companion = kind == .file ? certificateName : nil
    try target.recover(Directories.topLevel(names), companion: companion)
    try SharedFolder.makeDirectory(target.partialPath)
    // A file that is moved into a folder whose own name is lost would be lost, too.
    try Directories.synchronise(folder.path)
    let result = PartsResult(parts, target.partialPath, resources, progress)
    let files = try result.placeFiles()
    let certificate = try result.certificate(files)
    let record = try certificate.write(
      to: result.emptyPlace(certificateName), as: certificateName)
    for file in try result.closingFiles(certificate, record) {
      try OutputFile.create(try result.emptyPlace(file.name), contents: file.contents)
    }
    try Directories.synchroniseParents(of: names, in: target.partialPath)
    try OutputFile.replace(
      "\(folder.path)/\(Self.publicationName)",
      contents: Array("\(record.digest) \(certificateName)".utf8))
    try Directories.synchronise(folder.path)
    let leftover = try target.publish(
      Directories.topLevel(names), companion: companion, discarding: Journal.discardedLine)
    return try finish(
      Outcome(
        certificate: certificate, partCount: parts.description.partCount,
        quantization: parts.plan.outline(folder.path), invocation: frame.invocation,
        leftover: leftover), folder, report)
  }
}
