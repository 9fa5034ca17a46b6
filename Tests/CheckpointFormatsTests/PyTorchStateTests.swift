import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Training states as `fixtures/pytorch/states/make.py` wrote them, and the names under which weights are found.
@Suite struct PyTorchStateTests: TorchFileTests {
  let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let plain = TorchEntry(count: 6, [2, 3], strides: [3, 1])
  private func archive(_ value: [UInt8]) -> [UInt8] {
    TorchSample(Pickle.file(value), [("0", [UInt8](0..<24))]).bytes
  }

  private func findings(_ name: String) throws -> [Finding] {
    try Source(Fixtures.path("pytorch/states/\(name)")).checkpoint.findings
  }

  // MARK: Objects

  @Test(arguments: ["training.pt", "training_legacy.pt", "training_protocol4.pt"])
  func objectsBesideWeightsAreSkippedAndNamed(name: String) throws {
    let findings = try findings(name).filter { $0.check != "no-checksums" }
    #expect(
      findings.map(\.check) == [
        "nested-state-dict", "training-state-left-out", "skipped-objects",
      ])
    #expect(findings.allSatisfy { $0.severity == .note && $0.file == name })
    for part in [
      "argparse.Namespace ('args' and 1 more)", "pathlib.PosixPath ('args.data')",
      "pathlib.PureWindowsPath ('args.drive')", "datetime.date ('args.started')",
      "numpy._core.multiarray.scalar ('loss')", "numpy.ndarray ('rng_state.numpy[1]')",
    ] {
      #expect(findings.last?.message.contains(part) == true, "\(part): \(findings)")
    }
  }

  @Test func everyKindOfObjectIsSkipped() throws {
    let findings = try findings("objects.pt")
    #expect(findings.map(\.check).last == "skipped-objects")
    for part in [
      "scalar ('loss' and 4 more)", "numpy.dtype ('kind')", "datetime.datetime ('when')",
      "builtins.slice ('part')", "types.SimpleNamespace ('space')",
      "torch.torch_version.TorchVersion ('version')",
    ] {
      #expect(findings.last?.message.contains(part) == true, "\(part): \(findings)")
    }
  }

  @Test func arraysAmongWeightsAreWarnedOf() throws {
    let findings = try findings("among.pt")
    #expect(findings.map(\.check) == ["not-a-tensor", "tensors-left-out", "skipped-objects"])
    #expect(findings[1].severity == .warning && findings[1].message.contains("'table'"))
  }

  @Test func tensorsInSkippedObjectsAreWarnedOf() throws {
    let namespace =
      Pickle.global("argparse", "Namespace") + [0x29, 0x81]
      + Pickle.dictionary([("hidden", plain.pickle())]) + [0x62]
    let set = Pickle.call(Pickle.global("builtins", "set"), Pickle.list(plain.pickle()))
    for value in [namespace, set] {
      let among = try open(archive(Pickle.dictionary([("w", plain.pickle()), ("args", value)])))
      #expect(among.checkpoint.findings.contains { $0.check == "tensors-left-out" })
      let beside = Pickle.dictionary([
        ("model", Pickle.dictionary([("w", plain.pickle())])), ("args", value),
      ])
      let warning = try open(archive(beside)).checkpoint.findings
        .first { $0.check == "tensors-left-out" }
      #expect(warning?.severity == .warning && warning?.message.contains("'args'") == true)
    }
  }

  // MARK: Where the weights are

  @Test(
    arguments: [
      "model", "model_state", "model_state_dict", "state_dict", "module", "params", "weights",
      "net",
      "network", "params_ema", "ema_state_dict", "model_ema", "ema",
    ])
  func weightsAreFoundUnder(key: String) throws {
    let state = Pickle.dictionary([
      ("optimizer_states", Pickle.list(plain.pickle())), ("epoch", Pickle.integer(1)),
      (key, Pickle.dictionary([("w", plain.pickle())])), ("rng", Pickle.list(plain.pickle())),
    ])
    let checkpoint = try open(archive(state)).checkpoint
    #expect(checkpoint.tensors.map(\.name) == ["w"])
    #expect(checkpoint.findings.map(\.check) == ["nested-state-dict", "training-state-left-out"])
  }

  /// A module may be called `net`, too.
  @Test func aNameThatCouldBeAModuleCountsOnlyAlone() throws {
    let weights = Pickle.dictionary([("w", plain.pickle())])
    let both = try open(archive(Pickle.dictionary([("net", weights), ("encoder", weights)])))
    #expect(both.checkpoint.tensors.map(\.name) == ["net.w", "encoder.w"])
    let loose = try open(archive(Pickle.dictionary([("net", weights), ("b", plain.pickle())])))
    #expect(loose.checkpoint.tensors.map(\.name) == ["net.w", "b"])
    let known = try open(archive(Pickle.dictionary([("net", weights), ("model", weights)])))
    #expect(known.checkpoint.tensors.map(\.name) == ["w"])
    #expect(known.checkpoint.findings.map(\.check).last == "tensors-left-out")
  }

  private var optimizer: [UInt8] {
    Pickle.dictionary([
      ("state", Pickle.dictionary([("exp_avg", plain.pickle())])),
      ("param_groups", Pickle.list(Pickle.integer(1))),
    ])
  }

  @Test(arguments: ["policy", "state", "llm", "generator", "anything"])
  func anyKeyCountsBesideWhatNoModuleHas(key: String) throws {
    let weights = Pickle.dictionary([("w", plain.pickle())])
    for other in [("opt_g", optimizer), ("epoch", Pickle.integer(3))] {
      let checkpoint = try open(archive(Pickle.dictionary([(key, weights), other]))).checkpoint
      #expect(checkpoint.tensors.map(\.name) == ["w"])
      #expect(checkpoint.findings.map(\.check) == ["nested-state-dict", "training-state-left-out"])
    }
    let alone = try open(archive(Pickle.dictionary([(key, weights)]))).checkpoint
    #expect(alone.tensors.map(\.name) == ["\(key).w"])
  }

  @Test func statesOfOptimizersBesideSeveralModelsAreLeftOut() throws {
    let weights = Pickle.dictionary([("w", plain.pickle())])
    let checkpoint = try open(
      archive(Pickle.dictionary([("actor", weights), ("critic", weights), ("opt", optimizer)]))
    ).checkpoint
    #expect(checkpoint.tensors.map(\.name) == ["actor.w", "critic.w"])
    #expect(checkpoint.findings.map(\.check) == ["training-state-left-out"])
  }

  @Test func ofTwoSetsTheOtherIsNamed() throws {
    let findings = try findings("two_sets.pt")
    #expect(findings.first?.message.contains("'params'") == true)
    #expect(findings.last?.check == "tensors-left-out" && findings.last?.severity == .warning)
    #expect(findings.last?.message.contains("'params_ema'") == true)
  }

  // MARK: Values that are elsewhere

  @Test(
    arguments: [
      ("meta.pt", ["meta", "other"], "float32 [3, 4]", "meta device"),
      (
        "zero3.pt", ["0.weight", "0.bias", "2.weight", "2.bias"], "should be [3, 4]",
        "zero_to_fp32"
      ),
    ])
  func missingValuesAreErrors(_ name: String, _ tensors: [String], _ part: String, _ hint: String)
    throws
  {
    let source = try Source(Fixtures.path("pytorch/states/\(name)"))
    let findings = source.checkpoint.findings.filter { $0.check == "data-missing" }
    #expect(findings.map(\.tensor) == tensors && findings.allSatisfy { $0.severity == .error })
    #expect(findings.first?.message.contains(part) == true, "\(findings)")
    let error = #expect(throws: CheckpointError.self) { try source.model() }
    #expect(error?.code == .unsupported && error?.tensor == tensors.first && error?.file == name)
    #expect(error?.hint?.contains(hint) == true)
  }

  @Test func emptyTensorsOfOtherKindsAreWhole() throws {
    let empty = TorchEntry(count: 6, [0], strides: [1])
    let observed = Pickle.dictionary([("w", plain.pickle()), ("min_val", empty.pickle())])
    #expect(try open(archive(observed)).checkpoint.findings.isEmpty)
    let spread = Pickle.dictionary([("a.weight", empty.pickle()), ("experts", empty.pickle())])
    let findings = try open(archive(spread)).checkpoint.findings
    #expect(findings.map(\.tensor) == ["a.weight", "experts"])
  }

  @Test func shardsMayHaveTensorsWithoutData() throws {
    try workspace.copy(Fixtures.path("pytorch/states/meta.pt"), to: "a.bin")
    let entries = ["bias", "meta", "other"].map { "\"\($0)\": \"a.bin\"" }.joined(separator: ",")
    try workspace.write("pytorch_model.bin.index.json", Data("{\"weight_map\": {\(entries)}}".utf8))
    let findings = try Source(workspace.path).checkpoint.findings
    #expect(findings.map(\.check) == ["data-missing", "data-missing"])
  }
}
