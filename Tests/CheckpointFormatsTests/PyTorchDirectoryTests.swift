import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Sharded sets, and PyTorch's files among others.
@Suite struct PyTorchDirectoryTests {
  private func folder(_ edit: (Workspace) throws -> Void) throws -> Workspace {
    let workspace = try Workspace()
    for name in Fixtures.names(in: "pytorch/tensors/sharded") {
      try workspace.copy(Fixtures.path("pytorch/tensors/sharded/\(name)"), to: name)
    }
    try edit(workspace)
    return workspace
  }

  private static let index = "pytorch_model.bin.index.json"
  private static let second = "pytorch_model-00002-of-00002.bin"

  @Test func aMissingShardIsNamed() throws {
    let workspace = try folder { try $0.remove(Self.second) }
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.code == .missing && error?.file == Self.second)
    #expect(error?.hint?.contains("download") == true)
  }

  @Test func aTensorInAnotherShardThanTheIndexSaysIsNamed() throws {
    let workspace = try folder {
      try $0.edit(Self.index) { data in
        let text = String(decoding: data, as: UTF8.self)
        data = Data(
          text.replacing(
            "\"b\": \"\(Self.second)\"", with: "\"b\": \"pytorch_model-00001-of-00002.bin\""
          ).utf8)
      }
    }
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.code == .malformed && error?.tensor == "b" && error?.file == Self.second)
    #expect(error?.check == "index-stale-tensor")
  }

  /// transformers counts what lies in one storage once, others twice.
  @Test(arguments: [56, 80, 57]) func theIndexMayCountSharedStoragesOnce(size: Int) throws {
    let workspace = try folder {
      try $0.edit(Self.index) { data in
        let text = String(decoding: data, as: UTF8.self)
        data = Data(text.replacing("\"total_size\": 56", with: "\"total_size\": \(size)").utf8)
      }
    }
    let checks = try Source(workspace.path).checkpoint.findings.map(\.check)
    #expect(checks == (size == 57 ? ["index-total-size"] : []))
  }

  @Test func anIndexMayNameTensorsOfOtherKinds() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("pytorch/tensors/unreadable.pt"), to: "a.bin")
    let names = ["w", "per_tensor", "per_channel", "sparse", "wide", "conjugated"]
    let entries = names.map { "\"\($0)\": \"a.bin\"" }.joined(separator: ",")
    try workspace.write(Self.index, Data("{\"weight_map\": {\(entries)}}".utf8))
    let findings = try Source(workspace.path).checkpoint.findings
    #expect(findings.count == 5 && findings.allSatisfy { $0.check == "unreadable-tensor" })
  }

  @Test func safetensorsAreReadBeforeItsFiles() throws {
    let workspace = try folder { workspace in
      try workspace.write(
        "model.safetensors",
        SafetensorsSample([SampleTensor("w", [1], floats: [1])]).fileContents)
    }
    let checkpoint = try Source(workspace.path).checkpoint
    #expect(checkpoint.format == "safetensors")
    #expect(checkpoint.findings.map(\.check) == ["unused-weights", "unused-weights"])
    #expect(checkpoint.findings.map(\.file) == ["pytorch_model-00001-of-00002.bin", Self.second])
    #expect(checkpoint.findings.allSatisfy { $0.severity == .note })
    #expect(checkpoint.findings.first?.message.contains("safetensors") == true)
    #expect(checkpoint.leftOut.contains(Self.second))
  }

  /// As PyTorch Lightning names a training state, with its settings beside it.
  @Test func aTrainingStateInAFolderIsFound() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("pytorch/states/training.pt"), to: "last.ckpt")
    try workspace.write("hparams.yaml", Data("lr: 1".utf8))
    let checkpoint = try Source(workspace.path).checkpoint
    #expect(checkpoint.tensors.count == 6 && checkpoint.leftOut == ["hparams.yaml"])
  }

  @Test func trainingStateIsNoWeight() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("pytorch/tensors/protocol2.pt"), to: "consolidated.00.pth")
    for name in ["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"] {
      try workspace.write(name, Data([0x80, 2]))
    }
    let checkpoint = try Source(workspace.path).checkpoint
    #expect(checkpoint.tensors.count == 4 && checkpoint.findings.isEmpty)
    #expect(checkpoint.leftOut.count == 4)
    try workspace.copy(Fixtures.path("pytorch/tensors/tied.pt"), to: "other.pth")
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.code == .missing && error?.found == "consolidated.00.pth, other.pth")
    try workspace.copy(Fixtures.path("pytorch/tensors/tied.pt"), to: "pytorch_model.bin")
    let both = try Source(workspace.path).checkpoint
    #expect(both.tensors.count == 3)
    #expect(both.findings.map(\.file) == ["consolidated.00.pth", "other.pth"])
    #expect(both.findings.allSatisfy { $0.check == "unused-weights" && $0.severity == .warning })
  }
}
