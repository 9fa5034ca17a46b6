import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// What is at the destination before a conversion, and after it.
@Suite struct DestinationTests {
  private let workspace: Workspace
  private let source: String

  init() throws {
    workspace = try Workspace()
    try workspace.folder("in")
    let sample = SafetensorsSample([SampleTensor("x", [3], floats: [1, 2, 3])])
    try workspace.write("in/model.safetensors", sample.fileContents)
    source = workspace.path("in")
  }

  private static let result = ["model.safetensors", "weighbridge-certificate.json"]

  private func convert(to name: String, _ edit: (inout ConversionRequest) -> Void = { _ in }) throws
  {
    try CheckpointConversionTests.convert(source, workspace.path(name), edit)
  }

  private func failure(
    to name: String, _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> CheckpointError? {
    CheckpointConversionTests.failure(of: request(source, workspace.path(name), edit))
  }

  private func identity(_ name: String) throws -> NSNumber? {
    try FileManager.default.attributesOfItem(atPath: workspace.path(name))[.systemFileNumber]
      as? NSNumber
  }

  @Test func holdsNothingButTheResult() throws {
    try convert(to: "out")
    #expect(workspace.names(in: "out") == Self.result)
    #expect(workspace.names() == ["in", "out"])
  }

  @Test func mayEndInASlash() throws {
    try convert(to: "out/")
    #expect(workspace.names(in: "out") == Self.result)
  }

  @Test func isKeptWithoutForce() throws {
    try workspace.folder("out")
    try workspace.write("out/precious.txt", Data("mine".utf8))
    let error = failure(to: "out")
    #expect(error?.code == .conflict)
    #expect(error?.hint?.contains("--force") == true)
    #expect(try workspace.snapshot(of: "out") == ["precious.txt": Data("mine".utf8)])
    #expect(workspace.names() == ["in", "out"])
  }

  @Test func isReplacedWithForce() throws {
    try convert(to: "out")
    try workspace.folder("out/.cache/huggingface/download")
    for name in [
      "README.md", "tokenizer.json", ".gitattributes", ".cache/huggingface/.gitignore",
      ".cache/huggingface/download/config.json.metadata",
    ] {
      try workspace.write("out/\(name)", Data("old".utf8))
    }
    try convert(to: "out") { $0.force = true }
    #expect(workspace.names(in: "out") == Self.result)
    #expect(workspace.names() == ["in", "out"])
  }

  /// Neither by force nor otherwise is anything lost that isn't a checkpoint's.
  @Test(arguments: [
    ["precious.txt"], ["docs/thesis.txt"], [".git/HEAD", "model.safetensors"],
    ["config.json", "data.csv"], ["model.safetensors", "experiments/notes.txt"],
    ["config.json", "tokenizer.json"], ["firmware.bin"],
  ])
  func staysAsItIsWhereOtherFilesAreIn(_ names: [String]) throws {
    for name in names {
      if let slash = name.lastIndex(of: "/") { try workspace.folder("out/\(name[..<slash])") }
      if !name.contains("/") { try workspace.folder("out") }
      try workspace.write("out/\(name)", Data("mine".utf8))
    }
    let before = try workspace.snapshot(of: "out")
    let started = Flag()
    let error = CheckpointConversionTests.failure(
      of: request(source, workspace.path("out")) { $0.force = true }, willStart: started.set)
    #expect(error?.code == .conflict && error?.hint != nil && !started.isSet)
    #expect(try workspace.snapshot(of: "out") == before)
  }

  @Test func anOutputWithNotesInItStays() throws {
    try convert(to: "out")
    try workspace.folder("out/notes")
    try workspace.write("out/notes/thesis.txt", Data("years".utf8))
    let error = failure(to: "out") { $0.force = true }
    #expect(error?.code == .conflict && error?.found == "notes/thesis.txt")
  }

  @Test func aLinkToACheckpointStays() throws {
    try convert(to: "real")
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("out"), withDestinationPath: workspace.path("real"))
    #expect(failure(to: "out") { $0.force = true }?.code == .conflict)
  }

  /// A folder under the name of ours is somebody else's unless it has our journal.
  @Test(arguments: [false, true]) func foreignPartialsStay(resumes: Bool) throws {
    try workspace.folder(".out.partial")
    try workspace.write(".out.partial/mine.txt", Data("mine".utf8))
    let error = failure(to: "out") {
      $0.resume = resumes
      $0.force = true
    }
    #expect(error?.code == .conflict)
    #expect(workspace.names(in: ".out.partial") == ["mine.txt"])
    try workspace.write(".out.partial/journal", Data("dear diary\n".utf8))
    #expect(failure(to: "out") { $0.force = true }?.code == .conflict)
  }

  @Test func staysAsItIsWhenForceFails() throws {
    try convert(to: "out")
    let before = try workspace.snapshot(of: "out")
    let error = failure(to: "out") {
      $0.force = true
      $0.settings.sharding = .count(9)
    }
    #expect(error?.code == .usage)
    #expect(try workspace.snapshot(of: "out") == before)
    #expect(workspace.names() == ["in", "out"])
  }

  @Test func ofOneFileIsKeptOrReplaced() throws {
    try workspace.write("out.safetensors", Data("mine".utf8))
    #expect(failure(to: "out.safetensors")?.code == .conflict)
    #expect(failure(to: "out.safetensors") { $0.force = true }?.code == .conflict)
    #expect(try workspace.contents("out.safetensors") == Data("mine".utf8))
    try workspace.remove("out.safetensors")
    try convert(to: "out.safetensors") { $0.force = true }
    let first = try workspace.snapshot(of: "")
    #expect(workspace.names() == ["in", "out.certificate.json", "out.safetensors"])
    try convert(to: "out.safetensors") { $0.force = true }
    #expect(try workspace.snapshot(of: "") == first)
  }

  @Test func ofOneFileLeavesOtherCertificatesAlone() throws {
    // Of a file that is there: the new one gets the longer name, and both verify.
    try convert(to: "out.npz") { $0.format = nil }
    let first = try workspace.contents("out.certificate.json")
    try convert(to: "out.safetensors")
    #expect(try workspace.contents("out.certificate.json") == first)
    #expect(
      workspace.names() == [
        "in", "out.certificate.json", "out.npz", "out.safetensors",
        "out.safetensors.certificate.json",
      ])
    for name in ["out.npz", "out.safetensors"] {
      let report = try Verifier(workspace.path(name), OpenOptions(), smallResources)
        .run(against: nil)
      #expect(report.checks.contains { $0.name == .certificate && $0.status == .passed })
      #expect(!report.hasFindings(.error))
    }
    // Of nothing that is known.
    try workspace.write("other.certificate.json", Data("old".utf8))
    try convert(to: "other.safetensors")
    #expect(try workspace.contents("other.certificate.json") == Data("old".utf8))
    #expect(workspace.has("other.safetensors.certificate.json"))
  }

  @Test func ofOneFileIsRefusedWhereTheCertificateOfAFileThatIsGoneIsInTheWay() throws {
    try convert(to: "out.npz") { $0.format = nil }
    try workspace.remove("out.npz")
    // Before any work is done, that is: not when everything has been written.
    let started = Flag()
    let error = CheckpointConversionTests.failure(
      of: request(source, workspace.path("out.safetensors")), willStart: started.set)
    #expect(error?.code == .conflict)
    #expect(!started.isSet)
    try convert(to: "out.safetensors") { $0.force = true }
    #expect(workspace.names() == ["in", "out.certificate.json", "out.safetensors"])
  }

  @Test func thatIsAnEmptyDirectoryIsFilledInPlace() throws {
    try workspace.folder("out")
    let before = try identity("out")
    try convert(to: "out")
    #expect(try identity("out") == before)
    #expect(workspace.names(in: "out") == Self.result)
    #expect(workspace.names() == ["in", "out"])
  }

  @Test func thatIsALinkToAnEmptyDirectoryIsFilledInPlace() throws {
    try workspace.folder("volume")
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("out"), withDestinationPath: "volume")
    try convert(to: "out")
    #expect(workspace.names(in: "volume") == Self.result)
  }

  @Test func thatIsAnEmptyDirectoryIsEmptyAgainAfterAnError() throws {
    try workspace.folder("out")
    #expect(failure(to: "out") { $0.settings.sharding = .count(9) }?.code == .usage)
    #expect(workspace.names(in: "out").isEmpty)
  }

  @Test(arguments: ["in", "in/", "in/out", "in/deeper/out", "in/model.safetensors"])
  func insideTheSourceIsRefused(name: String) throws {
    try workspace.folder("in/deeper")
    let before = try workspace.snapshot(of: "in")
    for force in [false, true] {
      let error = failure(to: name) { $0.force = force }
      #expect(error?.code == .usage || error?.code == .conflict)
      #expect(try workspace.snapshot(of: "in") == before)
    }
  }

  @Test func insideTheSourceIsRefusedThroughLinksToo() throws {
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("link"), withDestinationPath: "in")
    #expect(failure(to: "link/out")?.code == .usage)
    #expect(workspace.names(in: "in") == ["model.safetensors"])
  }

  @Test func aroundTheSourceIsNotReplaced() throws {
    let before = try workspace.snapshot(of: "in")
    let error = CheckpointConversionTests.failure(
      of: request(workspace.path("in/model.safetensors"), source) { $0.force = true })
    #expect(error?.code == .usage)
    #expect(try workspace.snapshot(of: "in") == before)
    #expect(workspace.names() == ["in"])
  }

  @Test func needsAParent() throws {
    let error = failure(to: "no/such/out")
    #expect(error?.code == .missing)
    #expect(error?.hint?.contains("mkdir -p") == true)
    #expect(workspace.names() == ["in"])
  }

  @Test func belowAFileIsRefused() throws {
    try workspace.write("file", Data())
    #expect(failure(to: "file/out")?.code == .usage)
  }

  @Test func thatAppearsMeanwhileIsKept() throws {
    let path = workspace.path("out")
    let error = CheckpointConversionTests.failure(
      of: request(source, path),
      willStart: {
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      })
    #expect(error?.code == .conflict)
    #expect(workspace.names(in: "out").isEmpty)
  }

  @Test func errorsOfTheSourceLeaveNothing() throws {
    try workspace.edit("in/model.safetensors") { $0.removeLast() }
    #expect(failure(to: "out")?.code == .malformed)
    #expect(failure(to: "out.safetensors")?.code == .malformed)
    #expect(workspace.names() == ["in"])
  }

  @Test func leadingDashesAndSpacesAreJustNames() throws {
    try convert(to: "- a 'b' \u{e9}")
    #expect(workspace.names(in: "- a 'b' \u{e9}") == Self.result)
  }
}
