import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import HDF5Files
import StoreWriting
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Volumes that say something else than the manifest, whose digests all fit: only libhdf5's own view, in a process of its own, can tell.
@Suite struct VolumeAgreementTests {
  private let workspace: Workspace
  init() throws {
    workspace = try Workspace()
    try workspace.folder("made.store")
  }

  private static let chunked = TensorType(.bf16, [12, 40])
  private static let plain = TensorType(.f6e2m3, [8])
  private static let encoding = StoreManifest.Encoding.chunked([5, 40], [.shuffle, .zstd])
  private static let volume = "made.store/weights-00001.h5"

  /// How a volume differs from what the manifest says.
  struct Lie {
    var names = (chunked: "w/1", plain: "p")
    var linkName: String?
    var types = (chunked: VolumeAgreementTests.chunked, plain: VolumeAgreementTests.plain)
    var chunk = [5, 40]
    var shuffles = true
    var starts = [[0, 0], [5, 0], [10, 0]]
    var isContiguous = false
    var more: [(String, TensorType)] = []
  }

  /// Writes a volume with a chunked and a contiguous tensor through HDF5, and a manifest in which all digests are right.
  private func write(
    _ lie: Lie = Lie(), _ change: (inout StoreEditor) throws -> Void = { _ in }
  ) throws {
    let path = workspace.path(Self.volume)
    let file = try HDF5Volume(creating: path)
    var chunks: [[StoredChunk]] = [[], []]
    let whole = [UInt8](repeating: 0, count: 960)
    let frame = try HandMadeStore.frame(Array(whole.prefix(400)))
    let encoding = HDF5Volume.Encoding(chunk: lie.chunk, shuffles: lie.shuffles, level: 1)
    let dataset = try file.createDataset(
      lie.linkName ?? HDF5Storage.linkName(for: lie.names.chunked), tensor: lie.names.chunked,
      lie.types.chunked, lie.isContiguous ? nil : encoding)
    if lie.isContiguous {
      try whole.withUnsafeBytes { try file.writeContiguous($0, in: dataset) }
    } else {
      for start in lie.starts {
        let offset = try frame.withUnsafeBytes {
          try file.writeChunk(at: start, $0, skippedFilters: 0, in: dataset)
        }
        chunks[0].append(chunk(offset, frame, mask: 0))
      }
    }
    let other = try file.createDataset(
      HDF5Storage.linkName(for: lie.names.plain), tensor: lie.names.plain, lie.types.plain, nil)
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6]
    try bytes.withUnsafeBytes { try file.writeContiguous($0, in: other) }
    chunks[1] = [chunk(try #require(try file.byteOffset(of: other)), bytes, mask: 0)]
    for (name, type) in lie.more {
      _ = try file.createDataset(HDF5Storage.linkName(for: name), tensor: name, type, nil)
    }
    try file.close()
    if lie.isContiguous {
      // The chunks that the table tells of lie behind everything that libhdf5 knows.
      let end = try workspace.contents(Self.volume)
      try workspace.write(Self.volume, end + Data(frame + frame + frame))
      chunks[0] = (0..<3).map { chunk(end.count + $0 * frame.count, frame, mask: 0) }
    }
    var editor = StoreEditor(workspace.path("made.store"), try manifest(whole, bytes), chunks)
    try change(&editor)
    try editor.write()
  }

  private func chunk(_ offset: Int, _ bytes: [UInt8], mask: Int) -> StoredChunk {
    StoredChunk(
      byteOffset: offset, byteCount: bytes.count, filterMask: mask, checksum: checksum(bytes))
  }

  private func manifest(_ whole: [UInt8], _ bytes: [UInt8]) throws -> StoreManifest {
    let nothing = StoreManifest.FileRecord(name: "nothing", contents: [])
    try workspace.write("made.store/nothing", Data())
    func tensor(
      _ name: String, _ type: TensorType, _ encoding: StoreManifest.Encoding, _ bytes: [UInt8]
    ) -> StoreManifest.Tensor {
      .init(
        name: name, type: type, volume: "weights-00001.h5",
        dataset: StoreFormat.datasetPath(for: name), encoding: encoding, digest: Digest(of: bytes))
    }
    let tensors = [
      tensor("w/1", Self.chunked, Self.encoding, whole),
      tensor("p", Self.plain, .contiguous, bytes),
    ]
    return StoreManifest(
      tensors: tensors,
      volumes: [.init(name: "weights-00001.h5", byteCount: 0, structureDigest: nothing.digest)],
      links: nothing, chunkTable: nothing, assets: [], certificate: nothing,
      root: rootDigest(
        of: tensors.map {
          TensorIdentity(
            name: $0.name, dtype: $0.type.dtype, shape: $0.type.shape, digest: $0.digest)
        }))
  }

  /// What comparing with libhdf5's view brings up, beside what is found without it.
  private func findings() throws -> [Finding] {
    let resources = EvaluationResources(memory: 64_000_000, threads: 2)
    let path = workspace.path("made.store")
    var selection = CheckSelection()
    selection.skipped = [.values]
    let blind = try Verifier(path, OpenOptions(), resources).run(against: nil, selection)
    #expect(!blind.hasFindings(.error), "\(blind.findings.map(\.line))")
    let catalogues = CatalogueProcess(
      executable: Weighbridge.executable.path, arguments: ["hdf5-catalogue"])
    let report = try Verifier(path, OpenOptions(), resources, catalogues: catalogues)
      .run(against: nil, selection)
    #expect(
      report.findings.allSatisfy { $0.check.hasPrefix("store-") && $0.file == "weights-00001.h5" }
    )
    return report.findings
  }

  @Test func findsNothingInAnHonestVolume() throws {
    try write()
    #expect(try findings().isEmpty)
  }

  @Test func findsDatasetsThatTheManifestDoesNotList() throws {
    try write(Lie(more: [("extra/%", TensorType(.f32, [3])), ("more", TensorType(.u8, []))]))
    let findings = try findings()
    #expect(findings.count == 2 && findings.allSatisfy { $0.severity == .error })
    #expect(findings.contains { $0.message.contains("extra%2F%25") })
  }

  @Test func findsTensorsWithoutADataset() throws {
    try write(Lie(names: (chunked: "W/1", plain: "p")))
    let findings = try findings()
    #expect(findings.map(\.tensor) == ["w/1", nil])
    #expect(findings[1].message.contains("W%2F1"))
  }

  @Test func findsEveryDifferenceOfADataset() throws {
    let lies: [(String, String, Lie)] = [
      ("w/1", "'name'", Lie(names: ("w%1", "p"), linkName: "w%2F1")),
      ("w/1", "'dtype'", Lie(types: (TensorType(.f16, [12, 40]), Self.plain))),
      ("w/1", "'dtype'", Lie(types: (TensorType(.i16, [12, 40]), Self.plain))),
      ("w/1", "shape", Lie(types: (TensorType(.bf16, [11, 40]), Self.plain))),
      ("w/1", "chunk shape", Lie(chunk: [4, 40], starts: [[0, 0], [4, 0], [8, 0]])),
      ("w/1", "filters", Lie(shuffles: false)),
      ("w/1", "set of chunks", Lie(starts: [[5, 0], [0, 0], [10, 0]])),
      ("w/1", "layout", Lie(isContiguous: true)),
      ("p", "'dtype'", Lie(types: (Self.chunked, TensorType(.u8, [6])))),
      ("p", "'dtype'", Lie(types: (Self.chunked, TensorType(.f6e3m2, [8])))),
      ("p", "'shape'", Lie(types: (Self.chunked, TensorType(.f6e2m3, [2, 4])))),
    ]
    for (tensor, what, lie) in lies {
      if workspace.has(Self.volume) { try workspace.remove(Self.volume) }
      try write(lie)
      let findings = try findings()
      #expect(findings.map(\.tensor) == [tensor], "\(what)")
      #expect(findings.first?.message.contains(what) == true, "\(what): \(findings.map(\.message))")
    }
  }

  @Test func findsChunksThatTheTableHasElsewhere() throws {
    try write { editor in
      // The same bytes, but not those that libhdf5 would read.
      let volume = try workspace.contents(Self.volume)
      let old = editor.chunks[0][1]
      try workspace.write(
        Self.volume, volume + volume[old.byteOffset..<old.byteOffset + old.byteCount])
      editor.chunks[0][1] = StoredChunk(
        byteOffset: volume.count, byteCount: old.byteCount, filterMask: 0, checksum: old.checksum)
    }
    let findings = try findings()
    #expect(findings.map(\.tensor) == ["w/1"])
    #expect(findings.first?.message.contains("set of chunks") == true)
  }

  @Test func findsLinksOutOfTheVolume() throws {
    try write()
    try workspace.remove(Self.volume)
    _ = try HDF5Volume.createLinks(
      workspace.path(Self.volume),
      [("w%2F1", "/etc/passwd", false), ("p", "weights-00002.h5", false)])
    var editor = StoreEditor(workspace.path("made.store"), try manifest([], []), [])
    editor.manifest.tensors = []
    editor.manifest.root = rootDigest(of: [])
    try editor.write()
    let findings = try findings()
    #expect(findings.count == 2)
    #expect(findings.allSatisfy { $0.message.contains("external") })
  }

  @Test(arguments: [0, 8, 1000]) func findsVolumesThatAreNoHDF5(count: Int) throws {
    try workspace.write(Self.volume, Data(count: count))
    var editor = StoreEditor(workspace.path("made.store"), try manifest([], []), [])
    editor.manifest.tensors = []
    editor.manifest.root = rootDigest(of: [])
    try editor.write()
    let findings = try findings()
    #expect(findings.count == 1 && findings.first?.severity == .error)
  }

  @Test func commandLineComparesByItself() throws {
    try write(Lie(more: [("extra", TensorType(.f32, [3]))]))
    let outcome = try Weighbridge.run("verify", workspace.path("made.store"), "--json")
    #expect(outcome.code == 1)
    #expect(outcome.text.contains("extra"))
  }
}
