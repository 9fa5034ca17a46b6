import FileContainers
import Foundation
import TensorModel

/// part.json: what a part has done, written when all of it is durable.
struct PartRecord: Decodable {
  static let fileName = "part.json"
  /// The folder beside it with the files and pieces.
  static let folderName = "files"
  /// Whether something that a part writes beside its files is called so, or was while it was written.
  static func isEntry(_ name: String) -> Bool {
    [fileName, folderName, Journal.fileName, ShareSizes.fileName].contains {
      name == $0 || name.hasPrefix(".\($0).")
    }
  }

  /// More than the claims of a million tensors have.
  static let maximumByteCount = 1 << 30

  let head: Head
  /// What was found out of its groups, by their places in the whole plan.
  let claims: [Journal.Claim]
  /// What was found out of its volumes, likewise.
  let volumes: [VolumeClaim]

  struct Head: Codable, Hashable {
    var schema = "part/v1"
    let plan: Digest
    let part: Int
    let partCount: Int
    let files: [File]
    /// Files written whole beside the weights, of part 1.
    let sidecars: [String]
    /// What reading brought up beside the tensors, of part 1.
    let findings: [Finding]
    /// Digests of the inputs that it was its share to hash.
    let inputs: [Input]
  }

  /// A file, or a piece of one.
  struct File: Codable, Hashable {
    /// Its name in the folder of files.
    let name: String
    let byteCount: Int
    /// The file's place in the plan.
    let file: Int
    /// The bytes of the file that it consists of, first and past the last of each run; nil for all.
    let ranges: [[Int]]?
  }

  /// A file that was read.
  struct Input: Codable, Hashable {
    let name: String
    let digest: Digest
  }

  private enum CodingKeys: String, CodingKey { case head, claims, volumes }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    head = try container.decode(Head.self, forKey: .head)
    claims = try container.decode([Journal.Claim].self, forKey: .claims)
    volumes = try container.decode([VolumeClaim].self, forKey: .volumes)
  }

  /// The text of a record.
  static func text(
    _ head: Head, _ claims: [Journal.Claim], _ volumes: [VolumeClaim]
  ) throws(CheckpointError) -> [UInt8] {
    var text = Array("{\"head\":".utf8) + (try RecordedPlan.json(head))
    text += Array(",\"claims\":".utf8) + (try RecordedPlan.json(claims))
    text += Array(",\"volumes\":[".utf8)
    for (place, volume) in volumes.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      text += volume.json
    }
    text += "]}\n".utf8
    return text
  }

  /// Reads the record of a part that is complete.
  ///
  /// - Parameter folder: of the part.
  /// - Throws: `malformed`, `inputOutput`.
  init(of folder: String) throws(CheckpointError) {
    let path = "\(folder)/\(Self.fileName)"
    let text = try InputFile.contents(of: path, limit: Self.maximumByteCount, recordedIn: nil)
    self = try RecordedPlan.parsed(PartRecord.self, text[...], path)
  }
}
