import Foundation
import HDF5Files
import TensorModel
import TestSupport
import Testing

/// Lists every file that `damaged` makes of a sample; nothing but an error or a list may come of it.
private func listDamaged(_ damaged: (Int, [UInt8]) -> [UInt8]?) throws {
  let workspace = try Workspace()
  let volume = try HDF5Volume(creating: workspace.path("v.h5"))
  for index in 0..<12 {
    let dataset = try volume.create("whole.\(index)", type(.f16, [index, 3]))
    try volume.write(contents(type(.f16, [index, 3])), in: dataset)
  }
  let dataset = try volume.create(
    "chunked", type(.bf16, [70]), HDF5Volume.Encoding(chunk: [1], shuffles: true, level: 1))
  for index in 0..<70 { _ = try volume.writeChunk(at: [index], [1, 2, 3], in: dataset) }
  try volume.close()
  let bytes = [UInt8](try workspace.contents("v.h5"))
  var index = 0
  while let file = damaged(index, bytes) {
    try workspace.write("d.h5", Data(file))
    if let found = try? HDF5Catalogue(path: workspace.path("d.h5")) {
      _ = try JSONEncoder().encode(found)
    }
    index += 1
  }
}

@Suite struct CatalogueTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test func isTheSameAfterJSON() throws {
    try writeSample(workspace.path("v.h5"))
    let found = try HDF5Catalogue(path: workspace.path("v.h5"))
    let data = try JSONEncoder().encode(found)
    #expect(try JSONDecoder().decode(HDF5Catalogue.self, from: data) == found)
  }

  @Test func refusesWhatIsNotHDF5() throws {
    for bytes in [[], [1, 2, 3], [UInt8](repeating: 0, count: 5000)] {
      let path = try workspace.write("x", Data(bytes))
      let error = #expect(throws: CheckpointError.self) { try HDF5Catalogue(path: path) }
      #expect(error?.code == .malformed)
      #expect(error?.file == path)
    }
  }

  @Test(arguments: Fixtures.cases("bad/hdf5"))
  func namesWhatVolumesMustNotContain(_ file: Fixtures.Case) throws {
    let found = try HDF5Catalogue(path: file.path)
    if file.verdict == "accept" {
      #expect(found.problems == [])
      #expect(found.datasets.count == 1)
    } else {
      #expect(found.problems.contains(file.reason), "\(found.problems)")
    }
  }

  @Test func thereAreFilesToTry() { #expect(Fixtures.cases("bad/hdf5").count == 23) }

  // Processes of their own, as users must have: libhdf5 may crash.

  @Test func limitsAreEnoughForListing() async {
    await #expect(processExitsWith: .success) {
      let workspace = try Workspace()
      let path = workspace.path("v.h5")
      try writeSample(path)
      try HDF5Catalogue.limitProcess()
      try #require(try HDF5Catalogue(path: path).problems == [])
      #if os(Linux)
        try #require(malloc(5 << 30) == nil)
      #endif
    }
  }

  @Test func limitsForbidWriting() async {
    // Whether by a signal or an error, it doesn't succeed.
    await #expect(processExitsWith: .failure) {
      let workspace = try Workspace()
      try HDF5Catalogue.limitProcess()
      try workspace.write("x", Data([1]))
    }
  }

  @Test(.timeLimit(.minutes(1))) func truncatedVolumesDoNotCrash() async {
    await #expect(processExitsWith: .success) {
      try listDamaged { index, bytes in
        index * 13 < bytes.count ? Array(bytes.prefix(index * 13)) : nil
      }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: [1, 2, 3, 4] as [UInt64])
  func damagedVolumesDoNotCrash(_ seed: UInt64) async {
    await #expect(processExitsWith: .success) { [seed] in
      var random = FixedRandom(seed: seed)
      try listDamaged { index, bytes in index < 500 ? random.damaged(bytes) : nil }
    }
  }
}
