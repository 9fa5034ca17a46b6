import CheckpointFormats
import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Merges that are started again after they have ended, and several at once.
@Suite struct RepeatedMergeTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func request(_ destination: String, force: Bool = false) -> ConversionRequest {
    CheckpointConversionTests.request(
      Fixtures.path("huggingface/gptj"), workspace.path(destination), resources: smallResources
    ) {
      $0.format = ["gguf", "store"].first(where: destination.hasSuffix) ?? "safetensors"
      if destination.hasSuffix("gguf") {
        $0.settings.sharding = .maximumByteCount(100_000)
      } else if !destination.contains(".") {
        $0.settings.sharding = .maximumByteCount(200_000)
      }
      $0.force = force
    }
  }

  private func doParts(_ request: ConversionRequest) throws {
    for number in 1...3 {
      _ = try ConversionJob(request).run(
        part: try #require(PartChoice("\(number)/3")), variables: [:], .silent, willWork: { _ in })
    }
  }

  private func merge(
    _ destination: String, isForced: Bool = false, wait: Double = 0
  ) throws -> PartsMerge.Outcome {
    try PartsMerge(workspace.path(destination), isForced: isForced, wait: wait, smallResources)
      .run()
  }

  @Test(arguments: ["out", "out.safetensors", "out.gguf", "out.store"], [false, true])
  func aMergeThatHasEndedIsWhole(_ destination: String, _ isFilled: Bool) throws {
    if isFilled {
      guard !destination.contains("safe"), !destination.contains("gguf") else { return }
      try FileManager.default.createDirectory(
        atPath: workspace.path(destination), withIntermediateDirectories: false)
    }
    try doParts(request(destination))
    let first = try merge(destination)
    #expect(!first.wasWhole)
    let names = try Directories.files(in: workspace.path).sorted()
    for isForced in [false, true] {
      let again = try merge(destination, isForced: isForced)
      #expect(again.wasWhole)
      #expect(again.certificate == first.certificate)
      #expect(try Directories.files(in: workspace.path).sorted() == names)
    }
  }

  @Test func whatIsntWholeIsNoResult() throws {
    func failure(_ destination: String) throws -> CheckpointError? {
      #expect(throws: CheckpointError.self) { try merge(destination) }
    }
    #expect(try failure("out")?.code == .missing)
    // Somebody's folder.
    try workspace.write("out/notes.txt", Data("mine".utf8))
    #expect(try failure("out")?.code == .missing)
    try doParts(request("whole"))
    _ = try merge("whole")
    let file = try #require(
      try Directories.files(in: workspace.path("whole")).first { $0.hasSuffix("safetensors") })
    let bytes = try Data(contentsOf: URL(filePath: file))
    try bytes.dropLast().write(to: URL(filePath: file))
    #expect(try failure("whole")?.code == .corrupt)
    try FileManager.default.removeItem(atPath: file)
    #expect(try failure("whole")?.found == "nothing")
  }

  @Test func partsThatAreHiddenAreWaitedFor() throws {
    try doParts(request("out"))
    let (shown, hidden) = (workspace.path(".out.partial"), workspace.path(".hidden"))
    try FileManager.default.moveItem(atPath: shown, toPath: hidden)
    #expect(throws: CheckpointError.self) { try merge("out", wait: 0.6) }
    let isShown = Mutex(false)
    let resources = EvaluationResources(memory: 64_000_000, threads: 1) {
      () throws(CheckpointError) in
      isShown.withLock { isShown in
        if !isShown { try? FileManager.default.moveItem(atPath: hidden, toPath: shown) }
        isShown = true
      }
    }
    let outcome = try PartsMerge(workspace.path("out"), wait: 20, resources).run()
    #expect(outcome.partCount == 3)
  }

  /// What stands there would be taken for the result otherwise.
  @Test func withForceHiddenPartsAreWaitedForBesideWhatIsReplaced() throws {
    try convert(request("out"))
    let old = try Data(contentsOf: URL(filePath: workspace.path("out/\(Certificate.fileName)")))
    var other = request("out", force: true)
    other.settings.dtype = .f16
    try doParts(other)
    let (shown, hidden) = (workspace.path(".out.partial"), workspace.path(".hidden"))
    try FileManager.default.moveItem(atPath: shown, toPath: hidden)
    let resources = EvaluationResources(memory: 64_000_000, threads: 1) {
      () throws(CheckpointError) in
      try? FileManager.default.moveItem(atPath: hidden, toPath: shown)
    }
    let outcome = try PartsMerge(workspace.path("out"), isForced: true, wait: 20, resources).run()
    #expect(!outcome.wasWhole)
    let new = try Data(contentsOf: URL(filePath: workspace.path("out/\(Certificate.fileName)")))
    #expect(new != old)
  }

  // MARK: Several at once

  @Test(arguments: ["out", "out.safetensors"])
  func whoseMergeIsTakenOverSaysSo(_ destination: String) throws {
    try doParts(request(destination))
    let other = Mutex(false)
    let place = workspace.path(destination)
    // At the first file another merge is started, which goes on to its end.
    let resources = EvaluationResources(memory: 64_000_000, threads: 1) {
      () throws(CheckpointError) in
      guard
        other.withLock({
          let isFirst = !$0; $0 = true; return isFirst
        })
      else { return }
      _ = try PartsMerge(place, smallResources).run()
    }
    let error = #expect(throws: CheckpointError.self) {
      try PartsMerge(place, resources).run()
    }
    #expect(error?.code == .conflict)
    #expect(error?.description.contains("another merge") == true)
    #expect(error?.description.contains("rm -r") == false)
    #expect(try merge(destination).wasWhole)
    #expect(!fileExists(workspace.path(".\(destination).partial")))
  }

  @Test func whoIsLateFindsAnotherAtWork() throws {
    try convert(request("out"))
    try doParts(request("out", force: true))
    let place = workspace.path("out")
    let late = PartsMerge(place, isForced: true, smallResources) { _ in
      _ = try? PartsMerge(place, isForced: true, smallResources).run()
    }
    let error = #expect(throws: CheckpointError.self) { try late.run() }
    #expect(error?.code == .conflict)
    #expect(error?.description.contains("another merge") == true)
    #expect(try merge("out", isForced: true).wasWhole)
  }

  // MARK: What is in the way

  @Test func whatIsInTheWayIsToBeMovedAndPartsStay() throws {
    try doParts(request("out"))
    try workspace.write("out/notes.txt", Data("mine".utf8))
    let foreign = #expect(throws: CheckpointError.self) { try merge("out", isForced: true) }
    #expect(foreign?.hint?.contains("move it away") == true)
    #expect(foreign?.hint?.contains("--force") == false)
    #expect(foreign?.hint?.contains("another destination") == false)
    try FileManager.default.removeItem(atPath: workspace.path("out"))
    try convert(
      CheckpointConversionTests.request(
        Fixtures.path("huggingface/llama"), workspace.path("old"), resources: smallResources
      ) { $0.format = "safetensors" })
    try FileManager.default.moveItem(
      atPath: workspace.path("old"), toPath: workspace.path("out"))
    let older = #expect(throws: CheckpointError.self) { try merge("out") }
    #expect(older?.hint?.contains("--force") == true)
    #expect(try !merge("out", isForced: true).wasWhole)
  }

  @Test func anUnfinishedConversionWithoutPartsIsCalledSo() throws {
    try workspace.write(".out.partial/journal", Data())
    try workspace.write(".out.partial/model.safetensors", Data())
    let error = #expect(throws: CheckpointError.self) { try merge("out") }
    #expect(error?.message.contains("without --part") == true)
  }
}
