import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@Suite struct KerasTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let variants = TensorVariants("keras/variants")

  @Test(arguments: variants.files) func readsWhatWasWritten(file: String) throws {
    try Self.variants.check(file)
  }

  @Test func allVariantsAreThere() { #expect(Self.variants.files.count == 17) }

  /// Layouts that came with HDF5 2.0: libraries of before say what can be done.
  @Test func filesOfNewerLibrariesAreReadOrExplained() throws {
    let newer = TensorVariants("keras/newer")
    let file = try #require(newer.files.first)
    guard let error = try failure(Fixtures.path("keras/newer/\(file)"), .forTests) else {
      return try newer.check(file)
    }
    #expect(error.file == file && error.tensor == "transformer/h_._0/c_attn/weight:0")
    #expect(error.hint?.contains("newer HDF5 wrote it: copy it with h5repack --high=2") == true)
  }

  @Test(arguments: Fixtures.cases("bad/h5"))
  func getsItsVerdict(file: Fixtures.Case) throws {
    let error = try failure(file.path, .forTests)
    #expect((error == nil) == (file.verdict == "accept"), "\(error?.description ?? "")")
    #expect(error.map { $0.file == Directories.split(file.path).name } ?? true)
  }

  @Test func saysWhatItNeeds() throws {
    let path = Fixtures.path("keras/variants/contiguous.h5")
    let error = try failure(path, OpenOptions())
    #expect(error?.code == .unsupported && error?.hint?.contains("OpenOptions.datasets") == true)
    var options = OpenOptions()
    // A program that prints something else, one that fails, and none.
    options.datasets = DatasetProcess(executable: "/bin/echo")
    #expect(try failure(path, options)?.code == .malformed)
    options.datasets = DatasetProcess(executable: "/bin/sh", arguments: ["-c", "kill -SEGV $$"])
    #expect(try failure(path, options)?.found == "signal 11")
    options.datasets = DatasetProcess(executable: workspace.path("none"))
    #expect(try failure(path, options)?.code == .missing)
  }

  /// Every byte of a chunk with a checksum counts.
  @Test(arguments: ["all_filters.h5", "fletcher32.h5", "deflated.h5"])
  func damagedChunksAreErrors(file: String) throws {
    let bytes = try Fixtures.bytes("keras/variants/\(file)")
    let source = try Source(Fixtures.path("keras/variants/\(file)"), .forTests).reader
    let originals = try source.checkpoint.tensors.indices.map { try source.contents($0) }
    // From behind: metadata is at the beginning of most files.
    for place in stride(from: bytes.count - 40, to: bytes.count / 2, by: -bytes.count / 24) {
      var changed = bytes
      changed[place] ^= 0x10
      let path = try workspace.write(file, Data(changed))
      guard let reader = try? Source(path, .forTests).reader else { continue }
      for (position, original) in originals.enumerated() {
        guard let read = try? reader.contents(position) else { continue }
        #expect(read == original, "byte \(place)")
      }
    }
  }

  @Test func shardsMustFitTheIndex() throws {
    let folder = "keras/gpt2_sharded"
    try workspace.copy(Fixtures.path(folder), to: "in")
    #expect(try failure(workspace.path("in"), .forTests) == nil)
    #expect(try failure(workspace.path("in/tf_model.h5.index.json"), .forTests) == nil)
    try workspace.remove("in/tf_model-00002-of-00007.h5")
    #expect(try failure(workspace.path("in"), .forTests)?.code == .missing)
    try workspace.copy(
      Fixtures.path("\(folder)/tf_model-00003-of-00007.h5"), to: "in/tf_model-00002-of-00007.h5")
    #expect(try failure(workspace.path("in"), .forTests)?.code == .malformed)
  }
}

/// What the process that reads HDF5 may send.
@Suite struct DatasetMessageTests {
  private static let catalogue = DatasetCatalogue(
    datasets: [
      .init(
        name: "a/b:0", dtype: .f32, isBigEndian: true, shape: [3, 4],
        storage: .contiguous(offset: 77)),
      .init(
        name: "c", dtype: .bf16, isBigEndian: false, shape: [5],
        storage: .chunked(
          extents: [4], filters: [.init(number: 2, parameter: 2), .init(number: 1, parameter: 6)],
          chunks: [
            .init(offset: 1, byteCount: 8, skippedFilters: 0),
            .init(offset: 9, byteCount: 6, skippedFilters: 1),
          ])),
    ], hasLayers: true, unlisted: ["optimizer_weights"])

  @Test func arrivesAsItWasSent() throws {
    let bytes = DatasetMessage.bytes(of: Self.catalogue)
    #expect(try DatasetMessage.catalogue(in: bytes) == Self.catalogue)
    let error = CheckpointError(
      .unsupported, "a message", tensor: "t", expected: "e", found: "f", hint: "h")
    let sent = #expect(throws: CheckpointError.self) {
      try DatasetMessage.catalogue(in: DatasetMessage.bytes(of: error))
    }
    #expect(sent == error)
  }

  @Test func isRefusedWhenItIsCutOrLonger() {
    let bytes = DatasetMessage.bytes(of: Self.catalogue)
    for count in 0..<bytes.count {
      let cut = Array(bytes.prefix(count))
      #expect(throws: CheckpointError.self) { try DatasetMessage.catalogue(in: cut) }
    }
    #expect(throws: CheckpointError.self) { try DatasetMessage.catalogue(in: bytes + [0]) }
  }

  /// A change of any byte is an error or another catalogue, and never the end of the process.
  @Test func survivesEveryByte() {
    let bytes = DatasetMessage.bytes(of: Self.catalogue)
    for place in bytes.indices {
      for value in [0, 0x7f, 0xff] as [UInt8] {
        var changed = bytes
        changed[place] = value
        _ = try? DatasetMessage.catalogue(in: changed)
      }
    }
  }
}
