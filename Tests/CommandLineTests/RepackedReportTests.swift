import Foundation
import TestSupport
import Testing

/// What `quantize` says of codes that are moved, or stay as they are: what they were, and that they are the same.
@Suite struct RepackedReportTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func quantize(
    _ source: String, _ name: String, _ scheme: String, _ more: String...
  ) throws -> Weighbridge.Outcome {
    let outcome = try Weighbridge.run(
      ["quantize", source, workspace.path(name), "--scheme", scheme] + more)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return outcome
  }

  /// A model of BF16, quantized.
  private func first(_ scheme: String) throws -> String {
    let made = try Weighbridge.run(
      "convert", fixture("huggingface/gptj"), workspace.path("bf16"), "--to", "safetensors",
      "--dtype", "bf16", "--quiet")
    #expect(made.code == 0, "\(made.errors)")
    _ = try quantize(workspace.path("bf16"), "first", scheme)
    return workspace.path("first")
  }

  private func tensors(_ outcome: Weighbridge.Outcome) throws -> [[String: Any]] {
    try #require(try outcome.object["tensors"] as? [[String: Any]])
  }

  @Test func codesThatAreMovedOrKeptAreSaid() throws {
    let first = try first("w4a16-g32")
    for (scheme, reuse) in [("mlx-q4-g32", "repacked"), ("w4a16-g32", "kept")] {
      let planned = try tensors(quantize(first, "none", scheme, "--dry-run", "--json"))
      let weights = planned.filter { ($0["name"] as? String)?.contains("_proj.weight") == true }
      #expect(!weights.isEmpty)
      for tensor in weights {
        #expect(tensor["source_codes"] as? String == "INT4 (compressed-tensors)")
        #expect(tensor["source_dtype"] as? String == "I32")
        #expect(tensor["reuse"] as? String == reuse)
      }
      for tensor in planned where (tensor["name"] as? String)?.contains("ln_1") == true {
        #expect(tensor["source_codes"] == nil && tensor["reuse"] == nil)
        #expect(tensor["source_dtype"] as? String == "BF16")
      }
      let count = planned.count { $0["reuse"] != nil }
      let text = try quantize(first, "none", scheme, "--dry-run").text
      #expect(
        text.contains(
          "\(count) tensors of INT4 (compressed-tensors) \(reuse == "kept" ? "kept as stored" : reuse), bit for bit"
        ), "\(text)")
    }
    let page = workspace.path("q.html")
    _ = try quantize(first, "second", "mlx-q4-g32", "--report", page)
    let html = String(decoding: try workspace.contents("q.html"), as: UTF8.self)
    #expect(html.contains("<td>INT4 (compressed-tensors)</td>"))
    #expect(html.contains("repacked from INT4 (compressed-tensors)"))
  }

  /// Codes that are quantized anew are named too, and not said to be the same.
  @Test func codesThatAreMadeAnewAreNamed() throws {
    let first = try first("mlx-q4-g64")
    let planned = try tensors(quantize(first, "none", "mlx-q8-g64", "--dry-run", "--json"))
    let weights = planned.filter { $0["source_codes"] != nil }
    #expect(!weights.isEmpty)
    for tensor in weights {
      #expect(tensor["source_codes"] as? String == "INT4 (mlx)")
      #expect(tensor["source_dtype"] as? String == "U32" && tensor["reuse"] == nil)
    }
  }

  /// gpt-oss's blocks have no place in compressed-tensors: what they become, and how large that is.
  @Test func blocksOfExpertsThatBecomeFloatsAreSaid() throws {
    let source = fixture("huggingface/gpt_oss_mxfp4")
    let outcome = try quantize(source, "out", "mxfp4a16", "--json")
    #expect(outcome.errors.contains(/4 tensors of MXFP4 become BF16, .* instead of .*; GGUF keeps/))
    let experts = try tensors(outcome).filter {
      ($0["name"] as? String)?.hasSuffix("_proj") == true
    }
    #expect(experts.count == 4)
    for tensor in experts {
      #expect(tensor["dtype"] as? String == "BF16" && tensor["reason"] as? String == "unquantized")
      #expect(tensor["source_codes"] as? String == "MXFP4")
      #expect(tensor["largest_error_ulp"] as? Double == 0)
    }
    let verified = try Weighbridge.run("verify", workspace.path("out"), "--against", source)
    #expect(verified.code == 0, "\(verified.text)")
  }
}
