import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// A destination `x.gguf` that is cut into parts beside each other.
@Suite struct GGUFPartsTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let limit = 28_000
  private static let parts = (1...3).map { "x-0000\($0)-of-00003.gguf" }
  private static let result = parts + ["x.certificate.json"]

  private func request(
    _ sharding: ConversionPlan.Sharding = .maximumByteCount(limit), _ name: String = "x.gguf",
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      Fixtures.path("huggingface/qwen2_tied"), workspace.path(name)
    ) {
      $0.format = nil
      $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
      $0.settings.sharding = sharding
      edit(&$0)
    }
  }

  private func isSound(_ name: String) throws -> Bool {
    let report = try verification(of: workspace.path(name))
    return !report.hasFindings(.error)
      && report.checks.contains { $0.name == .certificate && $0.status == .passed }
  }

  @Test func partsAreThoseOfADirectory() throws {
    let outcome = try convert(request())
    #expect(workspace.names() == Self.result)
    #expect(outcome.certificate.files.map(\.name) == Self.parts)
    try convert(request(.maximumByteCount(Self.limit), "set") { $0.format = "gguf" })
    for part in Self.parts {
      let other = "set/" + part.replacing("x-", with: "model-")
      #expect(try workspace.contents(part) == workspace.contents(other), "\(part)")
    }
  }

  @Test func anyPartOpensTheSet() throws {
    let outcome = try convert(request())
    for part in Self.parts {
      let source = try Source(workspace.path(part))
      #expect(source.inputs.map(\.name) == Self.parts)
      #expect(try isSound(part))
    }
    let back = try convert(workspace.path(Self.parts[0]), workspace.path("back"))
    let copy = try convert(Fixtures.path("huggingface/qwen2_tied"), workspace.path("copy"))
    #expect(back.certificate.root == copy.certificate.root)
    #expect(back.certificate.inputs.map(\.name) == Self.parts)
    // Sets of others beside it are no part of it.
    try workspace.copy(workspace.path(Self.parts[1]), to: "y-00002-of-00003.gguf")
    try workspace.copy(workspace.path(Self.parts[1]), to: "x-00002-of-00004.gguf")
    #expect(try isSound(Self.parts[0]))
    try workspace.edit(Self.parts[1]) { $0[$0.count - 40] ^= 1 }
    #expect(try !isSound(Self.parts[0]))
    try workspace.remove(Self.parts[1])
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path(Self.parts[0])) }
    #expect(error?.code == .missing)
    #expect(outcome.certificate.format == "gguf")
  }

  @Test func oneAloneIsAPartToo() throws {
    try convert(request(.count(1)))
    #expect(workspace.names() == ["x-00001-of-00001.gguf", "x.certificate.json"])
    #expect(try isSound("x-00001-of-00001.gguf"))
    try convert(
      request {
        $0.destination = self.workspace.path("y.gguf"); $0.settings.sharding = nil
      })
    #expect(
      try workspace.contents("x-00001-of-00001.gguf") == workspace.contents("y.gguf"))
  }

  // MARK: What is there

  @Test(arguments: [
    "x.gguf", "x-00001-of-00003.gguf", "x-00002-of-00009.gguf",
  ])
  func whatIsThereIsKeptWithoutForce(_ name: String) throws {
    try workspace.write(name, Data("mine".utf8))
    #expect(failure(of: request())?.code == .conflict)
    #expect(failure(of: request { $0.force = true })?.code == .conflict)
    #expect(try workspace.contents(name) == Data("mine".utf8))
    try workspace.write(name, Data("GGUF, an old one".utf8))
    #expect(failure(of: request())?.code == .conflict)
    #expect(workspace.names() == [name])
    try convert(request { $0.force = true })
    #expect(workspace.names() == Self.result)
    #expect(try isSound(Self.parts[0]))
  }

  @Test func othersFilesStay() throws {
    let others = ["x-1-of-3.gguf", "xy-00001-of-00003.gguf", "x-00004-of-00003.gguf", "x.txt"]
    for name in others { try workspace.write(name, Data("mine".utf8)) }
    try convert(request())
    try convert(request { $0.force = true })
    #expect(Set(workspace.names()) == Set(Self.result + others))
    for name in others { #expect(try workspace.contents(name) == Data("mine".utf8)) }
  }

  @Test func otherNumbersOfPartsAreReplaced() throws {
    try convert(request())
    try convert(request(.count(2)) { $0.force = true })
    #expect(
      workspace.names() == [
        "x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "x.certificate.json",
      ])
    #expect(try isSound("x-00002-of-00002.gguf"))
  }

  @Test func theSourceIsNotReplaced() throws {
    try convert(request())
    let error = failure(
      of: request(.count(2)) {
        $0.source = self.workspace.path(Self.parts[0])
        $0.force = true
      })
    #expect(error?.code == .usage && error?.message.contains("source") == true)
    #expect(workspace.names() == Self.result)
  }

  @Test func foldersInTheWayAreNotRemoved() throws {
    try workspace.folder(Self.parts[1])
    let error = failure(of: request { $0.force = true })
    #expect(error?.code == .conflict && error?.found == "a directory")
    #expect(workspace.names() == [Self.parts[1]])
  }

  @Test func otherFormatsAreNotCut() {
    let error = failure(of: request(.count(2), "x.safetensors"))
    #expect(error?.code == .usage && error?.message.contains("can't be cut") == true)
  }

  // MARK: Interruptions

  @Test(arguments: [false, true]) func resumedOrNotTheBytesAreTheSame(_ replaces: Bool) throws {
    func request(_ resources: EvaluationResources, resume: Bool = false) -> ConversionRequest {
      self.request {
        $0.resources = resources
        $0.resume = resume
        $0.force = replaces
      }
    }
    let never = Interruption(at: 0)
    try convert(request(never.resources()))
    let whole = try workspace.snapshot(of: "")
    for call in stride(from: 1, through: never.callCount, by: 7) {
      for name in workspace.names() { try workspace.remove(name) }
      if replaces { try convert(self.request(.count(2))) }
      #expect(failure(of: request(Interruption(at: call).resources()))?.code == .interrupted)
      #expect(workspace.names().filter { !$0.hasPrefix(".") }.count == (replaces ? 3 : 0))
      try convert(request(smallResources, resume: true))
      #expect(try workspace.snapshot(of: "") == whole, "\(call)")
    }
  }

  /// A run may end between two renames: the certificate goes first, the first part last.
  @Test(arguments: 0...4) func aRunThatEndedWhilePublishingGoesOn(_ published: Int) throws {
    let never = Interruption(at: 0)
    try convert(request { $0.resources = never.resources() })
    let whole = try workspace.snapshot(of: "")
    let order = ["x.certificate.json"] + Self.parts.reversed()
    for name in order { try workspace.remove(name) }
    let last = Interruption(at: never.callCount).resources()
    #expect(failure(of: request { $0.resources = last })?.code == .interrupted)
    try workspace.write(".x.gguf.partial/\(AtomicDestination.publicationName)", Data())
    for (place, name) in order.enumerated() {
      let path = ".x.gguf.partial/\(name)"
      if workspace.has(path) { try workspace.remove(path) }
      try workspace.write(place < published ? name : path, try #require(whole[name]))
    }
    if (1...3).contains(published) {
      #expect(throws: CheckpointError.self) { try Source(workspace.path(Self.parts[0])) }
    }
    let outcome = try convert(request { $0.resume = true })
    // The interruption came before the last one was recorded.
    #expect(outcome.resumedTensorCount >= outcome.certificate.tensors.count - 1)
    #expect(try workspace.snapshot(of: "") == whole)
  }
}
