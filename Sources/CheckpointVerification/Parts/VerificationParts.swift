// A folder of what several processes have found out of one checkpoint:
//
// 1. verification.json, written once, by whoever comes first: which checkpoint, how many parts, which checks
// 2. 00003-of-00032.json: what reading the tensors of a part has brought up
//
// Tensors are read in parts, by bytes; all else is checked by the merge, which opens the checkpoint's headers.

public import CheckpointConversion
public import CheckpointFormats
import FileContainers
import Foundation
public import TensorEvaluation
public import TensorModel

/// What is common to all parts of a verification.
struct VerificationDescription: Codable, Hashable {
  static let fileName = "verification.json"
  /// More than the names of a million tensors.
  static let maximumByteCount = 1 << 30

  var schema = "verification-parts/v1"
  /// As it was given, and where that was.
  let path: String
  let place: String
  let partCount: Int
  let selection: CheckSelection
  /// The configuration that was given with it.
  let configuration: [UInt8]?
  /// SHA-256 over what its headers and its files' sizes and times say.
  let catalogue: Digest

  init(
    _ path: String, _ options: OpenOptions, _ part: PartNumber, _ selection: CheckSelection,
    _ catalogue: Digest
  ) {
    self.path = path
    place = Directories.resolved(path)
    partCount = part.count
    self.selection = selection
    configuration = options.configuration
    self.catalogue = catalogue
  }

  /// What a folder says that it is of; nil if it says nothing.
  ///
  /// - Throws: `malformed`, `inputOutput`.
  init?(of folder: String) throws(CheckpointError) {
    let path = "\(folder)/\(Self.fileName)"
    guard FileKind(ofEntry: path) == .file else { return nil }
    self = try VerificationShare.parsed(Self.self, path)
  }

  /// Makes sure that a folder is of the same work, or says what it is of.
  ///
  /// - Throws: `conflict`, `noSpace`, `inputOutput`.
  func claim(_ folder: String) throws(CheckpointError) {
    if try VerificationDescription(of: folder) == nil {
      try Directories.requireParent(Directories.split(folder).parent)
      try SharedFolder.makeDirectory(folder)
      guard try Directories.names(in: folder).allSatisfy(VerificationShare.isName) else {
        throw CheckpointError(
          .conflict, "the folder for parts has other files", file: folder,
          hint: "name a new folder with --parts")
      }
      try SharedFolder.writeOnce(Self.fileName, in: folder, VerificationShare.text(self))
      try Directories.synchronise(folder)
    }
    guard let found = try VerificationDescription(of: folder), found.isOfSameWork(as: self) else {
      throw CheckpointError(
        .conflict, "parts of another verification are there", file: folder,
        hint:
          "give all parts the same checkpoint, number and checks, or name another folder with --parts"
      )
    }
  }

  /// Paths may differ from machine to machine.
  private func isOfSameWork(as other: VerificationDescription) -> Bool {
    (partCount, selection, configuration, catalogue)
      == (other.partCount, other.selection, other.configuration, other.catalogue)
  }
}

/// What a part of a verification has found out.
struct VerificationShare: Codable {
  let catalogue: Digest
  let reading: ContentsCheck.Reading

  /// The file of a part.
  static func fileName(_ part: PartNumber) -> String {
    String(format: "%05d-of-%05d.json", part.number, part.count)
  }

  /// Whether a file of that name may be in a folder of parts.
  static func isName(_ name: String) -> Bool {
    name == VerificationDescription.fileName || name.hasPrefix(".")
      || name.wholeMatch(of: /[0-9]{5}-of-[0-9]{5}\.json/) != nil
  }

  static func text(_ value: some Encodable) throws(CheckpointError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return [UInt8](try encoder.encode(value)) } catch {
      throw CheckpointError(.inputOutput, "can't write JSON: \(error)")
    }
  }

  static func parsed<Value: Decodable>(
    _ type: Value.Type, _ path: String
  ) throws(CheckpointError) -> Value {
    let text = try InputFile.contents(
      of: path, limit: VerificationDescription.maximumByteCount, recordedIn: nil)
    do { return try JSONDecoder().decode(type, from: Data(text)) } catch {
      throw CheckpointError(
        .malformed, "not what a part of a verification says", file: path,
        hint: "remove it, and do this part again")
    }
  }
}

/// A part of a verification: reads its share of the tensors.
public struct VerificationPart: Sendable {
  private let path: String
  private let options: OpenOptions
  private let resources: EvaluationResources
  private let selection: CheckSelection
  private let progress: WorkProgress

  /// A part.
  ///
  /// - Parameters:
  ///   - path: the checkpoint's.
  ///   - options: how to open it.
  ///   - resources: memory and threads.
  ///   - selection: which checks are to run.
  ///   - progress: told of bytes as they are read.
  public init(
    _ path: String, _ options: OpenOptions, _ resources: EvaluationResources,
    _ selection: CheckSelection, progress: WorkProgress
  ) {
    self.path = path
    self.options = options
    self.resources = resources
    self.selection = selection
    self.progress = progress
  }

  /// What came of it.
  public struct Outcome: Sendable {
    /// Tensors that were read.
    public let tensorCount: Int
    /// What is wrong with them; what is wrong with the whole, the merge says.
    public let findings: [Finding]
    /// Whether it was complete before.
    public let wasComplete: Bool
  }

  /// Reads the share, and says in the folder what came of it.
  ///
  /// - Parameters:
  ///   - part: which.
  ///   - folder: of all parts.
  /// - Returns: what came of it; a part that is complete is left as it is.
  /// - Throws: `conflict` if parts of other work are there; what keeps the check from running.
  public func run(
    _ part: PartNumber, in folder: String
  ) throws(CheckpointError) -> Outcome {
    guard FileKind(of: path) != nil else { throw PathObstacle.error(path) }
    guard try !Source.needsUnpacking(path) else {
      throw CheckpointError(
        .usage, "every part would unpack the whole archive", file: path,
        hint: "unpack it once, and verify the folder: mkdir step && tar -xf ARCHIVE -C step")
    }
    let source: Source?
    do throws(CheckpointError) { source = try Source(path, options) } catch {
      if error.code.isTransient { throw error }
      guard error.check != "base" else {
        throw CheckpointError(
          .usage, "a difference isn't verified in parts", file: path,
          hint: "verify it whole, with its base:",
          hintLines: [shellCommand("weighbridge verify --base BASE", path)])
      }
      source = nil
    }
    let catalogue = try Self.catalogue(source)
    try VerificationDescription(path, options, part, selection, catalogue).claim(folder)
    let name = VerificationShare.fileName(part)
    let file = "\(folder)/\(name)"
    if fileExists(file) {
      let share = try VerificationShare.parsed(VerificationShare.self, file)
      guard share.catalogue == catalogue else {
        throw CheckpointError(
          .conflict, "is a part of another verification", file: file,
          hint: "remove it, and do this part again")
      }
      return outcome(share.reading, wasComplete: true)
    }
    var reading = ContentsCheck.Reading()
    if let source {
      let tensors = source.checkpoint.tensors
      let runs = EvenRuns(tensors.map(\.byteCount)).runs(part.count)
      let own = runs[part.number - 1]
      progress.begin("reading", tensors[own].reduce(0) { $0 + $1.byteCount })
      reading = try ContentsCheck(
        source, resources, countsValues: selection.runs(.values), progress
      ).read(own)
      try source.confirm()
    }
    try SharedFolder.writeOnce(
      name, in: folder,
      VerificationShare.text(VerificationShare(catalogue: catalogue, reading: reading)))
    try Directories.synchronise(folder)
    return outcome(reading, wasComplete: false)
  }

  private func outcome(_ reading: ContentsCheck.Reading, wasComplete: Bool) -> Outcome {
    Outcome(
      tensorCount: reading.contents.identities.count, findings: reading.errors + reading.values,
      wasComplete: wasComplete)
  }

  /// What tells whether two processes have opened the same checkpoint; one that can't be opened is like others.
  static func catalogue(_ source: Source?) throws(CheckpointError) -> Digest {
    guard let source else { return Digest(of: []) }
    var digest = StreamingDigest()
    func add(_ text: String) {
      Array("\(text)\n".utf8).withUnsafeBytes { digest.update($0) }
    }
    for tensor in source.checkpoint.tensors {
      add("\(tensor.dtype.rawValue) \(tensor.shape) \(tensor.file) \(tensor.name)")
    }
    for input in source.inputs {
      add("\(input.byteCount ?? 0) \(input.modificationTime ?? 0) \(input.name)")
    }
    return digest.digest
  }
}

/// All parts of a verification together.
public struct VerificationMerge: Sendable {
  private let folder: String
  private let resources: EvaluationResources
  private let catalogues: CatalogueProcess?
  private let datasets: DatasetProcess?

  /// Whether a folder is of parts of a verification.
  public static func isOne(_ folder: String) -> Bool {
    FileKind(ofEntry: "\(folder)/\(VerificationDescription.fileName)") == .file
  }

  /// A merge.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - resources: memory and threads.
  ///   - catalogues: lists what libhdf5 sees in a store's volumes.
  ///   - datasets: opens HDF5 files of others.
  public init(
    _ folder: String, _ resources: EvaluationResources, catalogues: CatalogueProcess?,
    datasets: DatasetProcess?
  ) {
    self.folder = folder
    self.resources = resources
    self.catalogues = catalogues
    self.datasets = datasets
  }

  /// The report, as a single run would have it.
  ///
  /// - Throws: `missing` where parts are, `conflict` if the checkpoint has changed since, what keeps the checks from running.
  public func run() throws(CheckpointError) -> VerificationReport {
    guard let description = try VerificationDescription(of: folder) else {
      throw CheckpointError(.missing, "no parts of a verification", file: folder)
    }
    var reading = ContentsCheck.Reading()
    var missing: [Int] = []
    for number in 1...max(1, description.partCount) {
      guard let part = PartNumber(number, of: description.partCount) else { break }
      let path = "\(folder)/\(VerificationShare.fileName(part))"
      guard fileExists(path) else {
        missing.append(number)
        continue
      }
      let share = try VerificationShare.parsed(VerificationShare.self, path)
      guard share.catalogue == description.catalogue else {
        throw CheckpointError(
          .conflict, "is a part of another verification", file: path,
          hint: "remove it, and do this part again")
      }
      reading.contents.identities += share.reading.contents.identities
      reading.contents.census += share.reading.contents.census
      reading.errors += share.reading.errors
      reading.values += share.reading.values
    }
    guard missing.isEmpty else {
      throw CheckpointError(
        .missing, "not all parts are complete", file: folder,
        expected: counted(description.partCount, "part"),
        found: "without \(NumberRanges.text(missing))", hint: "do these, then merge again")
    }
    return try verified(description, reading)
  }

  private func verified(
    _ description: VerificationDescription, _ reading: ContentsCheck.Reading
  ) throws(CheckpointError) -> VerificationReport {
    let isHere = Directories.resolved(description.path) == description.place
    let path = isHere ? description.path : description.place
    var options = OpenOptions(checkCancellation: resources.checkCancellation)
    options.datasets = datasets
    options.configuration = description.configuration
    options.replacesConfiguration = true
    let source = try ifUsable { () throws(CheckpointError) in try Source(path, options) }
    guard try VerificationPart.catalogue(source) == description.catalogue else {
      throw CheckpointError(
        .conflict, "the checkpoint has changed since its parts were verified", file: path,
        hint: "verify it again, with another folder for the parts")
    }
    let tensors = source?.checkpoint.tensors ?? []
    let identities = reading.contents.identities
    let isWhole =
      !reading.errors.isEmpty
      || identities.count == tensors.count
        && zip(identities, tensors).allSatisfy { ExactName($0.name) == ExactName($1.name) }
        && [0, tensors.count].contains(reading.contents.census.count)
    guard isWhole else {
      throw CheckpointError(
        .malformed, "the parts don't say of every tensor what came of it", file: folder,
        hint: "remove the folder, and do all parts again with one version of weighbridge")
    }
    var verifier = Verifier(path, options, resources, catalogues: catalogues)
    verifier.reading = reading
    return try verifier.run(against: nil, description.selection)
  }
}
