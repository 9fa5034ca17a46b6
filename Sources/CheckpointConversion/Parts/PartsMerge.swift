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
    let partialPath = try AtomicDestination.partialPath(of: destination, kind: kind)
    try OwnParts(partialPath).require()
    if let outcome = try cleared(partialPath) {
      try report(outcome)
      return outcome
    }
    if let interrupted = try PartsFolder.merging(in: partialPath) {
      let folder = try interrupted.takenForMerging()
      if let outcome = try published(folder) { return try finish(outcome, folder, report) }
      return try merge(CollectedParts(folder), report)
    }
    let folder = PartsFolder(in: partialPath)
    guard FileKind(ofEntry: folder.path) == .directory else {
      throw CheckpointError(
        .missing, "there are no parts of this destination", file: destination,
        hint:
          "do them first, each with the same command: weighbridge convert … --part 1/N to N/N; weighbridge status says which are there"
      )
    }
    try waitForAll(folder)
    let parts = try CollectedParts(folder)
    guard !needsQuantization || parts.plan.frame.quantization != nil else {
      throw CheckpointError(
        .usage,
        "--report and --max-rmse are of a quantization, and these parts are none",
        file: destination, hint: "leave them out")
    }
    try parts.requireSound()
    if let replaced = try target(parts, workingIn: nil, resuming: false).replacedSize() {
      willReplace(replaced)
    }
    return try merge(CollectedParts(folder.takenForMerging()), report)
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
  private func waitForAll(_ folder: PartsFolder) throws(CheckpointError) {
    let end = ContinuousClock.now + .seconds(wait)
    while true {
      let missing: [Int]
      if let description = try folder.description() {
        missing = try PartStates(folder, description).missing
        if missing.isEmpty { return }
      } else {
        missing = []
      }
      try resources.checkCancellation()
      guard ContinuousClock.now < end else {
        guard let description = try folder.description() else {
          throw CollectedParts.undescribed(folder)
        }
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
    try AtomicDestination(
      destination, kind: kind,
      partCount: parts.plan.frame.replacesSets ? Targets.partCount(ofSets: destination) : nil,
      replacing: Replaceable.replacement(of: destination, besides: ReadFiles()),
      isForced: isForced, resuming: resuming, workingIn: folder)
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
