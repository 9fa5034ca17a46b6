import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// The tensors that `--base` gives: told whole and by digest, and the first that differs names the error.
@Suite struct GivenBaseTests {
  private let workspace: Workspace
  private let base: SafetensorsSample
  private let fork: SafetensorsSample
  private let store: String

  /// A fork with tensors that moved, one of fewer rows, and one that was rounded.
  init() throws {
    workspace = try Workspace()
    let old = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    func moved(_ bytes: [UInt8]) -> Data {
      var bytes = bytes
      for place in stride(from: 0, to: bytes.count, by: 64) { bytes[place] ^= 1 }
      return Data(bytes)
    }
    let wide = (0..<2048).map { Float($0) / 3 }
    var cast = Data()
    for value in wide {
      withUnsafeBytes(of: UInt16(truncatingIfNeeded: value.bitPattern >> 16).littleEndian) {
        cast += $0
      }
    }
    base = SafetensorsSample([
      SampleTensor("a", "BF16", [32, 64], Data(old)),
      SampleTensor("b", "BF16", [32, 64], Data(old.reversed())),
      SampleTensor("cut", "BF16", [34, 64], Data(old + old.prefix(256))),
      SampleTensor("same", "BF16", [32, 64], Data(old.map { $0 &+ 7 })),
      SampleTensor("wide", [32, 64], floats: wide),
    ])
    fork = SafetensorsSample([
      SampleTensor("a", "BF16", [32, 64], moved(old)),
      SampleTensor("b", "BF16", [32, 64], moved(old.reversed())),
      SampleTensor("cut", "BF16", [32, 64], moved(old)),
      SampleTensor("same", "BF16", [32, 64], Data(old.map { $0 &+ 7 })),
      SampleTensor("wide", "BF16", [32, 64], cast),
    ])
    try workspace.write("base/model.safetensors", base.fileContents)
    try workspace.write("fork/model.safetensors", fork.fileContents)
    store = workspace.path("x.store")
    try convertToStore(workspace.path("fork"), store) { [workspace] in
      $0.openOptions.bases = GivenBases([workspace.path("base")], smallResources)
    }
  }

  @Test func hasADifferenceOfEachKind() throws {
    let manifest = try StoreManifest(parsing: Array(workspace.contents("x.store/store.json")))
    let differences = manifest.tensors.filter(\.isDifference).map(\.name)
    #expect(differences == ["a", "b", "cut", "wide"])
  }

  /// The base with a bit of some tensors flipped.
  private func write(_ name: String, flipping bits: [(tensor: String, bit: Int)]) throws {
    var other = base
    for (tensor, bit) in bits {
      let place = try #require(other.tensors.firstIndex { $0.name == tensor })
      other.tensors[place].data[bit / 8] ^= 1 << (bit % 8)
    }
    try workspace.write("\(name)/model.safetensors", other.fileContents)
  }

  private func export(_ base: String, threads: Int = 1) -> CheckpointError? {
    let resources = EvaluationResources(memory: 16_000_000, threads: threads)
    return failure(
      of: request(store, workspace.path("out"), resources: resources) {
        $0.openOptions.bases = GivenBases([workspace.path(base)], resources)
      })
  }

  private func verification(_ base: String, threads: Int) throws -> VerificationReport {
    let resources = EvaluationResources(memory: 16_000_000, threads: threads)
    var options = OpenOptions()
    options.bases = GivenBases([workspace.path(base)], resources)
    return try Verifier(store, options, resources).run(against: nil, .withoutValues)
  }

  // MARK: Whole tensors

  /// Bits that aren't in the result: of a row that is cut, and those that rounding takes away.
  @Test(arguments: [("cut", 33 * 64 * 16), ("wide", 77 * 32)])
  func whatTheResultDoesNotShowIsCompared(_ tensor: String, _ bit: Int) throws {
    try write("other", flipping: [(tensor, bit)])
    let error = export("other")
    #expect(error?.code == .corrupt && error?.tensor == tensor, "\(error.debugDescription)")
    #expect(!workspace.has("out"))
    let findings = try verification("other", threads: 2).findings.filter { $0.severity == .error }
    #expect(findings.map(\.check) == ["wrong-base"] && findings.map(\.tensor) == [tensor])
    #expect(export("base") == nil)
  }

  @Test(arguments: ["a", "cut", "wide"]) func aManifestThatSaysAnotherDigestOfTheBaseIsRefused(
    name: String
  ) throws {
    var options = OpenOptions()
    options.opensWithoutBase = true
    let reader = try #require(Source(store, options).store)
    var editor = StoreEditor(store, reader.manifest, reader.tensors.map(\.chunks))
    let place = try #require(editor.position(of: name))
    let entry = try #require(editor.manifest.tensors[place].base)
    editor.manifest.tensors[place] = editor.manifest.tensors[place].with(
      base: .init(name: entry.name, dtype: entry.dtype, digest: Digest(of: [1])))
    try editor.write(measuresVolumes: false)
    let error = export("base")
    #expect(error?.code == .corrupt && error?.tensor == name, "\(error.debugDescription)")
    #expect(!workspace.has("out"))
  }

  // MARK: The first in order

  @Test func theFirstThatDiffersNamesTheErrorWhateverTheThreads() throws {
    try write("other", flipping: [("wide", 77 * 32), ("b", 5), ("cut", 9), ("same", 3)])
    for threads in [1, 2, 5, 5, 5] {
      #expect(export("other", threads: threads)?.tensor == "b")
    }
  }

  /// That one is missing is known at once, and that another differs only when it is read.
  @Test func whatDiffersBeforeWhatIsMissingNamesTheError() throws {
    try write("other", flipping: [("b", 5)])
    var other = try SafetensorsSample(parsing: workspace.contents("other/model.safetensors"))
    other.tensors.removeAll { $0.name == "cut" }
    try workspace.write("other/model.safetensors", other.fileContents)
    let error = export("other")
    #expect(error?.code == .corrupt && error?.tensor == "b", "\(error.debugDescription)")
  }

  @Test func findingsAreTheSameWhateverTheThreads() throws {
    try write("other", flipping: [("wide", 77 * 32), ("b", 5), ("cut", 9), ("same", 3)])
    for threads in [1, 2, 5, 5, 5] {
      let findings = try verification("other", threads: threads).findings
        .filter { $0.severity == .error }
      #expect(findings.map(\.tensor) == ["b", "cut", "same", "wide"])
      #expect(findings.allSatisfy { $0.check == "wrong-base" })
    }
  }

  @Test func theFirstUpdateThatIsDamagedNamesTheError() throws {
    var tuned = base
    for place in [0, 1, 3] { tuned.tensors[place].data[6] ^= 3 }
    try workspace.write("tuned/model.safetensors", tuned.fileContents)
    let update = workspace.path("weight_v000001")
    try convert(workspace.path("tuned"), update) { [workspace] in
      $0.format = "weight-delta"
      $0.openOptions.bases = GivenBases([workspace.path("base")], smallResources)
    }
    // As others write it: without roots.
    try workspace.edit("weight_v000001/model.safetensors.index.json") {
      $0 = Data(
        String(decoding: $0, as: UTF8.self).replacing("weighbridge.", with: "other.").utf8)
    }
    try write("other", flipping: [("same", 100), ("b", 100)])
    for threads in [1, 2, 5, 5, 5] {
      let resources = EvaluationResources(memory: 16_000_000, threads: threads)
      let error = failure(
        of: request(update, workspace.path("out"), resources: resources) {
          $0.openOptions.bases = GivenBases([workspace.path("other")], resources)
        })
      #expect(error?.code == .corrupt && error?.tensor == "b", "\(error.debugDescription)")
    }
    // Of several bases the one is taken that gives what the update says.
    try convert(update, workspace.path("applied")) { [workspace] in
      $0.openOptions.bases = GivenBases([workspace.path("base")], smallResources)
    }
    let applied = try SafetensorsSample(parsing: workspace.contents("applied/model.safetensors"))
    #expect(applied.byName == tuned.byName)
    var options = OpenOptions()
    options.bases = GivenBases(["other", "base"].map { workspace.path($0) }, smallResources)
    #expect(try Source(update, options).base?.hint == "base")
  }
}
