import CheckpointFormats
import FileContainers
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
      throw Self.conflict(folder, expected: found, "\(partCount) parts of plan \(plan)")
    }
    guard hashesInputs == found.hashesInputs else {
      throw CheckpointError(
        .conflict, "the other parts were made with\(found.hashesInputs ? "" : "out") --hash-inputs",
        file: folder, hint: "give all parts the same options")
    }
    for (now, then) in zip(inputs, found.inputs) where now != then {
      throw CheckpointError(
        .conflict, "an input isn't the file that the other parts were made of", file: now.name,
        expected: then.text, found: now.text,
        hint:
          "where each machine has a copy of its own, copy it with its times (cp -p, rsync -t); else remove the parts and begin again"
      )
    }
  }

  /// The error for work that doesn't go with parts that are there.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - expected: what they are of.
  ///   - found: what was asked for.
  /// - Returns: the error.
  static func conflict(
    _ folder: String, expected: PartsDescription, _ found: String
  ) -> CheckpointError {
    CheckpointError(
      .conflict, "parts of another conversion are there", file: folder,
      expected: "\(counted(expected.partCount, "part")) of plan \(expected.plan)", found: found,
      hint:
        "repeat the command with the options that these parts were made with, or remove them: \(shellCommand("rm -r", Directories.split(folder).parent))"
    )
  }
}

extension PartsDescription.Input {
  fileprivate var text: String {
    "\(byteCount.map(String.init) ?? "unknown") bytes, changed \(modificationTime.map { "\($0 / 1_000_000_000) s after 1970" } ?? "at an unknown time")"
  }
}
