import FileContainers
import Foundation
public import TensorModel

/// How far the parts of a conversion or a verification are: what `status --json` prints.
public struct PartsStatus: Sendable, Encodable {
  /// The JSON schema that it validates against.
  public let schema = "parts/v1"
  /// Who wrote it.
  public let tool = Certificate.Tool.current
  /// How many parts there are.
  public let partCount: Int
  /// Whether all of them are.
  public let complete: Bool
  /// The others, as Slurm writes numbers: `2-3,7`.
  public let missing: String
  /// All parts, in order.
  public let parts: [Part]
  /// What of them is damaged, and what to do about it.
  public let damages: [CheckpointError]

  private enum CodingKeys: String, CodingKey {
    case schema, tool, partCount, complete, missing, parts
  }

  /// A part.
  public struct Part: Sendable, Encodable, Hashable {
    /// Its number, from 1.
    public let part: Int
    /// How far it is.
    public let state: State
    /// Bytes of its tensors.
    public let byteCount: Int
    /// Bytes of those that are written.
    public let doneByteCount: Int

    /// A part.
    public init(part: Int, state: State, byteCount: Int, doneByteCount: Int) {
      self.part = part
      self.state = state
      self.byteCount = byteCount
      self.doneByteCount = doneByteCount
    }
  }

  /// How far a part is.
  public enum State: String, Sendable, Encodable, Hashable {
    /// All of it is there.
    case complete
    /// Somebody is at work, or was stopped.
    case unfinished
    /// Nobody has begun it.
    case absent
  }

  /// The status of parts.
  ///
  /// - Parameter parts: all of them, in order.
  public init(_ parts: [Part]) {
    self.init(parts, missing: parts.filter { $0.state != .complete }.map(\.part))
  }

  private init(_ parts: [Part], missing: [Int], damages: [CheckpointError] = []) {
    partCount = parts.count
    complete = missing.isEmpty
    self.missing = NumberRanges.text(missing)
    self.parts = parts
    self.damages = damages
  }

  /// Looks at the parts of a destination.
  ///
  /// - Parameter destination: as the parts were given it.
  /// - Throws: `missing` if there are none, `malformed`, `inputOutput`.
  public init(of destination: String) throws(CheckpointError) {
    let kind: AtomicDestination.Kind = Targets.isSingleFile(destination) ? .file : .directory
    let partialPath = try AtomicDestination.partialPath(of: destination, kind: kind)
    guard let folder = try PartsFolder.found(in: partialPath) else {
      throw CheckpointError(
        .missing, "there are no parts of this destination", file: destination,
        hint: fileExists(destination)
          ? "it is there already: look at it with \(shellCommand("weighbridge inspect", destination))"
          : "begin with one: weighbridge convert … --part 1/N; jobs that were submitted are seen as soon as one has begun"
      )
    }
    guard let description = try folder.description() else {
      throw CollectedParts.undescribed(folder)
    }
    let states = try PartStates(folder, description)
    var damages = states.damages
    if let damage = CollectedParts.lackOfPlan(folder) { damages.append(damage) }
    self.init(states.parts, missing: states.missing, damages: damages)
  }
}

/// The states of all parts in a folder.
struct PartStates {
  let parts: [PartsStatus.Part]
  /// What is wrong with parts that have the name of complete ones; they count as unfinished.
  let damages: [CheckpointError]

  /// The numbers of those that aren't complete.
  var missing: [Int] { parts.filter { $0.state != .complete }.map(\.part) }

  /// Looks at the folder.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - description: what they have in common.
  ///   - readsRecords: whether it is made sure that what complete parts say can be read.
  /// - Throws: `inputOutput`.
  init(
    _ folder: PartsFolder, _ description: PartsDescription, readsRecords: Bool = true
  ) throws(CheckpointError) {
    // A listing finds names that a file system would still take for absent.
    let names = try Directories.names(in: folder.path)
    let complete = Set(names)
    var attempts: [Substring: [String]] = [:]
    for name in names where name.contains(".") {
      attempts[name.prefix { $0 != "." }, default: []].append(name)
    }
    let numbers = (1...max(1, description.partCount)).compactMap {
      PartNumber($0, of: description.partCount)
    }
    let errors = try ParallelPieces.map(readsRecords ? numbers.count : 0) {
      (place) throws(CheckpointError) in
      try Self.damage(folder, numbers[place], isThere: complete.contains(numbers[place].folderName))
    }
    damages = (readsRecords ? [folder.change] : []).compactMap { $0 } + errors.compactMap { $0 }
    var parts: [PartsStatus.Part] = []
    for part in numbers {
      let number = part.number
      let byteCount =
        description.byteCounts.count >= number ? description.byteCounts[number - 1] : 0
      let isThere = complete.contains(part.folderName)
      let isDamaged = errors.indices.contains(number - 1) && errors[number - 1] != nil
      let isComplete = isThere && !isDamaged && folder.isComplete(part)
      let own = attempts[part.folderName[...]] ?? []
      let done =
        isComplete
        ? byteCount : own.map { Self.doneByteCount("\(folder.path)/\($0)") }.max() ?? 0
      parts.append(
        .init(
          part: number,
          state: isComplete ? .complete : own.isEmpty && !isDamaged ? .absent : .unfinished,
          byteCount: byteCount, doneByteCount: min(done, byteCount)))
    }
    self.parts = parts
  }

  /// What keeps a complete part from being merged; nil if nothing does.
  private static func damage(
    _ folder: PartsFolder, _ part: PartNumber, isThere: Bool
  ) throws(CheckpointError) -> CheckpointError? {
    guard isThere else { return nil }
    do throws(CheckpointError) { _ = try folder.record(of: part) } catch {
      if error.code == .corrupt { return error }
      throw error
    }
    return nil
  }

  /// What an attempt says that it has written; 0 where it says nothing, or is gone just now.
  private static func doneByteCount(_ attempt: String) -> Int {
    let path = "\(attempt)/\(ShareSizes.fileName)"
    guard
      let text = try? InputFile.contents(
        of: path, limit: PartsDescription.maximumByteCount, recordedIn: nil),
      let sizes = try? RecordedPlan.parsed(ShareSizes.self, text[...], path),
      let claims = try? Journal.claims(at: "\(attempt)/\(Journal.fileName)")
    else { return 0 }
    return Set(claims.groups.map(\.group)).reduce(0) {
      $0 + (sizes.groups.indices.contains($1) ? sizes.groups[$1] : 0)
    }
  }
}
