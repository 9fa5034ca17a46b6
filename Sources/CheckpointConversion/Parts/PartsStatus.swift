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

  private init(_ parts: [Part], missing: [Int]) {
    partCount = parts.count
    complete = missing.isEmpty
    self.missing = NumberRanges.text(missing)
    self.parts = parts
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
    self.init(states.parts, missing: states.missing)
  }
}

/// The states of all parts in a folder.
struct PartStates {
  let parts: [PartsStatus.Part]

  /// The numbers of those that aren't complete.
  var missing: [Int] { parts.filter { $0.state != .complete }.map(\.part) }

  /// Looks at the folder.
  ///
  /// - Throws: `inputOutput`.
  init(_ folder: PartsFolder, _ description: PartsDescription) throws(CheckpointError) {
    // A listing finds names that a file system would still take for absent.
    let names = try Directories.names(in: folder.path)
    let complete = Set(names)
    var attempts: [Substring: [String]] = [:]
    for name in names where name.contains(".") {
      attempts[name.prefix { $0 != "." }, default: []].append(name)
    }
    var parts: [PartsStatus.Part] = []
    for number in 1...max(1, description.partCount) {
      guard let part = PartNumber(number, of: description.partCount) else { break }
      let byteCount =
        description.byteCounts.count >= number ? description.byteCounts[number - 1] : 0
      let isComplete = complete.contains(part.folderName) && folder.isComplete(part)
      let own = attempts[part.folderName[...]] ?? []
      let done =
        isComplete
        ? byteCount : own.map { Self.doneByteCount("\(folder.path)/\($0)") }.max() ?? 0
      parts.append(
        .init(
          part: number,
          state: isComplete ? .complete : own.isEmpty ? .absent : .unfinished,
          byteCount: byteCount, doneByteCount: min(done, byteCount)))
    }
    self.parts = parts
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
