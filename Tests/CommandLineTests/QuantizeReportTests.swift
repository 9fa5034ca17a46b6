import Foundation
import TestSupport
import Testing

/// `quantize --report`, as a user runs it.
@Suite struct QuantizeReportTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func quantize(
    _ report: String, _ more: [String] = [], source: String = fixture("huggingface/gpt2"),
    to destination: String = "q.gguf"
  ) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["quantize", source, workspace.path(destination), "--scheme", "q8_0", "--report", report]
        + more)
  }

  @Test func writesTheSamePageTwice() throws {
    let page = workspace.path("q.html")
    #expect(try quantize(page, ["--validate"]).code == 0)
    let first = try workspace.contents("q.html")
    let html = String(decoding: first, as: UTF8.self)
    #expect(html.contains("KL divergence, mean"))
    #expect(html.contains("fixed ones from all over the vocabulary"))
    try requireWellMade(Array(first))
    #expect(!html.contains(workspace.path))
    #expect(!html.contains(Fixtures.packageRoot.path))
    #expect(try quantize(page, ["--validate", "--force", "--threads", "1"]).code == 0)
    #expect(try workspace.contents("q.html") == first)
    #expect(workspace.names() == ["q.certificate.json", "q.gguf", "q.html"])
  }

  @Test func exceededLimitsAreOnThePage() throws {
    let outcome = try quantize(workspace.path("q.html"), ["--max-rmse", "0.0001"])
    #expect(outcome.code == 1)
    let html = String(decoding: try workspace.contents("q.html"), as: UTF8.self)
    #expect(html.contains("Limit exceeded"))
    #expect(html.contains("--max-rmse allows 0.0001"))
  }

  /// What can't be written is found out before anything else is.
  @Test func refusesBeforeTheWork() throws {
    try workspace.write("old.html", Data("old".utf8))
    try workspace.write("folder.html/inside", Data())
    for (report, more) in [
      (workspace.path("old.html"), []), (workspace.path("none/q.html"), []),
      (workspace.path("folder.html"), ["--force"]),
    ] {
      let outcome = try quantize(report, more)
      #expect(outcome.code == 2, "\(report)")
      #expect(outcome.errors.hasPrefix("error: "), "\(report)")
    }
    #expect(workspace.names() == ["folder.html", "old.html"])
    #expect(workspace.names(in: "folder.html") == ["inside"])
    #expect(try workspace.contents("old.html") == Data("old".utf8))
  }

  @Test func neverReplacesACheckpoint() throws {
    let contents = try Data(Fixtures.bytes("huggingface/gpt2/model.safetensors"))
    let source = try workspace.write("source.html", contents)
    #expect(try quantize(source, ["--force"], source: source).code == 2)
    #expect(try workspace.contents("source.html") == contents)
    let destination = workspace.path("split.html")
    #expect(try quantize(destination, ["--shards", "2"], to: "split.html").code == 2)
    try FileManager.default.createDirectory(
      atPath: destination, withIntermediateDirectories: false)
    #expect(try quantize("\(destination)/q.html", ["--shards", "2"], to: "split.html").code == 2)
    #expect(workspace.names() == ["source.html", "split.html"])
  }
}
