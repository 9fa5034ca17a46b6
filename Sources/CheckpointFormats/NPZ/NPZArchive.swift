// .npz (numpy.savez): a zip whose members are .npy files named NAME.npy, stored or deflated.

import FileContainers
import TensorModel

/// The arrays of one `.npz` file, in the order of the archive.
struct NPZArchive {
  /// The arrays, by their names without `.npy`.
  let arrays: [NamedArray]
  /// Entries that aren't arrays.
  private(set) var findings: [Finding] = []

  /// How many headers are read at a time.
  private static let runCount = 16_384
  private static let ending = ".npy"

  /// Reads the directory and every array's header.
  ///
  /// - Throws: `malformed` or `unsupported`, with the member's name.
  init(_ file: FileRegion, name: String, unpacking: Unpacking) throws(CheckpointError) {
    if let error = StandIn.error(head: try file.head(512)) { throw error }
    let members = try ZipArchive(file).members
    var foreign: Set<ExactName> = []
    var places: [Int] = []
    places.reserveCapacity(members.count)
    for (place, member) in members.enumerated() {
      if member.isDirectory {
        findings.append(
          Finding(.warning, "npz-directory", "a directory entry '\(member.name)'", file: name))
      } else if member.name.hasSuffix(Self.ending) {
        places.append(place)
      } else {
        foreign.insert(ExactName(member.name))
        findings.append(
          Finding(
            .warning, "npz-foreign-member", "'\(member.name)' is not an array and is left out",
            file: name))
      }
    }
    arrays = try ParallelPieces.elements(places.count, Self.runCount) {
      [places] (run, take) throws(CheckpointError) in
      var reading = NPYArchiveReading(file, unpacking)
      for place in run { take(try Self.array(members[places[place]], &reading, name)) }
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

  private static func array(
    _ member: ZipMember, _ reading: inout NPYArchiveReading, _ file: String
  ) throws(CheckpointError) -> NamedArray {
    let name = String(member.name.dropLast(ending.count))
    guard !name.isEmpty else {
      throw CheckpointError(
        .malformed, "an array without a name", found: "'\(member.name)'",
        hint: "numpy doesn't write such archives: save the arrays again with numpy.savez")
    }
    do throws(CheckpointError) {
      return NamedArray(name: name, array: try reading.array(member), file: file)
    } catch { throw error.in(tensor: name) }
  }
}

/// An array, what it is called, and the file that it is in.
struct NamedArray {
  let name: String
  let array: NPYArray
  let file: String
}
