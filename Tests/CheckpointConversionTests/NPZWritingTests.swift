import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// npz files and directories as they are written.
@Suite struct NPZWritingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = Fixtures.path("huggingface/gptj")

  @discardableResult
  private func toNPZ(
    _ source: String, _ name: String, _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) throws(CheckpointError) -> Certificate {
    try convert(source, workspace.path(name)) {
      $0.format = "npz"
      edit(&$0)
    }.certificate
  }

  @Test func rewritingNumpysFileChangesNoByte() throws {
    try toNPZ(Fixtures.path("npz/small.npz"), "small.npz")
    #expect(try [UInt8](workspace.contents("small.npz")) == Fixtures.bytes("npz/small.npz"))
    #expect(workspace.names() == ["small.certificate.json", "small.npz"])
  }

  @Test(arguments: ["w.npz", "w"])
  func comesBackBitForBit(_ name: String) throws {
    let written = try toNPZ(Self.gptj, name)
    #expect(written.findings.map(\.check) == ["metadata-left-out"])
    #expect(written.leftOut.contains("config.json") == name.hasSuffix(".npz"))
    try convert(workspace.path(name), workspace.path("back"))
    let original = try Data(contentsOf: URL(filePath: "\(Self.gptj)/model.safetensors"))
    #expect(try workspace.contents("back/model.safetensors") == original)
    #expect(workspace.has("back/tokenizer.json") == (name == "w"))
    #expect(workspace.has("back/config.json") == (name == "w"))
  }

  @Test func theEndingSaysTheFormat() throws {
    let outcome = try convert(Self.gptj, workspace.path("w.npz")) { $0.format = nil }
    #expect(outcome.certificate.format == "npz")
    let error = failure(of: request(Self.gptj, workspace.path("x.npz")))
    #expect(error?.code == .usage)
  }

  @Test(arguments: [ConversionPlan.Sharding.count(2), .maximumByteCount(1000)])
  func isNeverSharded(_ sharding: ConversionPlan.Sharding) {
    for name in ["x", "x.npz"] {
      let error = failure(
        of: request(Self.gptj, workspace.path(name)) {
          $0.format = "npz"
          $0.settings.sharding = sharding
        })
      #expect(error?.code == .usage && error?.hint?.contains("--max-shard-size") == true)
    }
  }

  @Test func whatNumpyLacksIsRefusedByName() throws {
    let sample = SafetensorsSample([
      SampleTensor("fine", [1], floats: [1]), SampleTensor("eight", "F8_E4M3", [4], Data(count: 4)),
    ])
    let source = try workspace.write("in.safetensors", sample.fileContents)
    let error = failure(of: request(source, workspace.path("x.npz")) { $0.format = "npz" })
    #expect(error?.code == .unsupported && error?.tensor == "eight")
    #expect(error?.hint?.contains("safetensors") == true)
    #expect(!workspace.has("x.npz"))
  }

  @Test func verifyPassesAndFindsAFlippedBit() throws {
    try toNPZ(Self.gptj, "w")
    func findings() throws(CheckpointError) -> [Finding] {
      try Verifier(workspace.path("w"), OpenOptions(), smallResources).run(
        against: try Source(Self.gptj)
      ).findings
    }
    #expect(try findings().isEmpty)
    try workspace.edit("w/model.npz") { $0[$0.count / 2] ^= 0x20 }
    #expect(try findings().contains { $0.severity == .error })
  }

  @Test func resumedOrNotAndWithAnyThreadsTheBytesAreTheSame() throws {
    func npz(_ name: String, _ resources: EvaluationResources, resume: Bool = false)
      -> ConversionRequest
    {
      request(Self.gptj, workspace.path(name), dtype: .f16, resources: resources) {
        $0.format = "npz"
        $0.resume = resume
      }
    }
    let never = Interruption(at: 0)
    try convert(npz("whole.npz", never.resources()))
    let whole = try workspace.contents("whole.npz")
    try convert(npz("two.npz", EvaluationResources(memory: 64_000_000, threads: 2)))
    #expect(try workspace.contents("two.npz") == whole)
    for call in stride(from: 1, through: never.callCount, by: 5) {
      let error = failure(of: npz("r\(call).npz", Interruption(at: call).resources()))
      #expect(error?.code == .interrupted)
      try convert(npz("r\(call).npz", smallResources, resume: true))
      #expect(try workspace.contents("r\(call).npz") == whole)
    }
  }
}
