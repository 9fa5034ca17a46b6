// The folder of a conversion's parts, `.NAME.partial/parts`, on a file system that several machines share:
//
// 1. plan.json and parts.json, written once, by whoever comes first
// 2. array-from-0 or array-from-1, empty: with which number a scheduler's array began
// 3. input-changed, empty: an input was changed while a part was made of it
// 4. 00003-of-00032: a part that is complete
// 5. 00003-of-00032.5f0c…: an attempt at a part, of one process, which renames it when it is complete; who goes on with it renames it first
//
// There are no locks: see `SharedFolder`.

import FileContainers
import TensorModel

/// Where the parts of a conversion lie.
struct PartsFolder: Sendable {
  /// `.NAME.partial`.
  let partialPath: String
  /// The folder itself, which has another name while it is merged.
  let path: String

  static let name = "parts"
  private static let mergingPrefix = "merging-"

  /// The folder in a partial directory, whether it is there or not.
  init(in partialPath: String) {
    self.partialPath = partialPath
    path = "\(partialPath)/\(Self.name)"
  }

  private init(in partialPath: String, name: String) {
    self.partialPath = partialPath
    path = "\(partialPath)/\(name)"
  }

  /// The folder that is being merged, or of which that was interrupted; nil if there is none.
  ///
  /// - Throws: `inputOutput`.
  static func merging(in partialPath: String) throws(CheckpointError) -> PartsFolder? {
    guard FileKind(ofEntry: partialPath) == .directory else { return nil }
    let name = try Directories.names(in: partialPath).first {
      $0.hasPrefix(mergingPrefix) && FileKind(ofEntry: "\(partialPath)/\($0)") == .directory
    }
    return name.map { PartsFolder(in: partialPath, name: $0) }
  }

  /// Whichever is there: the folder that is merged, or that of parts.
  ///
  /// - Returns: nil if there is none.
  /// - Throws: `inputOutput`.
  static func found(in partialPath: String) throws(CheckpointError) -> PartsFolder? {
    if let merging = try merging(in: partialPath) { return merging }
    let folder = PartsFolder(in: partialPath)
    return FileKind(ofEntry: folder.path) == .directory ? folder : nil
  }

  /// Takes the folder for a merge, from parts or from a merge that was interrupted.
  ///
  /// - Returns: the folder under a name that nobody else knows.
  /// - Throws: `conflict` if another merge was faster.
  func takenForMerging() throws(CheckpointError) -> PartsFolder {
    let own = PartsFolder(
      in: partialPath, name: Self.mergingPrefix + SharedFolder.uniqueName())
    guard try SharedFolder.move(path, to: own.path) else {
      throw CheckpointError(
        .conflict, "another merge of these parts is at work", file: path,
        hint: "wait for it to end; if it was stopped, repeat the command")
    }
    try Directories.synchronise(partialPath)
    return own
  }

  // MARK: What is common to all parts

  /// What all parts have in common; nil as long as nobody has said it.
  ///
  /// - Throws: `malformed`, `inputOutput`.
  func description() throws(CheckpointError) -> PartsDescription? {
    let path = "\(self.path)/\(PartsDescription.fileName)"
    guard FileKind(ofEntry: path) == .file else { return nil }
    let text = try InputFile.contents(
      of: path, limit: PartsDescription.maximumByteCount, recordedIn: nil)
    return try RecordedPlan.parsed(PartsDescription.self, text[...], path)
  }

  /// Makes sure that the folder is there and that what is in it is of the same work, or says what that is.
  ///
  /// - Parameters:
  ///   - own: what this part is of.
  ///   - plan: makes the text of `plan.json`.
  /// - Throws: `conflict` if parts of other work are there, or a conversion without parts; `noSpace`, `inputOutput`.
  func claim(
    _ own: PartsDescription, _ plan: () throws(CheckpointError) -> [UInt8]
  ) throws(CheckpointError) {
    try OwnParts(partialPath).require()
    if let change { throw change }
    if let found = try description() { return try own.require(found, in: path) }
    try SharedFolder.makeDirectory(partialPath)
    let journal = "\(partialPath)/\(AtomicDestination.markName)"
    if fileExists(journal) { throw OwnParts.undivided(partialPath) }
    try SharedFolder.makeDirectory(path)
    let planPath = "\(path)/\(PartsDescription.planName)"
    if !fileExists(planPath) {
      try SharedFolder.writeOnce(PartsDescription.planName, in: path, plan())
    }
    // It may be another process's, which has found the source under another path.
    let file = try InputFile(path: planPath)
    var own = own
    own.planFile = PartsDescription.File(
      byteCount: file.byteCount, digest: try Digest(ofFile: file))
    try SharedFolder.writeOnce(PartsDescription.fileName, in: path, RecordedPlan.json(own))
    try Directories.synchronise(path)
    try Directories.synchronise(partialPath)
    try Directories.synchronise(Directories.split(partialPath).parent)
    if let found = try description() { try own.require(found, in: path) }
  }

  // MARK: Names

  /// Whether a directory of parts is called so, as they are done or merged.
  static func isName(_ name: String) -> Bool { name == Self.name || isMergingName(name) }

  /// Whether a directory of parts that are being merged is called so.
  static func isMergingName(_ name: String) -> Bool { name.hasPrefix(mergingPrefix) }

  /// Whether something that this tool writes is called so in one.
  static func isEntry(_ name: String) -> Bool {
    let isPart = name.prefixMatch(of: /[0-9]{5}-of-[0-9]{5}(\.|$)/) != nil
    return isPart || name == changeName || name.hasPrefix(arrayPrefix)
      || [
        PartsDescription.fileName, PartsDescription.planName, PartsMerge.resultName,
        PartsMerge.publicationName,
      ].contains { name == $0 || name.hasPrefix(".\($0).") }
  }

  // MARK: Arrays

  private static let arrayPrefix = "array-from-"

  /// With which number the scheduler's array began that the parts are of; nil if nobody has said it.
  var firstArrayNumber: Int? {
    (0...1).first { fileExists("\(path)/\(Self.arrayPrefix)\($0)") }
  }

  /// Notes with which number the array began, for runs of some of its tasks that don't tell.
  ///
  /// - Throws: `noSpace`, `inputOutput`.
  func noteArray(from number: Int) throws(CheckpointError) {
    guard firstArrayNumber == nil else { return }
    let path = "\(self.path)/\(Self.arrayPrefix)\(number)"
    do throws(CheckpointError) { try OutputFile.create(path, contents: []) } catch {
      guard fileExists(path) else { throw error }
    }
  }

  // MARK: Changed inputs

  private static let changeName = "input-changed"

  /// Why no part counts: an input was changed while one was made of it, and nobody knows which of the others were made before; nil as a rule.
  var change: CheckpointError? {
    guard fileExists("\(path)/\(Self.changeName)") else { return nil }
    return CheckpointError(
      .conflict, "an input was changed while a part was made of it: no part counts any more",
      file: path,
      hint: "remove them and begin again: \(shellCommand("rm -r", partialPath))")
  }

  /// Notes that an input was changed, whatever its size and time are now.
  func noteChange() { try? OutputFile.create("\(path)/\(Self.changeName)", contents: []) }

  // MARK: Parts

  /// The folder of a complete part.
  func path(of part: PartNumber) -> String { "\(path)/\(part.folderName)" }

  /// Whether a part is complete.
  func isComplete(_ part: PartNumber) -> Bool {
    fileExists("\(path(of: part))/\(PartRecord.fileName)")
  }

  /// What a complete part says; nil where it isn't complete.
  ///
  /// - Throws: `corrupt` where its folder has its name, which none has before it is complete, and no record or a damaged one.
  func record(of part: PartNumber) throws(CheckpointError) -> PartRecord? {
    let path = path(of: part)
    guard FileKind(ofEntry: path) != nil else { return nil }
    do throws(CheckpointError) {
      let record = try PartRecord(of: path)
      guard record.head.part == part.number, record.head.partCount == part.count else {
        throw CheckpointError(.malformed, "is another part's", file: path)
      }
      return record
    } catch {
      // Somebody may have taken it just now.
      guard FileKind(ofEntry: path) != nil else { return nil }
      if error.code.isTransient { throw error }
      let isThere = fileExists("\(path)/\(PartRecord.fileName)")
      throw CheckpointError(
        .corrupt,
        isThere
          ? "a part's \(PartRecord.fileName) is damaged: what it has done isn't known"
          : "a part's \(PartRecord.fileName) is gone: what it has done isn't known",
        file: path, hint: "remove this part, and do it again: \(shellCommand("rm -r", path))")
    }
  }

  /// The names of unfinished attempts at a part.
  ///
  /// - Throws: `inputOutput`.
  func attempts(at part: PartNumber) throws(CheckpointError) -> [String] {
    try Directories.names(in: path).filter { $0.hasPrefix("\(part.folderName).") }
  }

  /// Removes the folder where no part and no attempt is in it: nobody needs what the others would have in common.
  func removeIfUnused() {
    guard let names = try? Directories.names(in: path),
      names.allSatisfy({
        [PartsDescription.fileName, PartsDescription.planName, Self.changeName].contains($0)
          || $0.hasPrefix(Self.arrayPrefix) || $0.hasPrefix(".")
      })
    else { return }
    for name in [PartsDescription.fileName] + names {
      try? Directories.removeTree("\(path)/\(name)")
    }
    // With anything in them they stay.
    try? FileSystem.operations.removeDirectory(path)
    try? FileSystem.operations.removeDirectory(partialPath)
  }
}
