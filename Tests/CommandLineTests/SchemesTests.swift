import Foundation
import TestSupport
import Testing

/// `quantize --dry-run --measure`: schemes side by side.
@Suite struct SchemesTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  private func measure(_ arguments: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["quantize", Self.gptj] + arguments + ["--dry-run", "--measure"])
  }

  @Test func figuresAreThoseOfRuns() throws {
    let schemes = ["q8_0", "q4_0", "mlx-q4-g64", "w4a16-g32"]
    let outcome = try measure("--scheme", schemes.joined(separator: ","), "--json")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let document = try outcome.object
    #expect(document["schema"] as? String == "schemes/v1")
    let entries = try #require(document["schemes"] as? [[String: Any]])
    #expect(entries.map { $0["scheme"] as? String } == schemes)
    for (scheme, entry) in zip(schemes, entries) {
      let name = scheme.hasPrefix("q") ? "\(scheme).gguf" : scheme
      let run = try Weighbridge.run(
        "quantize", Self.gptj, workspace.path(name), "--scheme", scheme, "--json"
      ).object
      for key in ["byte_count", "bits_per_weight"] {
        #expect(entry[key] as? Double == run[key] as? Double, "\(scheme) \(key)")
      }
      #expect(entry["worst_tensor"] as? String == (run["worst_tensors"] as? [String])?.first)
      let tensors = try #require(run["tensors"] as? [[String: Any]])
      let worst = tensors.compactMap { $0["relative_rmse"] as? Double }.max()
      #expect(entry["largest_relative_rmse"] as? Double == worst)
      let all = try #require(entry["relative_rmse"] as? Double)
      #expect(all > 0 && all <= worst ?? 0)
    }
  }

  @Test func setsLeaveOutWhatDoesNotFit() throws {
    let outcome = try measure("--scheme", "gguf", "--json")
    let document = try outcome.object
    let names = (document["schemes"] as? [[String: Any]])?.compactMap { $0["scheme"] as? String }
    #expect(names?.contains("q8_0") == true && names?.contains("q2_k_s") == false)
    let refused = document["refused"] as? [[String: Any]]
    #expect(refused?.map { $0["scheme"] as? String } == ["q2_k_s"])
    #expect(try measure("--scheme", "q8_0,q2_k_s").code == 2)
  }

  @Test func nothingIsWrittenButThePage() throws {
    let folder = workspace.path("spool")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome = try measure(
      "--scheme", "q8_0,mlx-q4-g64", "--validate", "--spool", folder, "--report",
      workspace.path("s.html"))
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("KL divergence"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    #expect(Set(workspace.names()) == ["spool", "s.html"])
    let page = String(decoding: try workspace.contents("s.html"), as: UTF8.self)
    #expect(page.components(separatedBy: "<polyline").count == 5)
    #expect(page.contains("KL divergence against size"))
  }

  @Test(
    arguments: [
      ["--scheme", "q8_0,q4_0"], ["--scheme", "q8_0,q4_0", "--dry-run"], ["--scheme", "q8_0"],
      ["--scheme", "q8_0", "out.gguf", "--measure"], ["--scheme", "q8_0,"],
      ["--scheme", "q8_0,q4_0", "--dry-run", "--measure", "--max-rmse", "1"],
      ["--scheme", "q8_0", "out.gguf", "--tensors"],
    ])
  func whatCannotBeIsAUsageError(_ arguments: [String]) throws {
    #expect(try Weighbridge.run(["quantize", Self.gptj] + arguments).code == 2)
  }
}
