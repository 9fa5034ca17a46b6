import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// A fork's weights as differences to its base: what is written, read again, and refused.
@Suite struct DifferenceTests {
  private let workspace: Workspace
  private let base: String
  private let fork: String
  private let store: String
  private let forkSample: SafetensorsSample

  /// A fork with a tensor of each kind: moved, the same, renamed, grown, new, of another dtype.
  init() throws {
    workspace = try Workspace()
    var random = FixedRandom(seed: 11)
    // BF16 numbers around 0.02.
    func weights(_ count: Int) -> [UInt8] {
      var bytes = random.bytes(2 * count)
      for place in stride(from: 1, to: bytes.count, by: 2) {
        bytes[place] = 0x3C | bytes[place] & 0x80
      }
      return bytes
    }
    let moved = weights(4096)
    var movedOn = moved
    for place in stride(from: 0, to: movedOn.count, by: 6) { movedOn[place] &+= 1 }
    let (frozen, renamed, table) = (weights(4096), weights(4096), weights(64 * 64))
    let wide = (0..<4096).map { Float($0) / 3 }
    let base = SafetensorsSample([
      SampleTensor("moved", "BF16", [64, 64], Data(moved)),
      SampleTensor("frozen", "BF16", [64, 64], Data(frozen)),
      SampleTensor("old/name", "BF16", [64, 64], Data(renamed)),
      SampleTensor("table", "BF16", [64, 64], Data(table)),
      SampleTensor("wide", [64, 64], floats: wide),
    ])
    forkSample = SafetensorsSample([
      SampleTensor("moved", "BF16", [64, 64], Data(movedOn)),
      SampleTensor("frozen", "BF16", [64, 64], Data(frozen)),
      SampleTensor("new.name", "BF16", [64, 64], Data(renamed)),
      SampleTensor("table", "BF16", [66, 64], Data(table + weights(128))),
      SampleTensor("added", "BF16", [50, 64], Data(weights(3200))),
      SampleTensor(
        "wide", "BF16", [64, 64],
        // Cut off, where rounding would go up now and then: near, and not the same.
        Data(
          wide.flatMap {
            [
              UInt8(truncatingIfNeeded: $0.bitPattern >> 16),
              UInt8(truncatingIfNeeded: $0.bitPattern >> 24),
            ]
          })
      ),
    ])
    try workspace.write("base/model.safetensors", base.fileContents)
    try workspace.write("fork/model.safetensors", forkSample.fileContents)
    self.base = workspace.path("base")
    fork = workspace.path("fork")
    store = workspace.path("x.store")
    try convertToStore(fork, store) { $0.openOptions.bases = Self.bases([workspace.path("base")]) }
  }

  private static func bases(_ paths: [String]) -> GivenBases { GivenBases(paths, smallResources) }

  private func exported(_ store: String, _ base: String, to name: String) throws
    -> SafetensorsSample
  {
    try convert(store, workspace.path(name)) { $0.openOptions.bases = Self.bases([base]) }
    return try SafetensorsSample(parsing: workspace.contents("\(name)/model.safetensors"))
  }

  private func export(_ base: String?) -> CheckpointError? {
    failure(
      of: request(store, workspace.path("refused")) {
        $0.openOptions.bases = base.map { Self.bases([$0]) }
      })
  }

  @Test func eachTensorIsStoredAsWhatItIsToTheBase() throws {
    let manifest = try StoreManifest(parsing: Array(workspace.contents("x.store/store.json")))
    let entries = Dictionary(uniqueKeysWithValues: manifest.tensors.map { ($0.name, $0) })
    #expect(entries["moved"]?.isDifference == true)
    #expect(entries["frozen"]?.encoding == .base)
    #expect(entries["new.name"]?.base?.name == "old/name")
    #expect(entries["new.name"]?.encoding == .base)
    #expect(entries["table"]?.isDifference == true)
    #expect(entries["added"]?.base == nil)
    #expect(entries["wide"]?.base?.dtype == .f32)
    #expect(entries["moved"]?.dataset == "/differences/moved")
    #expect(entries["added"]?.dataset == "/tensors/added")
    #expect(manifest.base?.hint == "base")
  }

  @Test func readsTheForkAgain() throws {
    #expect(try exported(store, base, to: "back").byName == forkSample.byName)
  }

  @Test func readsItWithTheBaseInAnotherForm() throws {
    try convertToStore(base, workspace.path("base.store"))
    #expect(
      try exported(store, workspace.path("base.store"), to: "back").byName == forkSample.byName)
  }

  @Test func becomesACompleteStoreWithItsBase() throws {
    try convertToStore(store, workspace.path("full.store")) {
      $0.openOptions.bases = Self.bases([base])
    }
    try convertToStore(fork, workspace.path("plain.store"))
    let manifests = try ["full.store", "plain.store"].map {
      try StoreManifest(parsing: Array(workspace.contents("\($0)/store.json")))
    }
    #expect(manifests[0].base == nil)
    #expect(manifests[0].root == manifests[1].root)
    #expect(
      try workspace.contents("full.store/weights-00001.h5")
        == workspace.contents("plain.store/weights-00001.h5"))
  }

  // MARK: Bases

  @Test func needsItsBase() throws {
    let error = export(nil)
    #expect(error?.code == .usage)
    #expect(error?.hint?.contains("--base") == true)
    #expect(!workspace.has("refused"))
  }

  @Test func theFirstTensorThatDiffersNamesTheError() throws {
    var other = try SafetensorsSample(parsing: workspace.contents("base/model.safetensors"))
    for place in other.tensors.indices where ["table", "moved"].contains(other.tensors[place].name)
    {
      other.tensors[place].data[100] ^= 1
    }
    try workspace.write("other/model.safetensors", other.fileContents)
    let error = export(workspace.path("other"))
    #expect(error?.code == .corrupt)
    #expect(error?.tensor == "moved")
    #expect(!workspace.has("refused"))
  }

  @Test func aTensorThatTheBaseLacksNamesTheError() throws {
    var other = try SafetensorsSample(parsing: workspace.contents("base/model.safetensors"))
    other.tensors.removeAll { $0.name == "old/name" }
    try workspace.write("other/model.safetensors", other.fileContents)
    let error = export(workspace.path("other"))
    #expect(error?.code == .missing)
    #expect(error?.description.contains("old/name") == true)
  }

  @Test func aDifferenceIsNoBase() throws {
    let error = failure(
      of: request(fork, workspace.path("deep.store")) {
        $0.format = "store"
        $0.openOptions.bases = Self.bases([store])
      })
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("base") == true)
  }

  @Test func otherFormatsAreNoDifferences() throws {
    let error = failure(
      of: request(fork, workspace.path("out")) { $0.openOptions.bases = Self.bases([base]) })
    #expect(error?.code == .usage)
  }

  // MARK: Verification

  @Test func verifiesChecksumsWithoutTheBase() throws {
    let report = try verification(of: store)
    #expect(!report.hasFindings(.warning))
    #expect(report.findings.filter { $0.check == "base" }.count == 1)
    #expect(report.root == nil)
  }

  // MARK: Manifests that lie

  private func edited(_ edit: (inout StoreManifest.Tensor) -> Void, of name: String) throws {
    let manifest = try StoreManifest(parsing: Array(workspace.contents("x.store/store.json")))
    let table = try chunks()
    var editor = StoreEditor(store, manifest, table)
    let place = try #require(editor.position(of: name))
    edit(&editor.manifest.tensors[place])
    try editor.write(measuresVolumes: false)
  }

  private func chunks() throws -> [[StoredChunk]] {
    var options = OpenOptions()
    options.opensWithoutBase = true
    return try #require(Source(store, options).store).tensors.map(\.chunks)
  }

  @Test func refusesABaseTensorThatIsNotThere() throws {
    try edited(
      { $0 = $0.with(base: .init(name: "nowhere", dtype: .bf16, digest: $0.digest)) }, of: "moved")
    #expect(export(base)?.code == .missing)
  }

  @Test func refusesABaseTensorOfAnotherShape() throws {
    try edited(
      { $0 = $0.with(base: .init(name: "wide", dtype: .bf16, digest: $0.digest)) }, of: "moved")
    #expect(export(base)?.code == .corrupt)
  }

  @Test func refusesDTypesThatHaveNoDifference() throws {
    try edited(
      { $0 = $0.with(base: .init(name: "wide", dtype: .f64, digest: $0.digest)) }, of: "moved")
    #expect(export(base)?.code == .malformed)
  }

  @Test func refusesADifferenceAmongTheWeights() throws {
    try edited({ $0 = $0.with(dataset: "/tensors/moved") }, of: "moved")
    #expect(export(base)?.code == .malformed)
  }

  @Test func refusesWeightsAmongTheDifferences() throws {
    try edited({ $0 = $0.with(dataset: "/differences/added") }, of: "added")
    #expect(export(base)?.code == .malformed)
  }

  @Test func refusesAbsentChunksOfAPlainTensor() throws {
    let manifest = try StoreManifest(parsing: Array(workspace.contents("x.store/store.json")))
    var editor = StoreEditor(store, manifest, try chunks())
    let place = try #require(editor.position(of: "added"))
    editor.chunks[place] = editor.chunks[place].map { _ in .absent }
    try editor.write(measuresVolumes: false)
    #expect(export(base)?.code == .malformed)
  }

  @Test func refusesACompleteManifestThatNamesABase() throws {
    try workspace.edit("x.store/store.json") { text in
      let old = String(decoding: text, as: UTF8.self)
      text = Data(old.replacingOccurrences(of: "store/v2", with: "store/v1").utf8)
    }
    #expect(export(base) != nil)
  }

  @Test func refusesAWrongDifferenceThatAgreesWithItself() throws {
    // Everything is sealed again but the tensor's digest: no wrong values come out.
    try edited({ $0 = $0.with(digest: Digest(of: [1])) }, of: "moved")
    #expect(export(base)?.code == .corrupt)
    #expect(!workspace.has("refused"))
  }

  // MARK: Trainers' updates

  private func sameNames() throws -> (base: SafetensorsSample, fork: SafetensorsSample) {
    let base = try SafetensorsSample(parsing: workspace.contents("base/model.safetensors"))
    var fork = base
    fork.tensors[0].data[8] ^= 3
    fork.tensors[4].data[9] ^= 1
    try workspace.write("tuned/model.safetensors", fork.fileContents)
    return (base, fork)
  }

  @Test func writesAndReadsAnUpdate() throws {
    let fork = try sameNames().fork
    let update = workspace.path("weight_v000007")
    try convert(workspace.path("tuned"), update) {
      $0.format = "weight-delta"
      $0.openOptions.bases = Self.bases([base])
    }
    let index = try workspace.contents("weight_v000007/model.safetensors.index.json")
    #expect(String(decoding: index, as: UTF8.self).contains(#""base_version": "000006""#))
    #expect(try exported(update, base, to: "applied").byName == fork.byName)
    let other = failure(
      of: request(update, workspace.path("refused")) {
        $0.openOptions.bases = Self.bases([workspace.path("tuned")])
      })
    #expect(other?.code == .corrupt)
  }

  /// Where nothing has changed, files without tensors are an update, too.
  @Test(arguments: [nil, 2]) func writesAnUpdateOfNothing(fileCount: Int?) throws {
    let update = workspace.path("weight_v000001")
    try convert(base, update) {
      $0.format = "weight-delta"
      $0.settings.sharding = fileCount.map { .count($0) }
      $0.openOptions.bases = Self.bases([base])
    }
    var options = OpenOptions()
    options.bases = Self.bases([base])
    let report = try Verifier(
      update, options, EvaluationResources(memory: 64_000_000, threads: 2)
    ).run(against: nil)
    #expect(report.findings.filter { $0.severity == .error } == [])
    let source = try SafetensorsSample(parsing: workspace.contents("base/model.safetensors"))
    #expect(try exported(update, base, to: "applied").byName == source.byName)
  }

  /// What the base has beside its weights isn't read again with the update.
  @Test func refusesAnUpdateOfWhatIsNoWeight() throws {
    let plain = Fixtures.path("pytorch/gpt2")
    let unknown = try workspace.copy(plain, to: "unknown")
    try workspace.write("unknown/config.json", Data("{}".utf8))
    let error = failure(
      of: request(unknown, workspace.path("weight_v000001")) {
        $0.format = "weight-delta"
        $0.openOptions.bases = Self.bases([plain])
      })
    #expect(error?.code == .unsupported, "\(String(describing: error))")
    #expect(!workspace.has("weight_v000001"))
  }

  @Test func refusesToWriteWhatAnUpdateCannotTell() throws {
    let error = failure(
      of: request(fork, workspace.path("weight_v000001")) {
        $0.format = "weight-delta"
        $0.openOptions.bases = Self.bases([base])
      })
    #expect(error?.code == .unsupported)
    #expect(error?.hint?.contains("--to store") == true)
  }
}
