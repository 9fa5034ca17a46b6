// The journal of a conversion, in the partial directory: what --resume may believe, after checking.
//
// 1. lines of the form `<CRC-32 of the rest, 8 hexadecimal digits> <JSON>\n`; what follows a broken line doesn't count
// 2. the first line: { "journal": 3, "plan": digest, "files": [all that is to be written], "inputs": [{ "name", "byteCount",
//    "modificationTime", "changeTime", "inode" }] }, or { "discarded": true } where the rest of the directory is what was replaced
// 3. then, for each group that has been written: { "group": place in the plan, "digests": [of each part], "rounded", "ulp", "overflows" },
//    with "quantization" for blocks
// 4. { "changed": true } where an input turned out to have changed while it was read: what was claimed before doesn't count
// 5. for each volume of a store that is complete, after its groups: { "volume": place in the plan, … }, see VolumeClaim
//
// Lines aren't synced: after a power loss a claim can be there and the data not, which re-hashing finds.

import CTensorKernels
import CheckpointFormats
import FileContainers
import Foundation
import StoreWriting
import Synchronization
import TensorEvaluation
import TensorModel

/// The record of what a conversion has finished.
final class Journal: Sendable {
  static let fileName = AtomicDestination.markName

  /// What a finished group's line says.
  struct Claim: Codable, Hashable {
    private(set) var group: Int
    /// One for each part.
    let digests: [Digest]
    let rounded: Int
    let ulp: Double
    let overflows: Int
    var quantization: QuantizationRecord?
    /// Values that are no numbers, and infinite ones; nil where nobody counted.
    var nans: Int?
    var infinities: Int?

    /// The same of a group at another place.
    func at(_ group: Int) -> Claim {
      var claim = self
      claim.group = group
      return claim
    }
  }

  /// What an interrupted run says that it has finished.
  struct Claims {
    var groups: [Claim] = []
    var volumes: [VolumeClaim] = []
    /// The input that has been put in the place of another one of the same size and time since, so that nothing counts.
    var replacedInput: String?

    /// There are none.
    init(groups: [Claim] = [], replacedInput: String? = nil) {
      self.groups = groups
      self.replacedInput = replacedInput
    }

    /// What lines after the first say.
    fileprivate init(_ lines: some Sequence<[UInt8]>) {
      for line in lines {
        if Journal.parsed(Change.self, line) != nil {
          self = Claims()
        } else if let claim = Journal.parsed(Claim.self, line) {
          groups.append(claim)
        } else if let claim = Journal.parsed(VolumeClaim.self, line) {
          volumes.append(claim)
        }
      }
    }
  }

  private static func parsed<Value: Decodable>(_ type: Value.Type, _ line: [UInt8]) -> Value? {
    try? decoder.decode(type, from: Data(line))
  }

  private static let decoder = JSONDecoder()

  /// What makes all claims before it void.
  private struct Change: Codable { let changed: Bool }

  private struct Header: Codable, Hashable {
    struct Input: Codable, Hashable {
      let name: String
      let byteCount: Int?
      let modificationTime: Int?
      let changeTime: Int?
      let inode: UInt64?

      /// Whether the size and the time are those that a copy keeps, too.
      func looks(like other: Input) -> Bool {
        (name, byteCount, modificationTime)
          == (other.name, other.byteCount, other.modificationTime)
      }
    }
    let journal: Int
    let plan: Digest
    let files: [String]
    let inputs: [Input]

    init(_ plan: Digest, _ files: [String], _ inputs: [Source.Input]) {
      journal = 3
      self.plan = plan
      self.files = files
      self.inputs = inputs.map {
        Input(
          name: $0.name, byteCount: $0.byteCount, modificationTime: $0.modificationTime,
          changeTime: $0.changeTime, inode: $0.identity?.inode)
      }
    }
  }

  private let file: OutputFile
  private let end: Mutex<Int>

  private init(_ file: OutputFile, end: Int) {
    self.file = file
    self.end = Mutex(end)
  }

  /// Begins a journal, which may be there and be empty.
  static func create(
    at path: String, plan: Digest, files: [String], inputs: [Source.Input]
  ) throws(CheckpointError) -> Journal {
    let file =
      fileExists(path)
      ? try OutputFile(resuming: path, byteCount: 0)
      : try OutputFile(creating: path, byteCount: 0)
    let journal = Journal(file, end: 0)
    try journal.append(Header(plan, files, inputs))
    // Without this line, after a power loss, nobody would know whose the files are.
    try file.synchronise()
    return journal
  }

  /// Takes up a journal.
  ///
  /// - Returns: the journal, cut after its last sound line, and its claims.
  /// - Throws: `conflict` if it belongs to another plan or other inputs.
  static func resume(
    at path: String, plan: Digest, files: [String], inputs: [Source.Input]
  ) throws(CheckpointError) -> (journal: Journal, claims: Claims) {
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    let (lines, sound) = soundLines(of: bytes)
    guard let first = lines.first else {
      // Killed before the first line was whole: nothing has been claimed.
      let journal = Journal(try OutputFile(resuming: path, byteCount: 0), end: 0)
      try journal.append(Header(plan, files, inputs))
      try journal.file.synchronise()
      return (journal, Claims())
    }
    guard let header = parsed(Header.self, first) else {
      throw CheckpointError(
        .conflict, "the unfinished conversion can't be resumed: its journal is damaged", file: path,
        hint: "remove it and start again without --resume")
    }
    let expected = Header(plan, files, inputs)
    guard header.plan == expected.plan, header.journal == expected.journal else {
      throw otherPlan(path, expected: plan, found: header.plan)
    }
    for (then, now) in zip(header.inputs, expected.inputs) where !now.looks(like: then) {
      throw CheckpointError(
        .conflict, "an input has changed since the conversion was started", file: now.name,
        expected: "\(then.byteCount ?? 0) bytes, last changed then",
        found: "\(now.byteCount ?? 0) bytes, changed since",
        hint: "start again without --resume, after:",
        hintLines: [shellCommand("rm -r", Directories.split(path).parent)])
    }
    for (then, now) in zip(header.inputs, expected.inputs) where then != now {
      // Another file with the size and time of the one that was read: what was made of that proves nothing.
      let journal = try create(at: path, plan: plan, files: files, inputs: inputs)
      return (journal, Claims(replacedInput: now.name))
    }
    let journal = Journal(try OutputFile(resuming: path, byteCount: sound), end: sound)
    return (journal, Claims(lines.dropFirst()))
  }

  /// The contents of the lines that are whole, and where they end.
  private static func soundLines(of bytes: [UInt8]) -> (lines: [[UInt8]], end: Int) {
    var lines: [[UInt8]] = []
    var sound = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      // A line without its line feed was being written when the process ended.
      guard line.endIndex < bytes.endIndex, let content = Self.content(of: line) else { break }
      lines.append(content)
      sound = line.endIndex + 1
    }
    return (lines, sound)
  }

  /// What a journal claims, whatever it is of; for those who only look.
  ///
  /// - Throws: `missing`, `inputOutput`.
  static func claims(at path: String) throws(CheckpointError) -> Claims {
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    return Claims(soundLines(of: bytes).lines.dropFirst())
  }

  /// Whether the last that a journal says is that an input has changed, so that nothing counts; false where it can't be read.
  static func isVoid(at path: String) -> Bool {
    let bytes = try? InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    return bytes.flatMap { soundLines(of: $0).lines.last }
      .flatMap { parsed(Change.self, $0) } != nil
  }

  /// What is said where `Claims.replacedInput` is an input.
  static func replacement(of input: String) -> Finding {
    Finding(
      .warning, "input-replaced",
      "another file stands there than when the conversion was started, of the same size and time: everything is made again",
      file: input)
  }

  /// The error for work that was begun with another plan.
  static func otherPlan(_ path: String, expected: Digest, found: Digest) -> CheckpointError {
    CheckpointError(
      .conflict, "the unfinished conversion was started with another source or other options",
      file: path, expected: "plan \(expected)", found: "\(found)",
      hint: "repeat the original command with --resume, or remove the partial directory")
  }

  /// Records a finished group.
  func record(_ claim: Claim) throws(CheckpointError) { try append(claim) }

  /// Records a finished volume of a store.
  func record(_ claim: VolumeClaim) throws(CheckpointError) { try append(json: claim.json) }

  /// Records that an input has changed, so that nothing before counts.
  func recordChange() throws(CheckpointError) { try append(Change(changed: true)) }

  private func append(_ value: some Encodable) throws(CheckpointError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let json = try? encoder.encode(value) else {
      throw CheckpointError(.inputOutput, "can't write the journal", file: file.path)
    }
    try append(json: [UInt8](json))
  }

  private func append(json: [UInt8]) throws(CheckpointError) {
    let line = Self.line(json)
    let offset = end.withLock { position in
      defer { position += line.count }
      return position
    }
    try file.write(at: offset, line)
  }

  /// The line of a journal in a directory whose other files have been replaced, and are to be removed.
  static let discardedLine = line(Array(#"{"discarded":true}"#.utf8))

  private static func line(_ content: [UInt8]) -> [UInt8] {
    Array("\(checksum(content)) ".utf8) + content + [UInt8(ascii: "\n")]
  }

  static func content(of line: ArraySlice<UInt8>) -> [UInt8]? {
    guard line.count > 9 else { return nil }
    let content = Array(line.dropFirst(9))
    return Array(line.prefix(8)) == Array(checksum(content).utf8) ? content : nil
  }

  private static func checksum(_ bytes: [UInt8]) -> String {
    let text = String(wb_crc32(0, bytes, bytes.count), radix: 16)
    return String(repeating: "0", count: 8 - text.count) + text
  }
}
