// .npz (numpy.savez): a zip whose members are .npy files named NAME.npy, stored or deflated.

import FileContainers
import TensorModel

/// The arrays of one `.npz` file, in the order of the archive.
struct NPZArchive {
  /// The arrays, by their names without `.npy`.
  private(set) var arrays: [NamedArray] = []
  /// Entries that aren't arrays.
  private(set) var findings: [Finding] = []

  /// Reads the directory and every array's header.
  ///
  /// - Throws: `malformed` or `unsupported`, with the member's name.
  init(_ file: FileRegion, name: String, unpacking: Unpacking) throws(CheckpointError) {
    if let error = StandIn.error(head: try file.head(512)) { throw error }
    var foreign: Set<ExactName> = []
    var reading = NPYArchiveReading(file)
    for member in try ZipArchive(file).members {
      if member.isDirectory {
        findings.append(
          Finding(.warning, "npz-directory", "a directory entry '\(member.name)'", file: name))
        continue
      }
      guard member.name.hasSuffix(".npy") else {
        foreign.insert(ExactName(member.name))
        findings.append(
          Finding(
            .warning, "npz-foreign-member", "'\(member.name)' is not an array and is left out",
            file: name))
        continue
      }
      let arrayName = String(member.name.dropLast(4))
      guard !arrayName.isEmpty else {
        throw CheckpointError(
          .malformed, "an array without a name", found: "'\(member.name)'",
          hint: "numpy doesn't write such archives: save the arrays again with numpy.savez")
      }
      do throws(CheckpointError) {
        let contents = ZipMemberContents(member, unpacking)
        arrays.append(
          NamedArray(name: arrayName, array: try reading.array(contents), file: name))
      } catch { throw error.in(tensor: arrayName) }
    }
    // numpy drops `.npy`, so `a` and `a.npy` would be one array.
    if !foreign.isEmpty,
      let twice = arrays.first(where: { foreign.contains(ExactName($0.name)) })
    {
      throw CheckpointError(
        .malformed, "two members for one array", tensor: twice.name,
        hint: "readers would disagree about which one counts; don't trust this file")
    }
    if arrays.isEmpty {
      findings.append(Finding(.warning, "npz-empty", "the archive holds no arrays", file: name))
    }
  }
}

/// An array, what it is called, and the file that it is in.
struct NamedArray {
  let name: String
  let array: NPYArray
  let file: String
}
