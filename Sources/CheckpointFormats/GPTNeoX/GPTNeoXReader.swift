import FileContainers
import ModelArchitectures
import Synchronization
import TensorModel

/// A step of a GPT-NeoX training: tensors of every module and rank, and the model that they make.
///
/// Stored tensors are those of each rank, as `rank_0/module_2/attention.dense.weight`.
final class GPTNeoXReader: CheckpointReader, FamilyReader {
  /// The family that is read.
  static let architecture = Architecture.gptNeoX

  let checkpoint: Checkpoint
  var familyName: String? { Self.architecture.name }
  private let stored: [StoredTorchTensor]
  private let files: [(name: String, file: TorchFile)]
  private let merging: NeoXMerging
  private let configuration: NeoXConfiguration?
  private let sizes: NeoXAgreement
  private let canonical = Mutex<(tensors: [CanonicalTensor], replicas: NeoXReplicas)?>(nil)

  /// Opens all files of a step.
  ///
  /// - Throws: `missing`, `malformed` or `unsupported` with module and rank for what is no whole model; `usage` where a configuration is needed to tell what
  ///   the model is.
  init(_ files: NeoXFiles, _ options: OpenOptions) throws(CheckpointError) {
    let found = try NeoXConfigurationFiles(files, options)
    let configuration = found.settings.isEmpty ? nil : try NeoXConfiguration(found.settings)
    let states = try NeoXStates(files, configuration, options.unpacking)
    let merging = try NeoXMerging(states)
    let sizes = try Self.sizes(states, merging, configuration)
    try sizes.check()
    try sizes.check(states.records, step: files.step)
    self.configuration = configuration
    self.merging = merging
    self.sizes = sizes
    stored = merging.stored
    self.files = states.files.map { ($0.name, $0.file) }
    guard configuration != nil || states.rankCount == 1 else {
      throw Self.noConfiguration(
        sizes,
        "nothing says whether the ranks' biases are summed (gpt_j_residual), nor how many heads there are"
      )
    }
    let parameterCount = merging.merged.reduce(0) { $0 + $1.shape.elementCount }
    let step = files.step ?? states.records.first?.record.numbers[TrainingRecord.step]
    let kind = files.isPipeline ? "layer file" : "file"
    let fileCount = states.modules.count * states.rankCount
    var checkpoint = try Checkpoint(
      format: GPTNeoXFormat.name,
      layout:
        "\(counted(files.isPipeline ? fileCount : states.rankCount, kind)) of \(counted(states.rankCount, "rank"))\(step.map { ", step \($0)" } ?? ""), \(counted(parameterCount, "parameter"))",
      tensors: stored.map(\.info), files: try Self.sourceFiles(files, states, found.paths))
    checkpoint.findings = states.findings
    checkpoint.trainingStep = step
    if let configuration {
      checkpoint.configuration = Self.huggingFace(configuration, sizes, merging)
      if configuration.isGeluApproximated {
        checkpoint.findings.append(
          Finding(
            .note, "gelu-approximation",
            "hidden_act is gelu_fast: bias_gelu_fusion computed GELU by its tanh approximation in the training",
            file: found.paths.first))
      }
    }
    if !files.folder.isEmpty { checkpoint.leftOut = try Self.leftOut(files, checkpoint.files) }
    self.checkpoint = checkpoint
  }

  private static func sourceFiles(
    _ files: NeoXFiles, _ states: NeoXStates, _ configurations: [String]
  ) throws(CheckpointError) -> [Checkpoint.SourceFile] {
    var found = states.files.map { Checkpoint.SourceFile(name: $0.name, byteCount: $0.byteCount) }
    for name in configurations + files.read {
      found.append(.init(name: name, byteCount: try files.tree.region(name).byteCount))
    }
    return found
  }

  /// What else lies in the step's folder, optimizers first of all.
  private static func leftOut(
    _ files: NeoXFiles, _ read: [Checkpoint.SourceFile]
  ) throws(CheckpointError) -> [String] {
    let read = Set(read.map(\.name))
    var leftOut: [String] = []
    for name in (files.others + files.ranks.values).sorted() {
      let path = files.path(name)
      if files.tree.containsFile(path) {
        if !read.contains(path) { leftOut.append(path) }
      } else if !read.contains(where: { $0.hasPrefix("\(path)/") }) {
        leftOut.append("\(path)/")
      }
    }
    return leftOut
  }

  private static func sizes(
    _ states: NeoXStates, _ merging: NeoXMerging, _ configuration: NeoXConfiguration?
  ) throws(CheckpointError) -> NeoXAgreement {
    func shape(_ name: String, _ rank: Int) throws(CheckpointError) -> [Int] {
      let tensor = merging.merged.first { $0.name == name }
      guard let dimensions = tensor?.shape.dimensions, dimensions.count == rank else {
        throw CheckpointError(
          .malformed, "the model has no such tensor of \(counted(rank, "dimension"))",
          tensor: name, found: tensor.map { "\($0.shape)" } ?? "nothing")
      }
      return dimensions
    }
    let embedding = try shape("gpt_neox.embed_in.weight", 2)
    let inner =
      states.layerCount == 0
      ? 0 : try shape("gpt_neox.layers.0.mlp.dense_h_to_4h.weight", 2)[0]
    return NeoXAgreement(
      configuration: configuration, rankCount: states.rankCount, layers: states.layerCount,
      width: embedding[1], inner: inner, vocabulary: embedding[0],
      isTied: !states.modules.contains(.head))
  }

  private static func huggingFace(
    _ configuration: NeoXConfiguration, _ sizes: NeoXAgreement, _ merging: NeoXMerging
  ) -> [UInt8] {
    let query = merging.merged.first { $0.name.hasSuffix("query_key_value.weight") }
    return configuration.huggingFaceConfiguration(
      vocabulary: sizes.vocabulary, inner: sizes.inner,
      hasAttentionBias: merging.merged.contains { $0.name.hasSuffix("query_key_value.bias") },
      dtype: (query ?? merging.merged[0]).dtype)
  }

  private static func noConfiguration(_ sizes: NeoXAgreement, _ message: String) -> CheckpointError
  {
    CheckpointError(
      .usage, "no configuration: \(message)", expected: "configs/*.yml beside the weights",
      hint:
        "complete this JSON (the nulls) and pass it with --config FILE, or pass the file the model was trained with:",
      hintLines: NeoXConfiguration.template(
        layers: sizes.layers, width: sizes.width, inner: sizes.inner, ranks: sizes.rankCount,
        isTied: sizes.isTied
      ).split(separator: "\n").map(String.init))
  }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    guard configuration != nil else {
      throw Self.noConfiguration(
        sizes, "nothing says how many heads, rotary dimensions and positions the model has")
    }
    return checkpoint.configuration
  }

  // MARK: Tensors

  func confirm(_ position: Int) throws(CheckpointError) { try stored[position].confirm() }

  func confirmUnlisted() throws(CheckpointError) {
    for (name, file) in files {
      do throws(CheckpointError) { try file.confirmUnlisted() } catch { throw error.in(file: name) }
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    try stored[position].read(region, into: destination)
  }

  /// The first call reads what ranks have copies of, which is little: whether they are equal decides what the model has.
  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] { try merged().tensors }

  func contentFindings() throws(CheckpointError) -> [Finding] { try merged().replicas.findings }

  private func merged() throws(CheckpointError) -> (
    tensors: [CanonicalTensor], replicas: NeoXReplicas
  ) {
    try canonical.withLock { known throws(CheckpointError) in
      if let known { return known }
      var replicas = NeoXReplicas()
      var byName: [String: CanonicalTensor] = [:]
      for tensor in merging.merged {
        byName[tensor.name] = CanonicalTensor(
          name: tensor.name, shape: tensor.shape, dtype: tensor.dtype,
          expression: try value(of: tensor, &replicas))
      }
      try NeoXOneStep.check(replicas.copies, checkpoint)
      let found = (tensors: ordered(byName), replicas: replicas)
      known = found
      return found
    }
  }

  private func value(
    of tensor: NeoXMerging.Merged, _ replicas: inout NeoXReplicas
  ) throws(CheckpointError) -> TensorExpression {
    let parts = tensor.parts.map { TensorExpression.stored($0) }
    guard parts.count > 1 else { return parts[0] }
    switch tensor.cut {
    case .axis(let axis): return .concatenate(parts, axis: axis)
    case .rowParallelBias where configuration?.isParallel == true:
      return rounded(.sum(parts), tensor.dtype)
    case .rowParallelBias, .replica, .derived:
      let value = try replicas.value(of: tensor, self)
      if case .mean = value { return rounded(value, tensor.dtype) }
      return value
    }
  }

  /// What is computed in F32 as the model has it: rounded once, which is what was published of such trainings.
  private func rounded(_ value: TensorExpression, _ dtype: DType) -> TensorExpression {
    dtype == .f32 ? value : .cast(value, dtype)
  }

  /// The tensors in the order of the family's table.
  private func ordered(_ tensors: [String: CanonicalTensor]) -> [CanonicalTensor] {
    let dimensions = Architecture.Dimensions(
      layers: sizes.layers, model: sizes.width, inner: sizes.inner, vocabulary: sizes.vocabulary,
      conditions: [.untiedHead, .attentionBias])
    return Self.architecture.tensors(dimensions).compactMap { tensors[$0.name] }
  }
}
