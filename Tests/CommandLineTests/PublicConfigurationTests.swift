import Foundation
import TestSupport
import Testing

/// Configurations that were published with models, as they were written: `fixtures/configuration/public`.
@Suite struct PublicConfigurationTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let folders = Fixtures.names(in: "configuration/public").filter {
    $0 != "README.md"
  }

  @Test(arguments: folders) func areWholeModels(_ name: String) throws {
    let folder = fixture("configuration/public/\(name)")
    let outcome = try Weighbridge.run("verify", folder)
    #expect(outcome.code == 0, "\(outcome.text)")
    #expect(outcome.text.contains("FAILED") == false)
    let quantization = try Weighbridge.run(
      "quantize", folder, workspace.path("small.gguf"), "--scheme", "q8_0", "--assets",
      fixture("gguf/tokenizer"))
    if let reason = Self.refused[name] {
      #expect(quantization.code == 2 && quantization.errors.contains(reason))
    } else {
      #expect(quantization.code == 0, "\(quantization.errors)")
    }
  }

  /// What GGUF files can't say: scales that depend on the layer, unscaled attention.
  private static let refused = [
    "biomedlm": "llama.cpp", "gpt-neo-125m": "llama.cpp", "tinystories-1m": "llama.cpp",
  ]

  /// Logits of transformers, in another order of additions: within 2e-5 of the value, or of 1.
  @Test(arguments: folders) func computeTheSame(_ name: String) throws {
    let folder = fixture("configuration/public/\(name)")
    let outcome = try Weighbridge.run(
      "forward", folder, "--tokens-file", "\(folder)/tokens.npy", "--logits",
      workspace.path("logits.npy"))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let logits = try ArrayFile(workspace.path("logits.npy")).floats
    let reference = try ArrayFile("\(folder)/logits.npy").floats
    #expect(logits.count == reference.count)
    let distance = zip(logits, reference).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? .infinity
    #expect(distance < 2e-5, "\(distance)")
  }
}
