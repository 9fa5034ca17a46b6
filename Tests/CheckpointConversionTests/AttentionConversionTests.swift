import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import Foundation
import TensorModel
import TestSupport
import Testing

/// Models that see their prompt as a whole: kept, given up or declared, never lost.
@Suite struct AttentionConversionTests {
  private let workspace: Workspace
  private let source: String

  init() throws {
    workspace = try Workspace()
    source = try ModelSample.withPrefix().write(workspace, "source")
  }

  @Test(arguments: ["safetensors", "npz", "mesh-transformer"])
  func formatsThatCanNotCarryItAreRefused(format: String) throws {
    for path in [source, Fixtures.path("pytorch/gptjt_prefix")] {
      let error = failure(of: request(path, workspace.path("out")) { $0.format = format })
      #expect(error?.code == .usage)
      #expect(error?.message.contains("prefix") == true)
      #expect(error?.hint?.contains("--attention causal") == true)
      #expect(error?.hint?.contains("--to store") == true)
      #expect(!workspace.has("out"))
    }
  }

  @Test(arguments: ["safetensors", "npz", "mesh-transformer", "store"])
  func itIsGivenUpWhereThatIsAskedFor(format: String) throws {
    let outcome = try convert(source, workspace.path("out")) {
      $0.format = format
      $0.openOptions.attention = .causal
    }
    #expect(outcome.certificate.attention == .causal)
    let given = outcome.certificate.findings.filter { $0.check == "attention-given-up" }
    #expect(given.map(\.severity) == [.warning])
    let result = try Source(workspace.path("out"))
    #expect(try result.model().attention == .causal)
    #expect(!result.checkpoint.tensors.contains { $0.name.hasSuffix("attn.bias") })
  }

  @Test func storesKeepIt() throws {
    let store = workspace.path("a.store")
    let outcome = try convert(source, store) { $0.format = "store" }
    #expect(outcome.certificate.attention == .prefix)
    #expect(!outcome.certificate.findings.contains { $0.check.hasPrefix("attention-") })
    let manifest = try JSONSerialization.jsonObject(
      with: workspace.contents("a.store/store.json"))
    #expect((manifest as? [String: Any])?["attention"] as? String == "prefix")
    let kept = try Source(store)
    #expect(kept.checkpoint.attention == .prefix)
    #expect(kept.checkpoint.tensors.count == 35)
    let again = try convert(store, workspace.path("b.store")) { $0.format = "store" }
    #expect(again.certificate.attention == .prefix)
    #expect(try Source(workspace.path("b.store")).model().attention == .prefix)
    #expect(failure(of: request(store, workspace.path("out")))?.code == .usage)
    #expect(!workspace.has("out"))
    for (one, other) in [(store, source), (source, store), (workspace.path("b.store"), store)] {
      let report = try Verifier(one, OpenOptions(), smallResources).run(against: Source(other))
      #expect(!report.hasFindings(.error), "\(report.findings)")
      #expect(!report.findings.contains { $0.check == "against-attention" })
    }
  }

  @Test func itCanBeDeclared() throws {
    let plain = Fixtures.path("huggingface/gptj")
    let outcome = try convert(plain, workspace.path("out.store")) {
      $0.format = "store"
      $0.openOptions.attention = .prefix
    }
    #expect(outcome.certificate.attention == .prefix)
    #expect(outcome.certificate.findings.contains { $0.check == "attention-declared" })
    #expect(try Source(workspace.path("out.store")).model().attention == .prefix)
    let error = failure(
      of: request(plain, workspace.path("out")) { $0.openOptions.attention = .prefix })
    #expect(error?.code == .usage)
    let same = try convert(plain, workspace.path("same")) { $0.openOptions.attention = .causal }
    #expect(same.certificate.attention == .causal && same.certificate.findings.isEmpty)
  }

  @Test func verifySaysThatTheAttentionDiffers() throws {
    try convert(source, workspace.path("out")) { $0.openOptions.attention = .causal }
    let report = try Verifier(workspace.path("out"), OpenOptions(), smallResources)
      .run(against: Source(source))
    let found = report.findings.filter { $0.check == "against-attention" }
    #expect(found.map(\.severity) == [.warning])
    #expect(found.first?.message.contains("prefix") == true)
  }

  @Test func plansSayIt() throws {
    let job = ConversionJob(request(source, workspace.path("a.store")) { $0.format = "store" })
    let (opened, plan) = try job.plan()
    #expect(plan.attention == .prefix)
    let document = try JSONSerialization.jsonObject(
      with: Data(ConversionJob.document(plan, opened)))
    #expect((document as? [String: Any])?["attention"] as? String == "prefix")
  }

  // MARK: What isn't sound

  @Test(arguments: ["safetensors", "store", "npz", "mesh-transformer"])
  func modelsThatCanNotBeExpressedAreRefused(format: String) throws {
    let other: (String) -> SampleTensor = { .mask($0, size: 64) { $0 > $1 } }
    let causal: (String) -> SampleTensor = { .causalMask($0, size: 64) }
    let full: (String) -> SampleTensor = { .fullMask($0, size: 64) }
    for masks in [[causal, other, causal], [causal, full, full]] {
      let path = try ModelSample.gptj(masks: masks).write(workspace, "broken")
      let error = failure(of: request(path, workspace.path("out")) { $0.format = format })
      #expect(error?.code == .unsupported && error?.tensor == "transformer.h.1.attn.bias")
      let declared = failure(
        of: request(path, workspace.path("out")) {
          $0.format = format
          $0.openOptions.attention = .causal
        })
      #expect(declared?.code == .unsupported)
    }
  }

  @Test func modelsThatLackTensorsAreRefused() throws {
    var sample = try ModelSample("gptj")
    sample.tensors.tensors.removeAll { $0.name == "transformer.h.2.attn.v_proj.weight" }
    let error = failure(
      of: request(try sample.write(workspace, "broken"), workspace.path("out")))
    #expect(error?.code == .missing && error?.tensor == "transformer.h.2.attn.v_proj.weight")
    #expect(!workspace.has("out"))
  }

  // MARK: Buffers and ties

  @Test(arguments: ["gpt2", "gptj", "gptj_legacy", "gptj_sharded"])
  func buffersAreLeftOutAndSaid(name: String) throws {
    let outcome = try convert(Fixtures.path("pytorch/\(name)"), workspace.path("out"))
    let produced = try SafetensorsSample(folder: workspace.path("out"))
    let original = name.hasPrefix("gpt2") ? "gpt2" : "gptj"
    let expected = try SafetensorsSample(folder: Fixtures.path("huggingface/\(original)"))
    #expect(Set(produced.tensors.map(\.name)) == Set(expected.tensors.map(\.name)))
    let check = original == "gpt2" ? "tied-weights" : "default-buffer"
    #expect(outcome.certificate.findings.contains { $0.check == check })
    #expect(outcome.certificate.attention == .causal)
    let report = try Verifier(workspace.path("out"), OpenOptions(), smallResources)
      .run(against: Source(Fixtures.path("pytorch/\(name)")))
    #expect(report.findings.isEmpty)
  }

  @Test func weightsThatAreStoredTwiceAreWrittenTwice() throws {
    var sample = try ModelSample("gpt2")
    var head = try #require(sample.tensors["transformer.wte.weight"])
    head.name = "lm_head.weight"
    sample.tensors.tensors.append(head)
    try convert(sample.write(workspace, "tied"), workspace.path("out"))
    let produced = try SafetensorsSample(folder: workspace.path("out"))
    #expect(produced["lm_head.weight"]?.data == head.data)
  }

  @Test func everythingInAFileOfPyTorchsIsConverted() throws {
    for name in ["dtypes.bin", "views.bin", "views_big_endian.bin", "old_views.bin"] {
      let path = Fixtures.path("pytorch/tensors/\(name)")
      try convert(path, workspace.path(name))
      let report = try Verifier(workspace.path(name), OpenOptions(), smallResources)
        .run(against: Source(path))
      #expect(report.findings.isEmpty, "\(name)")
    }
  }
}
