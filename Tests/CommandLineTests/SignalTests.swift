import Foundation
import TestSupport
import Testing

/// Conversions that are stopped from outside.
@Suite struct SignalTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func arguments(_ source: String, _ destination: String) -> [String] {
    ["convert", source, workspace.path(destination), "--dtype", "bf16", "--max-shard-size", "10MB"]
  }

  @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
  func leavesWorkThatResumeCompletes(signal: Int32, code: Int32) throws {
    for megabytes in [16, 128, 1024] {
      let source = try workspace.sparseCheckpoint(megabytes << 20)
      let run = try Weighbridge.Run(
        arguments(source, "out") + ["--threads", "1", "--memory", "4MB"])
      while run.isRunning && !workspace.has(".out.partial/journal") { usleep(500) }
      run.send(signal)
      let outcome = try run.outcome()
      if workspace.has("out") {
        // It was done before the signal came.
        try workspace.remove("out")
        continue
      }
      #expect(outcome.code == code)
      #expect(outcome.output.isEmpty)
      let name = signal == SIGINT ? "SIGINT" : "SIGTERM"
      #expect(outcome.errors.contains("\nstopped by \(name)\nhint: "), "\(outcome.errors)")
      #expect(outcome.errors.contains("--resume"))
      #expect(outcome.errors.contains(workspace.path(".out.partial")))
      #expect(workspace.names() == [".out.partial", "in.safetensors"])
      let resumed = try Weighbridge.run(arguments(source, "out") + ["--resume"])
      #expect(resumed.code == 0)
      #expect(try Weighbridge.run(arguments(source, "whole")).code == 0)
      #expect(try workspace.snapshot(of: "out") == workspace.snapshot(of: "whole"))
      #expect(workspace.names() == ["in.safetensors", "out", "whole"])
      return
    }
    Issue.record("even a conversion of 1 GB was over before the signal came")
  }

  @Test func stopsInspectionsToo() throws {
    let source = try workspace.sparseCheckpoint(1 << 30)
    let run = try Weighbridge.Run(["inspect", source, "--digests", "--threads", "1"])
    usleep(150_000)
    run.send(SIGINT)
    let outcome = try run.outcome()
    #expect(outcome.code == 130)
    #expect(outcome.output.isEmpty)
    #expect(!outcome.errors.contains("--resume"))
  }
}

/// Conversions that are killed at any moment: nothing looks complete that isn't, and nothing is lost.
@Suite struct KillTests {
  private struct Reference: Sendable {
    let source: Data
    let files: [String: Data]
    let seconds: Double
  }

  private static let tensorCount = 24
  private static let options = ["--dtype", "bf16", "--max-shard-size", "1MB"]

  private static let reference = Result {
    let workspace = try Workspace()
    var random = SampleRandom(seed: 5)
    let data = random.bytes(1 << 18).reduce(into: Data()) { $0.append($1 & 0xbf) }
    let sample = SafetensorsSample(
      (0..<tensorCount).map { SampleTensor("layer.\($0).weight", "F32", [256, 256], data) })
    let contents = try sample.fileContents
    let source = try workspace.write("in.safetensors", contents)
    let start = Date()
    let outcome = try Weighbridge.run(["convert", source, workspace.path("out")] + options)
    let seconds = Date().timeIntervalSince(start)
    try #require(outcome.code == 0)
    return Reference(
      source: contents, files: try workspace.snapshot(of: "out"), seconds: seconds)
  }

  /// Tensors in the journal.
  private func journalCount(_ workspace: Workspace, _ partial: String) -> Int {
    let journal = try? workspace.contents("\(partial)/journal")
    return (journal ?? Data()).count { $0 == 10 } - 1
  }

  @Test(arguments: 0..<20) func nothingIsLost(round: Int) throws {
    let reference = try Self.reference.get()
    let workspace = try Workspace()
    let source = try workspace.write("in.safetensors", reference.source)
    var random = SampleRandom(seed: UInt64(round) + 100)
    let arguments = ["convert", source, workspace.path("out")] + Self.options
    if round % 4 == 3 { try workspace.folder("out") }
    let partial = round % 4 == 3 ? "out/.out.partial" : ".out.partial"

    let run = try Weighbridge.Run(arguments + ["--threads", "1"])
    if round % 2 == 0 {
      usleep(UInt32(Double.random(in: 0...reference.seconds, using: &random) * 1_000_000))
    } else {
      // Most of a short run is its start; so every other one ends when some tensors are in the journal.
      let count = Int.random(in: 0...Self.tensorCount, using: &random)
      while run.isRunning && journalCount(workspace, partial) < count { usleep(100) }
    }
    run.send(SIGKILL)
    _ = try run.outcome()

    if workspace.has("out/weighbridge-certificate.json") && !workspace.has(partial) {
      #expect(try workspace.snapshot(of: "out") == reference.files)
      return
    }
    if round % 4 != 3 { #expect(!workspace.has("out")) }
    let resumed = try Weighbridge.run(arguments + ["--resume", "--json"])
    #expect(resumed.code == 0, "\(resumed.errors)")
    let count = try #require(resumed.object["resumed_tensors"] as? Int)
    #expect((0...Self.tensorCount).contains(count))
    #expect(try workspace.snapshot(of: "out") == reference.files)
    #expect(workspace.names() == ["in.safetensors", "out"])
  }
}
