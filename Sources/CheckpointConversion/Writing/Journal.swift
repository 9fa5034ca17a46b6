// The journal of a conversion, in the partial directory: what --resume may believe, after checking.
//
// 1. lines of the form `<CRC-32 of the rest, 8 hexadecimal digits> <JSON>\n`; what follows a broken line doesn't count
// 2. the first line: { "journal": 1, "plan": digest, "inputs": [{ "name", "byte_count", "modification_time" }] }
// 3. then, for each tensor that has been written: { "tensor": place in the plan, "digest", "rounded", "ulp", "overflows" }, with
//    "quantization" for blocks
// 4. { "changed": true } where an input turned out to have changed while it was read: what was claimed before doesn't count
// 5. for each volume of a store that is complete, after its tensors: { "volume": place in the plan, … }, see VolumeClaim
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

  /// What a finished tensor's line says.
  struct Claim: Codable, Hashable {
    let tensor: Int
    let digest: Digest
    let rounded: Int
    let ulp: Double
    let overflows: Int
    var quantization: QuantizationRecord?
  }

  /// What an interrupted run says that it has finished.
  struct Claims {
    var tensors: [Claim] = []
    var volumes: [VolumeClaim] = []
  }

  /// What makes all claims before it void.
  private struct Change: Codable { let changed: Bool }

  private struct Header: Codable, Hashable {
    struct Input: Codable, Hashable {
      let name: String
      let byteCount: Int?
      let modificationTime: Int?
    }
    let journal: Int
    let plan: Digest
    let inputs: [Input]

    init(_ plan: Digest, _ inputs: [Source.Input]) {
      journal = 1
      self.plan = plan
      self.inputs = inputs.map {
        Input(name: $0.name, byteCount: $0.byteCount, modificationTime: $0.modificationTime)
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
    at path: String, plan: Digest, inputs: [Source.Input]
  ) throws(CheckpointError) -> Journal {
    let file =
      fileExists(path)
      ? try OutputFile(resuming: path, byteCount: 0)
      : try OutputFile(creating: path, byteCount: 0)
    let journal = Journal(file, end: 0)
    try journal.append(Header(plan, inputs))
    return journal
  }

  /// Whether a partial directory has a journal of this tool: nothing else in it is ever removed.
  ///
  /// - Throws: `inputOutput`.
  static func marks(_ folder: String) throws(CheckpointError) -> Bool {
    let path = "\(folder)/\(fileName)"
    guard FileKind(ofEntry: path) == .file else { return false }
    let region = try InputFile(path: path).region
    let head = try region.head(firstLineLimit)
    guard
      let line = head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).first
    else { return true }
    // A line that is cut short was being written when the process ended.
    if line.endIndex == head.endIndex {
      return line.prefix(9).allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "f") ~= $0 || $0 == 0x20 }
        && line.dropFirst(9).prefix(1).allSatisfy { $0 == UInt8(ascii: "{") }
    }
    return content(of: line) != nil
  }

  /// More than the first line has, with the names of a checkpoint's files.
  private static let firstLineLimit = 64 << 20

  /// Takes up a journal.
  ///
  /// - Returns: the journal, cut after its last sound line, and its claims.
  /// - Throws: `conflict` if it belongs to another plan or other inputs.
  static func resume(
    at path: String, plan: Digest, inputs: [Source.Input]
  ) throws(CheckpointError) -> (journal: Journal, claims: Claims) {
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    var lines: [[UInt8]] = []
    var sound = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      // A line without its line feed was being written when the process ended.
      guard line.endIndex < bytes.endIndex, let content = Self.content(of: line) else { break }
      lines.append(content)
      sound = line.endIndex + 1
    }
    let decoder = JSONDecoder()
    func parsed<Value: Decodable>(_ type: Value.Type, _ line: [UInt8]) -> Value? {
      try? decoder.decode(type, from: Data(line))
    }
    guard let first = lines.first else {
      // Killed before the first line was whole: nothing has been claimed.
      let journal = Journal(try OutputFile(resuming: path, byteCount: 0), end: 0)
      try journal.append(Header(plan, inputs))
      return (journal, Claims())
    }
    guard let header = parsed(Header.self, first) else {
      throw CheckpointError(
        .conflict, "the unfinished conversion can't be resumed: its journal is damaged", file: path,
        hint: "remove it and start again without --resume")
    }
    let expected = Header(plan, inputs)
    guard header.plan == expected.plan, header.journal == expected.journal else {
      throw otherPlan(path, expected: plan, found: header.plan)
    }
    for (then, now) in zip(header.inputs, expected.inputs) where then != now {
      throw CheckpointError(
        .conflict, "an input has changed since the conversion was started", file: now.name,
        expected: "\(then.byteCount ?? 0) bytes, last changed then",
        found: "\(now.byteCount ?? 0) bytes, changed since",
        hint: "remove the partial directory and start again without --resume")
    }
    let journal = Journal(try OutputFile(resuming: path, byteCount: sound), end: sound)
    var claims = Claims()
    for line in lines.dropFirst() {
      if parsed(Change.self, line) != nil {
        claims = Claims()
      } else if let claim = parsed(Claim.self, line) {
        claims.tensors.append(claim)
      } else if let claim = parsed(VolumeClaim.self, line) {
        claims.volumes.append(claim)
      }
    }
    return (journal, claims)
  }

  /// The error for work that was begun with another plan.
  static func otherPlan(_ path: String, expected: Digest, found: Digest) -> CheckpointError {
    CheckpointError(
      .conflict, "the unfinished conversion was started with another source or other options",
      file: path, expected: "plan \(expected)", found: "\(found)",
      hint: "repeat the original command with --resume, or remove the partial directory")
  }

  /// Records a finished tensor.
  func record(_ claim: Claim) throws(CheckpointError) { try append(claim) }

  /// Records a finished volume of a store.
  func record(_ claim: VolumeClaim) throws(CheckpointError) { try append(claim) }

  /// Records that an input has changed, so that nothing before counts.
  func recordChange() throws(CheckpointError) { try append(Change(changed: true)) }

  private func append(_ value: some Encodable) throws(CheckpointError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let json = try? encoder.encode(value) else {
      throw CheckpointError(.inputOutput, "can't write the journal", file: file.path)
    }
    let content = [UInt8](json)
    let line = Array("\(Self.checksum(content)) ".utf8) + content + [UInt8(ascii: "\n")]
    let offset = end.withLock { position in
      defer { position += line.count }
      return position
    }
    try file.write(at: offset, line)
  }

  private static func content(of line: ArraySlice<UInt8>) -> [UInt8]? {
    guard line.count > 9 else { return nil }
    let content = Array(line.dropFirst(9))
    return Array(line.prefix(8)) == Array(checksum(content).utf8) ? content : nil
  }

  private static func checksum(_ bytes: [UInt8]) -> String {
    let text = String(wb_crc32(0, bytes, bytes.count), radix: 16)
    return String(repeating: "0", count: 8 - text.count) + text
  }
}

/// What the journal says of a finished volume of a store.
struct VolumeClaim: Codable, Hashable {
  /// Its place in the plan.
  let volume: Int
  let byteCount: Int
  let structureDigest: Digest
  /// For each tensor of the volume its chunks: offset, size, filter mask and CRC-32.
  let chunks: [[[Int]]]

  init(volume: Int, _ finished: FinishedVolume) {
    self.volume = volume
    byteCount = finished.byteCount
    structureDigest = finished.structureDigest
    chunks = finished.chunks.map { tensor in
      tensor.map { [$0.byteOffset, $0.byteCount, $0.filterMask, Int($0.checksum)] }
    }
  }

  /// The volume, whose file is still to be compared with this.
  var finished: FinishedVolume {
    FinishedVolume(
      byteCount: byteCount, structureDigest: structureDigest,
      chunks: chunks.map { tensor in
        tensor.compactMap { row in
          guard row.count == 4 else { return nil }
          return StoredChunk(
            byteOffset: row[0], byteCount: row[1], filterMask: row[2],
            checksum: UInt32(truncatingIfNeeded: row[3]))
        }
      })
  }
}
