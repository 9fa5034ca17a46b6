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
  private let destination: String
  private let isForced: Bool
  private let resources: EvaluationResources
  private let wait: Double
  private let progress: WorkProgress

  /// What came of it.
  public struct Outcome: Sendable {
    /// The certificate, as it was written.
    public let certificate: Certificate
    /// How many parts there were; nil where a merge was finished of which nothing but empty folders was left.
    public let partCount: Int?
    /// What could not be removed after all was done; nil as a rule.
    public let leftover: String?
  }

  /// The folder in that of the merge where the result is put together.
  private static let resultName = "result"
  /// The file beside it that says which certificate is being published.
  private static let publicationName = "publishing"

  /// A merge.
  ///
  /// - Parameters:
  ///   - destination: as the parts were given it.
  ///   - isForced: whether what is there gives way.
  ///   - wait: for how many seconds parts that aren't seen are looked for again.
  ///   - resources: say whether to go on.
  ///   - progress: told of bytes as they are joined.
  public init(
    _ destination: String, isForced: Bool = false, wait: Double = 0,
    _ resources: EvaluationResources, progress: WorkProgress = .none
  ) {
    self.destination = destination
    self.isForced = isForced
    self.wait = wait
    self.resources = resources
    self.progress = progress
  }

  private var kind: AtomicDestination.Kind {
    Targets.isSingleFile(destination) ? .file : .directory
  }

  /// Does it.
  ///
  /// - Throws: `missing` where there are no parts, or not all: nothing is made then; `conflict`, `corrupt`, `noSpace`, `inputOutput`.
  public func run() throws(CheckpointError) -> Outcome {
    let partialPath = try AtomicDestination.partialPath(of: destination, kind: kind)
    if let outcome = try cleared(partialPath) { return outcome }
    if let interrupted = try PartsFolder.merging(in: partialPath) {
      let folder = try interrupted.takenForMerging()
      if let outcome = try published(folder) { return outcome }
      return try merge(CollectedParts(folder))
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
    try parts.requireSound()
    _ = try target(parts, workingIn: nil, resuming: false)
    return try merge(CollectedParts(folder.takenForMerging()))
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

  // MARK: What was published

  /// The outcome of a merge that was interrupted when its result had its place already; nil if it hasn't.
  private func published(_ folder: PartsFolder) throws(CheckpointError) -> Outcome? {
    let mark = "\(folder.path)/\(Self.publicationName)"
    guard fileExists(mark) else { return nil }
    let words = try InputFile.contents(of: mark, limit: 4096, recordedIn: nil)
      .split(separator: UInt8(ascii: " "), maxSplits: 1)
    guard words.count == 2 else { return nil }
    let (digest, name) = (
      Digest(String(decoding: words[0], as: UTF8.self)), String(decoding: words[1], as: UTF8.self)
    )
    let isInside =
      Directories.resolved(Directories.split(folder.partialPath).parent)
      == Directories.resolved(destination)
    let isAtOnce = kind == .directory && !isInside
    let parent = kind == .file ? Directories.split(destination).parent : destination
    let path = "\(parent)/\(name)"
    guard isAtOnce || !fileExists("\(folder.path)/\(Self.resultName)"),
      FileKind(ofEntry: path) == .file
    else { return nil }
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    guard Digest(of: bytes) == digest else { return nil }
    let certificate = try Certificate(at: path, file: path)
    let count = try folder.description()?.partCount
    return Outcome(certificate: certificate, partCount: count, leftover: remove(folder))
  }

  /// The outcome of a merge that was interrupted when nothing but empty folders was left of the parts, which are removed; nil if there are others.
  private func cleared(_ partialPath: String) throws(CheckpointError) -> Outcome? {
    guard FileKind(ofEntry: partialPath) == .directory, fileExists(destination),
      try Directories.files(in: partialPath).isEmpty
    else { return nil }
    let (parent, name) = Directories.split(destination)
    let places =
      kind == .file
      ? Certificate.fileNames(beside: name).map { "\(parent)/\($0)" }
      : ["\(destination)/\(Certificate.fileName)"]
    guard let path = places.first(where: fileExists) else { return nil }
    let certificate = try Certificate(at: path, file: path)
    try Directories.removeTree(partialPath)
    try Directories.synchronise(Directories.split(partialPath).parent)
    return Outcome(certificate: certificate, partCount: nil, leftover: nil)
  }

  /// Removes all that is left of the parts.
  ///
  /// - Returns: what couldn't be removed.
  private func remove(_ folder: PartsFolder) -> String? {
    do throws(CheckpointError) {
      // The mark goes last: without it, what is left wouldn't be known for what it is.
      let names = try Directories.names(in: folder.partialPath)
      let own = Directories.split(folder.path).name
      for name in names where name != own {
        try Directories.removeTree("\(folder.partialPath)/\(name)")
      }
      for name in try Directories.names(in: folder.path) where name != Self.publicationName {
        try Directories.removeTree("\(folder.path)/\(name)")
      }
      try Directories.synchronise(folder.path)
      try Directories.synchronise(folder.partialPath)
      try Directories.removeTree(folder.partialPath)
      try Directories.synchronise(Directories.split(folder.partialPath).parent)
      return nil
    } catch { return folder.partialPath }
  }

  // MARK: Putting together

  private func merge(_ parts: CollectedParts) throws(CheckpointError) -> Outcome {
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
    return Outcome(
      certificate: certificate, partCount: parts.description.partCount,
      leftover: remove(folder) ?? leftover)
  }
}
