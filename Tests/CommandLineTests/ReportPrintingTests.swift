import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// Reports of checkpoints with very many tensors, or very long names.
@Suite struct ReportPrintingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func file(_ names: [String], metadata: [String: String] = [:]) throws -> String {
    let sample = SafetensorsSample(
      names.map { SampleTensor($0, "U8", [0], Data()) }, metadata: metadata)
    return try workspace.write("many.safetensors", sample.fileContents)
  }

  @Test func longNamesAreClippedAndNobodyIsPaddedToThem() throws {
    let long = String(repeating: "n", count: 100_000)
    let path = try file(["a", long, "b"])
    for more in [["--tensors"], []] {
      let outcome = try Weighbridge.run(["inspect", path] + more)
      #expect(outcome.code == 0 && outcome.text.contains("n… "))
      let lines = outcome.text.split(separator: "\n")
      #expect(lines.allSatisfy { $0.count < 250 })
      #expect(lines.contains { $0.hasPrefix("  a  ") && $0.count < 150 })
    }
    #expect(try Weighbridge.run("inspect", path, "--json").text.contains(long))
    let plan = try Weighbridge.run("convert", path, workspace.path("out"), "--dry-run")
    #expect(plan.code == 0 && plan.text.split(separator: "\n").allSatisfy { $0.count < 400 })
  }

  @Test func metadataIsShownInPart() throws {
    let keys = (0..<500).map { String(format: "k%03d", $0) }
    let path = try file(["a"], metadata: Dictionary(uniqueKeysWithValues: keys.map { ($0, "v") }))
    let text = try Weighbridge.run("inspect", path).text
    #expect(text.contains("k000 = v, k001 = v") && text.contains("k099 = v, … and 400 more"))
    #expect(try Weighbridge.run("inspect", path, "--json").text.contains("\"k499\""))
  }

  /// Written in pieces, a document is the same as in one.
  @Test func documentsOfManyTensorsAreWhole() throws {
    for count in [0, 1, 999, 1000, 1001, 2500] {
      let names = (0..<count).map { "t\($0)" }
      let path = try file(names, metadata: ["]": "[", "\n  \"tensors\" : [": "x"])
      let outcome = try Weighbridge.run("inspect", path, "--json")
      let document = try outcome.object
      let tensors = try #require(document["tensors"] as? [[String: Any]])
      #expect(tensors.count == count)
      #expect(Set(tensors.map { $0["name"] as? String }) == Set(names))
      #expect((document["metadata"] as? [Any])?.count == 2)
      let text = try JSONSerialization.data(
        withJSONObject: document, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
      #expect(outcome.output.count == text.count + 1)
    }
  }

  @Test(arguments: [["--tensors"], ["--json"]])
  func aReaderThatGoesAwayEndsThePrinting(more: [String]) throws {
    let path = try file((0..<20_000).map { "tensor.\($0).with.a.long.name.that.fills.the.pipe" })
    let pipe = Pipe()
    let run = try Weighbridge.Run(
      ["inspect", path] + more, output: pipe.fileHandleForWriting)
    try pipe.fileHandleForWriting.close()
    _ = try pipe.fileHandleForReading.read(upToCount: 100)
    try pipe.fileHandleForReading.close()
    let outcome = try run.outcome()
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.code) \(outcome.errors)")
  }

  @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
  func aSignalEndsPrintingThatNobodyReads(signal: Int32, code: Int32) throws {
    let path = try file((0..<20_000).map { "tensor.\($0).with.a.long.name.that.fills.the.pipe" })
    let pipe = Pipe()
    let run = try Weighbridge.Run(
      ["inspect", path, "--tensors"], output: pipe.fileHandleForWriting)
    // It has begun to print, and soon the pipe is full.
    _ = try pipe.fileHandleForReading.read(upToCount: 1)
    usleep(200_000)
    run.send(signal)
    #expect(try run.outcome().code == code)
  }

  @Test func numbersOfLayersAndShardsAreLeftOut() {
    let patterns = [
      ("h.0.w", "h.*.w"), ("shard_3/layer_12/w", "shard_*/layer_*/w"), ("10", "*"),
      ("a..1", "a..*"), ("layer_/x", "layer_/x"), ("host_1x.2", "host_1x.*"), ("", ""),
      ("é.1", "é.*"), ("./1", "./*"),
    ]
    for (name, pattern) in patterns {
      var found: [UInt8] = []
      InspectionText.append(patternOf: name, to: &found)
      #expect(String(decoding: found, as: UTF8.self) == pattern)
    }
  }
}
