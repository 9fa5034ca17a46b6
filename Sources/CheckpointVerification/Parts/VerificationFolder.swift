// A folder of what several processes have found out of one checkpoint:
//
// 1. verification.json, written once, by whoever comes first: what was asked for, how many parts
// 2. 00003-of-00032.json: what a part's reading has brought up
//
// Tensors and files are read in parts, by bytes; all else is checked by the merge, which opens headers.

import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel

/// What is common to all parts of a verification.
struct VerificationDescription: Codable, Hashable {
  static let fileName = "verification.json"
  /// More than the names of a million tensors.
  static let maximumByteCount = 1 << 30

  var schema = "verification-parts/v1"
  let partCount: Int
  let request: VerificationRequest
  /// SHA-256 over what headers, and files' sizes and times, say of all checkpoints that are read.
  let catalogue: Digest
  /// Bytes of the tensors of each part.
  let byteCounts: [Int]

  init(
    _ request: VerificationRequest, _ part: PartNumber, _ catalogue: Digest, _ source: Source?
  ) {
    self.request = request
    partCount = part.count
    self.catalogue = catalogue
    byteCounts = EvenRuns(source?.checkpoint.tensors.map(\.byteCount) ?? [])
      .byteCounts(part.count)
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
    let found = try VerificationDescription(of: folder)
    guard let found, found.isOfSameWork(as: self) else {
      throw CheckpointError(
        .conflict, "parts of another verification are there", file: folder,
        expected: work, found: found?.work ?? "nothing",
        hint:
          "give all parts the same checkpoint, number and options, or name another folder with --parts"
      )
    }
  }

  /// What it is of, for messages.
  private var work: String {
    "\(counted(partCount, "part")) of \(catalogue)\(request.summary.isEmpty ? "" : " \(request.summary)")"
  }

  /// Paths may differ from machine to machine.
  private func isOfSameWork(as other: VerificationDescription) -> Bool {
    partCount == other.partCount && catalogue == other.catalogue
      && request.isOfSameWork(as: other.request)
  }
}

/// What a part of a verification has found out.
struct VerificationShare: Codable {
  let catalogue: Digest
  let reading: VerificationReading

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

/// How far all parts are.
extension VerificationDescription {
  /// The numbers of the parts that aren't complete.
  ///
  /// - Parameter folder: of the parts.
  /// - Returns: the numbers, ascending.
  /// - Throws: `inputOutput`.
  func missing(in folder: String) throws(CheckpointError) -> [Int] {
    let names = Set(try Directories.names(in: folder))
    return (1...max(1, partCount)).filter { number in
      PartNumber(number, of: partCount).map { !names.contains(VerificationShare.fileName($0)) }
        ?? false
    }
  }
}
