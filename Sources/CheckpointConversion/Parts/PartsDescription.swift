import CheckpointFormats
import FileContainers
import Foundation
import TensorModel

/// parts.json: what all parts of a conversion have in common.
///
/// Whoever comes first writes it, and the others compare it with theirs.
struct PartsDescription: Codable, Hashable, Sendable {
  static let fileName = "parts.json"
  static let planName = "plan.json"
  /// More than such a file has with the names of many thousand inputs.
  static let maximumByteCount = 64 << 20
  /// More than the plan of a million tensors has.
  static let maximumPlanByteCount = 1 << 30

  var schema = "parts-description/v1"
  /// The digest of the plan, which doesn't depend on how many parts there are.
  let plan: Digest
  let partCount: Int
  /// Bytes of tensors in each part.
  let byteCounts: [Int]
  /// Whether the certificate has digests of the inputs.
  let hashesInputs: Bool
  let inputs: [Input]
  /// What `plan.json` is.
  var planFile: File?

  /// A file that is read.
  struct Input: Codable, Hashable, Sendable {
    let name: String
    let byteCount: Int?
    let modificationTime: Int?
  }

  /// A file of ours.
  struct File: Codable, Hashable, Sendable {
    let byteCount: Int
    let digest: Digest
  }

  /// What a part expects.
  init(
    _ plan: Digest, partCount: Int, byteCounts: [Int], hashesInputs: Bool, _ source: Source
  ) {
    self.plan = plan
    self.partCount = partCount
    self.byteCounts = byteCounts
    self.hashesInputs = hashesInputs
    inputs = source.inputs.map {
      Input(name: $0.name, byteCount: $0.byteCount, modificationTime: $0.modificationTime)
    }
  }

  /// Makes sure that parts that are there are of the same work.
  ///
  /// - Parameters:
  ///   - found: what is there.
  ///   - folder: where.
  /// - Throws: `conflict`, naming both plans.
  func require(_ found: PartsDescription, in folder: String) throws(CheckpointError) {
    guard plan == found.plan, partCount == found.partCount else {
      throw Self.conflict(
        folder, expected: "\(counted(partCount, "part")) of plan \(plan)", found: found)
    }
    guard hashesInputs == found.hashesInputs else {
      throw CheckpointError(
        .conflict, "the other parts were made with\(found.hashesInputs ? "" : "out") --hash-inputs",
        file: folder, hint: "give all parts the same options")
    }
    for (now, then) in zip(inputs, found.inputs) where now != then {
      throw CheckpointError(
        .conflict, "an input isn't the file that the other parts were made of", file: now.name,
        expected: then.text(besides: now), found: now.text(besides: then),
        hint:
          "where each machine has a copy of its own, copy it with its times (cp -p, rsync -t); else remove the parts and begin again"
      )
    }
  }

  /// The error for work that doesn't go with parts that are there.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - expected: what was asked for.
  ///   - found: what they are of.
  /// - Returns: the error.
  static func conflict(
    _ folder: String, expected: String, found: PartsDescription
  ) -> CheckpointError {
    CheckpointError(
      .conflict, "parts of another conversion are there", file: folder,
      expected: expected, found: "\(counted(found.partCount, "part")) of plan \(found.plan)",
      hint:
        "repeat the command with the options that these parts were made with, or remove them, which --force doesn't: \(shellCommand("rm -r", Directories.split(folder).parent))"
    )
  }
}

extension PartsDescription.Input {
  /// Its size and time, the latter to the nanosecond where the other's differs by less than a second.
  fileprivate func text(besides other: Self) -> String {
    let size = byteCount.map { "\($0) bytes" } ?? "unknown size"
    guard let modificationTime else { return "\(size), changed at an unknown time" }
    let (seconds, rest) = modificationTime.quotientAndRemainder(dividingBy: 1_000_000_000)
    let isClose = other.modificationTime.map { $0 / 1_000_000_000 == seconds } ?? false
    let date = Date(timeIntervalSince1970: Double(seconds)).ISO8601Format()
    let fraction = isClose && modificationTime >= 0 ? " and \(rest) ns" : ""
    return "\(size), changed \(date)\(fraction)"
  }
}
