import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Bases that can't be the right one by their shapes, that aren't needed, or of which nothing tells; and what a sealed manifest says of the base and the model.
@Suite struct WrongBaseTests {
  private let workspace: Workspace
  private let base: SafetensorsSample
  private let fork: SafetensorsSample
  private let store: String

  /// A fork with a tensor that moved under its own name, one that is the base's under another, and one of its own.
  init() throws {
    workspace = try Workspace()
    let old = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    var moved = old
    for place in stride(from: 0, to: moved.count, by: 64) { moved[place] ^= 1 }
    base = SafetensorsSample([
      SampleTensor("moved", "BF16", [32, 64], Data(old)),
      SampleTensor("old", "BF16", [32, 64], Data(old.map { $0 &+ 7 })),
    ])
    fork = SafetensorsSample([
      SampleTensor("moved", "BF16", [32, 64], Data(moved)),
      SampleTensor("new", "BF16", [32, 64], Data(old.map { $0 &+ 7 })),
      SampleTensor("own", [4], floats: [1, 2, 3, 4]),
    ])
    try workspace.write("base/model.safetensors", base.fileContents)
    try workspace.write("fork/model.safetensors", fork.fileContents)
    store = workspace.path("x.store")
    try write(store)
  }

  private func write(_ store: String) throws {
    try convertToStore(workspace.path("fork"), store) { [workspace] in
      $0.openOptions.bases = GivenBases([workspace.path("base")], smallResources)
    }
  }

  private func given(_ base: String) -> GivenBases {
    GivenBases([workspace.path(base)], smallResources)
  }

  private func export(_ base: String?) -> CheckpointError? {
    failure(
      of: request(store, workspace.path("out")) {
        $0.openOptions.bases = base.map { given($0) }
      })
  }

  private func verification(
    _ path: String? = nil, base: String?, replay: String? = nil
  ) throws -> VerificationReport {
    var options = OpenOptions()
    options.bases = base.map { given($0) }
    let replay = try replay.map { try ReplaySource(workspace.path($0), options) }
    return try Verifier(path ?? store, options, smallResources, replay: replay)
      .run(against: nil, .withoutValues)
  }

  private func errors(_ report: VerificationReport) -> [String] {
    report.findings.filter { $0.severity == .error }.map(\.check)
  }

  /// What came of reading the tensors.
  private func contents(_ report: VerificationReport) -> VerificationReport.Status? {
    report.checks.first { $0.name == .contents }?.status
  }

  // MARK: Other shapes

  /// The base with other extents: rows of `moved` as wide again, and `old` with fewer.
  private func writeOtherShapes() throws {
    var other = base
    other.tensors[0] = SampleTensor("moved", "BF16", [16, 128], base.tensors[0].data)
    other.tensors[1] = SampleTensor("old", "BF16", [16, 64], base.tensors[1].data.prefix(2048))
    try workspace.write("other/model.safetensors", other.fileContents)
  }

  @Test func anotherShapeIsToldWithTheBasesOwnNameAndWhatWouldFit() throws {
    try writeOtherShapes()
    let moved = export("other")
    #expect(moved?.tensor == "moved" && moved?.expected == "BF16 [any, 64]")
    #expect(moved?.found == "BF16 [16, 128]")
    var other = base
    other.tensors[1] = SampleTensor("old", "BF16", [16, 64], base.tensors[1].data.prefix(2048))
    try workspace.write("other/model.safetensors", other.fileContents)
    let same = export("other")
    #expect(same?.tensor == "new" && same?.message.contains("'old'") == true)
    #expect(same?.expected == "BF16 [32, 64]" && same?.found == "BF16 [16, 64]")
  }

  @Test func aBaseOfOtherShapesKeepsNothingFromBeingChecked() throws {
    try writeOtherShapes()
    let report = try verification(base: "other")
    let wrong = report.findings.filter { $0.check == "wrong-base" }
    #expect(wrong.map(\.tensor) == ["moved", "new"])
    #expect(errors(report) == ["wrong-base", "wrong-base"])
    let bare = try verification(base: nil)
    func statuses(_ report: VerificationReport) -> [VerificationReport.Name: String] {
      Dictionary(
        uniqueKeysWithValues: report.checks.filter { $0.name != .contents }.map {
          ($0.name, "\($0.status) \($0.detail)")
        })
    }
    #expect(statuses(report) == statuses(bare))
    #expect(report.findings.contains { $0.check == "base" })
    // What is damaged is found beside the wrong base.
    try workspace.edit("x.store/weights-00001.h5") { $0[$0.count - 3] ^= 1 }
    #expect(try errors(verification(base: "other")) != errors(report))
    #expect(try errors(verification(base: "other")).count(where: { $0 == "wrong-base" }) == 2)
  }

  @Test func anUpdateToAnotherBaseIsCheckedAsFarAsItCanBe() throws {
    var tuned = base
    for place in [0, 1] { tuned.tensors[place].data[6] ^= 3 }
    try workspace.write("tuned/model.safetensors", tuned.fileContents)
    let update = try update("tuned")
    var other = base
    other.tensors = other.tensors.map {
      SampleTensor("x.\($0.name)", $0.dtype, $0.shape, $0.data)
    }
    try workspace.write("other/model.safetensors", other.fileContents)
    let report = try verification(update, base: "other")
    #expect(errors(report) == ["wrong-base", "wrong-base"])
    #expect(
      report.findings.filter { $0.check == "wrong-base" }.map(\.tensor) == ["moved", "old"])
    #expect(report.findings.contains { $0.check == "base" })
  }

  // MARK: Updates of which nothing tells the base

  private func update(_ fork: String) throws -> String {
    let update = workspace.path("weight_v000001")
    try convert(workspace.path(fork), update) {
      $0.format = "weight-delta"
      $0.openOptions.bases = given("base")
    }
    return update
  }

  @Test func anUpdateWithoutRootsProvesNothingOfWhatItDoesNotChange() throws {
    var tuned = base
    tuned.tensors[0].data[6] ^= 3
    try workspace.write("tuned/model.safetensors", tuned.fileContents)
    let update = try update("tuned")
    let own = try verification(update, base: "base")
    #expect(contents(own) == .passed && !own.findings.contains { $0.check == "base-unproven" })
    // As others write it, over a base that differs where the update changes nothing.
    try workspace.edit("weight_v000001/model.safetensors.index.json") {
      $0 = Data(
        String(decoding: $0, as: UTF8.self).replacing("weighbridge.", with: "other.").utf8)
    }
    try FileManager.default.removeItem(
      atPath: workspace.path("weight_v000001/weighbridge-certificate.json"))
    var other = base
    other.tensors[1].data[9] ^= 1
    try workspace.write("other/model.safetensors", other.fileContents)
    let report = try verification(update, base: "other")
    #expect(contents(report) == .skipped && report.verdict == .notComplete)
    #expect(
      report.findings.filter { $0.check == "base-unproven" }.map(\.severity) == [.warning])
    try convert(update, workspace.path("applied")) { $0.openOptions.bases = given("other") }
    let certificate = try Certificate(
      parsing: BytesInMemory(
        Array(workspace.contents("applied/weighbridge-certificate.json"))), file: "c")
    #expect(certificate.findings.contains { $0.check == "base-unproven" })
    // One that changes every tensor needs no such warning.
    tuned.tensors[1].data[6] ^= 3
    try workspace.write("tuned/model.safetensors", tuned.fileContents)
    try FileManager.default.removeItem(atPath: update)
    _ = try self.update("tuned")
    try workspace.edit("weight_v000001/model.safetensors.index.json") {
      $0 = Data(
        String(decoding: $0, as: UTF8.self).replacing("weighbridge.", with: "other.").utf8)
    }
    let whole = try verification(update, base: "base")
    #expect(!whole.findings.contains { $0.check == "base-unproven" })
  }

  // MARK: Nothing needed

  @Test func aDifferenceThatNeedsNothingIsReadWithout() throws {
    let other = SafetensorsSample([SampleTensor("else", [4], floats: [5, 6, 7, 8])])
    try workspace.write("strange/model.safetensors", other.fileContents)
    let store = workspace.path("plain.store")
    try convertToStore(workspace.path("fork"), store) { $0.openOptions.bases = given("strange") }
    let manifest = try StoreManifest(parsing: Array(workspace.contents("plain.store/store.json")))
    #expect(manifest.base != nil && manifest.tensors.allSatisfy { $0.base == nil })
    for (base, name) in [(nil, "without"), ("strange", "with")] {
      try convert(store, workspace.path(name)) { $0.openOptions.bases = base.map { given($0) } }
      let made = try SafetensorsSample(parsing: workspace.contents("\(name)/model.safetensors"))
      #expect(made.byName == fork.byName)
      let report = try verification(store, base: base)
      #expect(contents(report) == .passed && report.root == manifest.root, "\(report.findings)")
    }
    // Complete by itself, it can be a base.
    try convertToStore(workspace.path("fork"), workspace.path("again.store")) {
      $0.openOptions.bases = given("plain.store")
    }
  }

  // MARK: Sealed again

  private func sealed(_ edit: (inout StoreManifest) -> Void) throws {
    var options = OpenOptions()
    options.opensWithoutBase = true
    let reader = try #require(Source(store, options).store)
    var editor = StoreEditor(store, reader.manifest, reader.tensors.map(\.chunks))
    edit(&editor.manifest)
    try editor.write(measuresVolumes: false)
  }

  /// What a manifest says of the base, against the certificate, the base itself, and the conversion made again.
  @Test func anotherRootOfTheBaseIsFound() throws {
    #expect(try errors(verification(base: "base", replay: "fork")) == [])
    try sealed { $0.base = .init(root: Digest(of: [1]), hint: $0.base?.hint ?? "") }
    #expect(try errors(verification(base: nil)) == ["certificate-claim"])
    // Without the certificate the base tells, and another conversion.
    try edited { $0.base = $0.base.map { _ in .init(.init(root: Digest(of: [1]), hint: "base")) } }
    let report = try verification(base: "base")
    #expect(errors(report) == [])
    #expect(report.findings.filter { $0.check == "base-root" }.map(\.severity) == [.note])
    #expect(
      try errors(verification(base: "base", replay: "fork")) == ["replay-plan", "replay-plan"])
  }

  @Test func anotherHintIsFound() throws {
    try sealed { $0.base = .init(root: $0.base?.root ?? $0.root, hint: "evil") }
    #expect(try errors(verification(base: nil)) == ["certificate-claim"])
  }

  @Test func anotherFamilyAndConfigurationAreFound() throws {
    try sealed { $0.architecture = "llama" }
    #expect(try errors(verification(base: nil)) == ["certificate-claim"])
    try sealed {
      $0.architecture = nil
      $0.configuration = .object([.init("n_head", .integer(3))])
    }
    #expect(try errors(verification(base: nil)) == ["store-manifest"])
  }

  /// The certificate with something changed, under a manifest that has its digest.
  private func edited(_ edit: (inout Certificate) -> Void) throws {
    let name = "weighbridge-certificate.json"
    var certificate = try Certificate(
      parsing: BytesInMemory(Array(workspace.contents("x.store/\(name)"))), file: name)
    edit(&certificate)
    let text = try JSONDocument.bytes(certificate)
    try workspace.write("x.store/\(name)", Data(text))
    try sealed { $0.certificate = .init(name: name, contents: text) }
  }

  /// A base with other tensors beside those that are needed is no wrong one.
  @Test func aBaseWithMoreIsNoted() throws {
    var more = base
    more.tensors.append(SampleTensor("mask", [4], floats: [0, 0, 0, 1]))
    try workspace.write("more/model.safetensors", more.fileContents)
    let report = try verification(base: "more")
    #expect(contents(report) == .passed)
    #expect(report.findings.map(\.check) == ["base-root"])
    #expect(export("more") == nil)
  }
}
