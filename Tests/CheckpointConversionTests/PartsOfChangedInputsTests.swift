import FileContainers
import Foundation
import Synchronization
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// An input that is changed while a part is made of it: nobody knows which of the others were made before.
@Suite struct PartsOfChangedInputsTests {
  private let workspace: Workspace
  private let model: String

  init() throws {
    workspace = try Workspace()
    model = workspace.path("source/model.safetensors")
    try FileManager.default.copyItem(
      atPath: Fixtures.path("huggingface/llama"), toPath: workspace.path("source"))
    try setTime()
  }

  /// As a copy with its times would have it: the time alone doesn't tell of the change.
  private func setTime() throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1_700_000_000)], ofItemAtPath: model)
  }

  private func change() throws {
    let file = try #require(FileHandle(forUpdatingAtPath: model))
    let end = try file.seekToEnd()
    try file.seek(toOffset: end - 1)
    let last = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: end - 1)
    try file.write(contentsOf: [last ^ 1])
    try file.close()
    try setTime()
  }

  private func run(_ part: String, resume: Bool = false, changing: Bool = false) throws {
    let request = request(workspace.path("source"), workspace.path("out")) { $0.resume = resume }
    let isChanged = Mutex(!changing)
    let observer = ConversionJob.Observer(
      willStart: { _, _, _ in }, report: { _ in },
      progress: { _ in
        isChanged.withLock {
          if !$0 { #expect(throws: Never.self) { try change() } }
          $0 = true
        }
      })
    _ = try ConversionJob(request).run(
      part: try #require(PartChoice(part)), variables: [:], observer, willWork: { _ in })
    #expect(isChanged.withLock { $0 })
  }

  @Test func noPartCountsAnyMore() throws {
    try run("1/2")
    let error = #expect(throws: CheckpointError.self) { try run("2/2", changing: true) }
    #expect(error?.file == model && error?.hintLines.last?.contains("rm -r") == true)
    for resume in [false, true] {
      let error = #expect(throws: CheckpointError.self) { try run("2/2", resume: resume) }
      #expect(error?.code == .conflict && error?.hint?.contains("rm -r") == true)
    }
    let merge = #expect(throws: CheckpointError.self) {
      _ = try PartsMerge(workspace.path("out"), smallResources).run()
    }
    #expect(merge?.code == .conflict)
    let status = try PartsStatus(of: workspace.path("out"))
    #expect(status.damages.first?.code == .conflict && status.missing == "2")
    try FileManager.default.removeItem(atPath: workspace.path(".out.partial"))
    for part in ["2/2", "1/2"] { try run(part) }
    _ = try PartsMerge(workspace.path("out"), smallResources).run()
  }

  @Test func aPartAloneLeavesNothing() throws {
    #expect(throws: CheckpointError.self) { try run("1/2", changing: true) }
    #expect(!fileExists(workspace.path(".out.partial")))
  }
}
