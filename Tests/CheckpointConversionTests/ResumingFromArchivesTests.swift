import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Going on with a conversion out of an archive, and sources that change meanwhile.
@Suite struct ResumingFromArchivesTests {
  @Test func ofAnArchiveWorksFromUnpackingOn() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let never = Interruption(at: 0)
    try workspace.folder("reference")
    _ = try fixture.convert(to: workspace.path("reference/out"), resources: never.resources()) {
      $0.openOptions.checkCancellation = $0.resources.checkCancellation
    }
    let whole = try workspace.snapshot(of: "reference/out")
    let calls = never.callCount
    for call in [1, 2, calls / 2, calls] {
      let stop = Interruption(at: call)
      #expect(throws: CheckpointError.self) {
        try fixture.convert(to: workspace.path("out"), resources: stop.resources())
      }
      #expect(workspace.names() == [".out.partial", "reference"])
      _ = try fixture.convert(to: workspace.path("out")) { $0.resume = true }
      #expect(try workspace.snapshot(of: "out") == whole)
      #expect(workspace.names() == ["out", "reference"])
      try workspace.remove("out")
    }
  }

  @Test func ofAnArchiveUsesItsSpoolDirectory() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let spool = try workspace.folder("spool")
    let edit: (inout ConversionRequest) -> Void = { $0.spoolDirectory = spool }
    _ = try fixture.convert(to: workspace.path("whole"), edit)
    #expect(workspace.names(in: "spool").isEmpty)

    // Unpacking asks a few times before the first tensor does.
    let stop = Interruption(at: 20)
    #expect(throws: CheckpointError.self) {
      try fixture.convert(to: workspace.path("out"), resources: stop.resources(), edit)
    }
    #expect(workspace.has(".out.partial/journal"))
    #expect(workspace.names(in: "spool").count == 1)
    let outcome = try fixture.convert(to: workspace.path("out")) {
      edit(&$0)
      $0.resume = true
    }
    #expect(outcome.resumedTensorCount > 0)
    #expect(workspace.names(in: "spool").isEmpty)
    #expect(try workspace.snapshot(of: "out") == workspace.snapshot(of: "whole"))

    #expect(throws: CheckpointError.self) {
      try fixture.convert(to: workspace.path("refused")) {
        edit(&$0)
        $0.settings.sharding = .count(1_000_000)
      }
    }
    #expect(workspace.names(in: "spool").isEmpty)
    #expect(workspace.names() == ["out", "spool", "whole"])
  }

  @Test func publishesNoSpoolOfAnArchiveThatHasChanged() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let archive = try workspace.copy(fixture.archive, to: "step.tar.zstd")
    let configuration = try fixture.configuration
    let edit: (inout ConversionRequest) -> Void = { $0.openOptions.configuration = configuration }
    // The spool is complete, but there is no journal yet.
    let error = failure(
      of: request(archive, workspace.path("out"), resources: smallResources) {
        edit(&$0)
        $0.openOptions.assetsDirectory = nil
        $0.openOptions.progress = { _ in }
        let calls = Interruption(at: 1)
        $0.openOptions.checkCancellation = calls.resources().checkCancellation
      })
    #expect(error?.code == .interrupted)
    try workspace.write(".out.partial/spool-1-2.tar", Data(count: 100))
    try convert(archive, workspace.path("out"), dtype: .bf16) {
      edit(&$0)
      $0.resume = true
    }
    #expect(
      workspace.names(in: "out") == [
        "config.json", "model.safetensors", "weighbridge-certificate.json",
      ])
  }

  /// Whatever was made of a file that somebody rewrites is worth nothing.
  @Test func aSourceThatChangesIsAnError() throws {
    let workspace = try Workspace()
    let source = try ModelSample("gpt2").write(workspace, "in")
    let whole = try Data(contentsOf: URL(filePath: "\(source)/model.safetensors"))
    let change: @Sendable () -> Void = {
      guard let file = FileHandle(forUpdatingAtPath: "\(source)/model.safetensors") else { return }
      file.seekToEndOfFile()
      try? file.seek(toOffset: file.offsetInFile - 4)
      file.write(Data([1, 2, 3, 4]))
      try? file.close()
    }
    let error = failure(
      of: request(source, workspace.path("out"), dtype: .f16), willStart: change)
    #expect(error?.code == .inputOutput && error?.file?.hasSuffix("model.safetensors") == true)
    // Nothing is left that could be gone on with.
    #expect(!workspace.has("out") && !workspace.has(".out.partial"))
    try whole.write(to: URL(filePath: "\(source)/model.safetensors"))
    // What an earlier run has left is void: with other times it is another input; with the same, everything is made again.
    let interrupted = request(
      source, workspace.path("out"), resources: Interruption(at: 3).resources())
    #expect(failure(of: interrupted)?.code == .interrupted)
    let resume = request(source, workspace.path("out")) { $0.resume = true }
    #expect(failure(of: resume, willStart: change)?.code == .inputOutput)
    let journal = String(decoding: try workspace.contents(".out.partial/journal"), as: UTF8.self)
    #expect(journal.hasSuffix("{\"changed\":true}\n"))
    try whole.write(to: URL(filePath: "\(source)/model.safetensors"))
    #expect(failure(of: resume)?.code == .conflict)
  }

  /// A file of the same name that takes the place of the one that is read isn't looked at.
  @Test func aSourceThatIsReplacedIsReadToItsEnd() throws {
    let workspace = try Workspace()
    let source = try ModelSample("gpt2").write(workspace, "in")
    try convert(source, workspace.path("whole"), dtype: .f16)
    let replace: @Sendable () -> Void = {
      try? Data("another".utf8).write(
        to: URL(filePath: "\(source)/model.safetensors"), options: .atomic)
    }
    let error = failure(
      of: request(source, workspace.path("out"), dtype: .f16) { $0.hashesInputs = true },
      willStart: replace)
    #expect(error == nil)
    #expect(
      try workspace.contents("out/model.safetensors")
        == workspace.contents("whole/model.safetensors"))
  }
}
