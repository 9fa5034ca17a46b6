import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// What files in the folders of trainings are to the checkpoint: what is read, what is left out, and what a new output may replace.
@Suite struct TrainingFolderTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func role(of path: String, in folder: String) throws -> KnownFiles.Role? {
    try KnownFiles(DirectoryTree(path: folder), certified: []).role(of: path)
  }

  // MARK: Roles

  @Test(
    arguments: [
      ("latest", .manifest),
      ("global_step20/layer_00-model_00-model_states.pt", .weights(ofModel: "global_step20/")),
      ("global_step20/layer_06-model_01-model_states.pt", .weights(ofModel: "global_step20/")),
      ("global_step20/mp_rank_03_model_states.pt", .weights(ofModel: "global_step20/")),
      ("global_step20/configs/model.yml", .sidecar),
      // An optimizer can't be computed again: nobody's output replaces it.
      ("global_step20/zero_pp_rank_0_mp_rank_00_optim_states.pt", nil),
      ("global_step20/thesis.pdf", nil), ("global_step20/configs/thesis.pdf", nil),
      ("global_step20/deep/layer_00-model_00-model_states.pt", nil),
      ("step20/layer_00-model_00-model_states.pt", nil),
    ] as [(String, KnownFiles.Role?)])
  func ofAGPTNeoXTraining(_ path: String, _ role: KnownFiles.Role?) throws {
    try workspace.copy(Fixtures.path("gpt-neox/parallel_tp2/checkpoint"), to: "in")
    if !FileManager.default.fileExists(atPath: workspace.path("in/\(path)")) {
      // A file that has a place of its own in a training, in another one.
      let folder = path.split(separator: "/").dropLast().joined(separator: "/")
      try workspace.folder("in/\(folder)")
      let layer = "in/global_step20/layer_00-model_00-model_states.pt"
      try workspace.write("in/\(path)", try workspace.contents(layer))
    }
    #expect(try self.role(of: path, in: workspace.path("in")) == role)
    guard let name = path.wholeMatch(of: /global_step20\/(.*)/)?.1 else { return }
    // The step's folder alone is a checkpoint, too.
    let inStep: KnownFiles.Role? =
      if case .weights = role { .weights(ofModel: "") } else { role }
    #expect(try self.role(of: String(name), in: workspace.path("in/global_step20")) == inStep)
  }

  @Test func namesAloneMakeNoTraining() throws {
    try workspace.folder("in/global_step5/configs")
    for name in [
      "latest", "global_step5/layer_00-model_00-model_states.pt",
      "global_step5/mp_rank_00_model_states.pt",
    ] {
      try workspace.write("in/\(name)", Data("years of work".utf8))
      #expect(try role(of: name, in: workspace.path("in")) == nil, "\(name)")
    }
  }

  @Test(
    arguments: [
      ("keras/gptj", "tf_model.h5", .weights(ofModel: "")), ("keras/gptj", "config.json", .sidecar),
      ("keras/gpt2_sharded", "tf_model-00001-of-00007.h5", .weights(ofModel: "")),
      ("keras/gpt2_sharded", "tf_model.h5.index.json", .manifest),
      ("flax/gpt2", "flax_model.msgpack", .weights(ofModel: "")),
      ("flax/gpt_neo_sharded", "flax_model-00006-of-00006.msgpack", .weights(ofModel: "")),
      ("flax/gpt_neo_sharded", "flax_model.msgpack.index.json", .manifest),
      // Written by no tool of today: whoever has one keeps it.
      ("tensorflow/gpt2", "checkpoint", nil), ("tensorflow/gpt2", "model.ckpt.index", nil),
      ("tensorflow/gpt2", "model.ckpt.data-00000-of-00002", nil),
      ("tensorflow/gpt2", "encoder.json", .sidecar),
    ] as [(String, String, KnownFiles.Role?)])
  func ofOtherTrainings(_ folder: String, _ name: String, _ role: KnownFiles.Role?) throws {
    #expect(try self.role(of: name, in: Fixtures.path(folder)) == role)
  }

  // MARK: What is left out

  @Test func aTrainingsFolderTellsWhatIsLeftOut() throws {
    try workspace.copy(Fixtures.path("gpt-neox/parallel_tp2/checkpoint"), to: "in")
    let step = "in/global_step20"
    for name in ["in/README.md", "\(step)/zero_to_fp32.py", "in/tensorboard/events"] {
      try workspace.folder(name.split(separator: "/").dropLast().joined(separator: "/"))
      try workspace.write(name, Data("x".utf8))
    }
    // Another step isn't read, nor are configurations beside the step, which has its own.
    try workspace.copy(workspace.path(step), to: "in/global_step10")
    try workspace.copy(workspace.path("\(step)/configs"), to: "in/configs")
    let optimizers = (0..<4).map { "zero_pp_rank_0_mp_rank_0\($0)_optim_states.pt" }
    let inStep = optimizers + ["zero_to_fp32.py"]
    let source = try Source(workspace.path("in"))
    #expect(
      source.checkpoint.leftOut.sorted()
        == (["README.md", "configs/", "global_step10/", "tensorboard/"]
        + inStep.map { "global_step20/\($0)" }).sorted())
    #expect(source.checkpoint.files.contains { $0.name == "latest" })
    #expect(source.checkpoint.files.contains { $0.name == "global_step20/configs/model.yml" })
    #expect(try Source(workspace.path(step)).checkpoint.leftOut.sorted() == inStep.sorted())
    // Configurations beside the step count where it has none.
    try workspace.remove("\(step)/configs")
    let beside = try Source(workspace.path("in")).checkpoint
    #expect(beside.files.contains { $0.name == "configs/model.yml" })
    #expect(!beside.leftOut.contains("configs/"))
  }
}
