import FileContainers
import TensorModel
import TestSupport
import Testing

/// Every file of `fixtures/bad/npz` as far as zip and npy decide about it.
@Suite struct ZipHostileTests {
  /// These break rules about npz files, which are kept elsewhere: as zip archives they must open.
  static let openAsZip: Set = [
    "bad/npz/bad_dir_entry.npz", "bad/npz/bad_dup_after_strip.npz",
    "bad/npz/bad_non_npy_member.npz", "bad/npz/ok_empty_zip.npz",
  ]

  @Test(arguments: Fixtures.cases("bad/npz"))
  func givesItsVerdict(_ file: Fixtures.Case) throws {
    func readAll() throws {
      let region = try InputFile(path: file.path).region
      if file.name.hasSuffix(".npy") { return try readWhole(NPYArray(region)) }
      let members = try ZipArchive(region).members
      if Self.openAsZip.contains(file.name) { return }
      for member in members { try readWhole(NPYArray(ZipMemberContents(member))) }
    }
    if file.verdict == "accept" || Self.openAsZip.contains(file.name) {
      #expect(throws: Never.self) { try readAll() }
    } else {
      let error = #expect(throws: CheckpointError.self) { try readAll() }
      #expect(error?.expected != nil || error?.hint != nil)
    }
  }

  @Test func knowsAllFixtures() { #expect(Fixtures.cases("bad/npz").count == 39) }
}

/// Reads all elements.
func readWhole(_ array: NPYArray) throws {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: array.byteCount, alignment: 64)
  defer { memory.deallocate() }
  guard let base = memory.baseAddress else { return }
  let geometry = array.geometry
  try array.read(geometry.whole, into: MatrixBuffer(base: base, rowStride: geometry.rowByteCount))
}
