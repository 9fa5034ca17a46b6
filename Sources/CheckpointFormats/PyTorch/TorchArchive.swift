// torch.save since PyTorch 1.6 (torch/serialization.py): a zip of stored members in one folder,
//
//   NAME/data.pkl                the object, tensors as references to storages
//   NAME/data/KEY                a storage's bytes
//   NAME/byteorder               `little` or `big`; absent in older files, which are little
//   NAME/version, NAME/.data/serialization_id, NAME/.format_version, NAME/.storage_alignment

import FileContainers
import TensorModel

/// A zip file of PyTorch's: its pickle, and where its storages are.
struct TorchArchive {
  /// The object.
  let pickle: [UInt8]
  /// Whether numbers begin with their most significant byte.
  let isBigEndian: Bool
  /// Storages by key.
  let storages: [String: ZipMember]
  /// Members that nothing needs.
  let findings: [Finding]
  /// The folder that everything lies in: the name of the file when it was saved, without its ending, or `archive`.
  let root: String

  private static let records: Set<String> = [
    "version", "byteorder", ".data/serialization_id", ".format_version", ".storage_alignment",
  ]

  /// Whether a zip archive is one of PyTorch's.
  static func recognises(_ members: [ZipMember]) -> Bool {
    members.contains { $0.name.hasSuffix("/data.pkl") || $0.name == "data.pkl" }
  }

  /// Reads the pickle and sorts the members.
  ///
  /// - Throws: `unsupported` for TorchScript, `malformed` for anything that `torch.save` doesn't write; `corrupt`.
  init(
    _ members: [ZipMember], pickleLimit: Int, unpacking: Unpacking
  ) throws(CheckpointError) {
    let roots = Set(members.map { String($0.name.unicodeScalars.prefix { $0 != "/" }) })
    guard roots.count == 1, let root = roots.first, !members.contains(where: { $0.name == root })
    else {
      throw CheckpointError(
        .malformed, "a PyTorch archive has one folder at its top", expected: "one",
        found: roots.sorted().prefix(4).joined(separator: ", "),
        hint: "readers would disagree about which one counts; don't trust this file")
    }
    var storages: [String: ZipMember] = [:]
    var named: [String: ZipMember] = [:]
    var findings: [Finding] = []
    for member in members where !member.isDirectory {
      let name = String(member.name.unicodeScalars.dropFirst(root.unicodeScalars.count + 1))
      if name == "constants.pkl" || name.hasPrefix("code/") {
        throw CheckpointError(
          .unsupported, "a TorchScript archive, which holds a program", found: member.name,
          hint: "in Python: torch.save(torch.jit.load(file).state_dict(), …)")
      }
      if name.hasPrefix("data/") {
        storages[String(name.dropFirst(5))] = member
      } else if name == "data.pkl" || Self.records.contains(name) {
        named[name] = member
      } else if name.hasSuffix(".pkl") {
        throw CheckpointError(
          .malformed, "a second pickle in a PyTorch archive", found: member.name)
      } else {
        findings.append(
          Finding(.warning, "torch-foreign-member", "'\(member.name)' is no part of a state dict"))
      }
    }
    guard let pickle = named["data.pkl"] else {
      throw CheckpointError(.malformed, "a PyTorch archive without data.pkl")
    }
    self.pickle = try Self.contents(of: pickle, limit: pickleLimit, unpacking)
    isBigEndian = try Self.isBigEndian(named["byteorder"], unpacking)
    self.storages = storages
    self.findings = findings
    self.root = root
  }

  private static func isBigEndian(
    _ member: ZipMember?, _ unpacking: Unpacking
  ) throws(CheckpointError) -> Bool {
    guard let member else { return false }
    switch String(decoding: try contents(of: member, limit: 16, unpacking), as: UTF8.self) {
    case "little": return false
    case "big": return true
    case let other:
      throw CheckpointError(
        .malformed, "an unknown byte order", expected: "little or big", found: other)
    }
  }

  /// A small member, checked.
  private static func contents(
    of member: ZipMember, limit: Int, _ unpacking: Unpacking
  ) throws(CheckpointError) -> [UInt8] {
    guard member.byteCount <= limit else {
      throw CheckpointError(
        .unsupported, "'\(member.name)' is too large for a file of this size",
        expected: "at most \(limit) bytes",
        found: "\(member.byteCount)")
    }
    let contents = ZipMemberContents(member, unpacking)
    try contents.confirm()
    return try contents.bytes(at: 0, count: member.byteCount)
  }
}
