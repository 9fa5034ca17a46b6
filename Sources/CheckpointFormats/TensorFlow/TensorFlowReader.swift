import FileContainers
import ModelArchitectures
import TensorModel

/// A TensorFlow V2 checkpoint.
final class TensorFlowReader: CheckpointReader, FamilyReader {
  let checkpoint: Checkpoint
  private let contents: [any RandomAccessBytes]
  private let model: TensorFlowModel?
  /// `config.json` in Hugging Face's form, or why it can't be made; nil for models of unknown families.
  private let configuration: Result<[UInt8], CheckpointError>?
  /// What it says of sizes.
  private let sizes: Architecture.Dimensions?

  var familyName: String? { model?.architecture.name }

  /// Opens a checkpoint.
  ///
  /// - Parameters:
  ///   - prefix: the name of its files, without endings.
  ///   - tree: where they lie.
  ///   - isNamed: whether the file `checkpoint` names it.
  ///   - options: may have a configuration.
  /// - Throws: what is wrong with the files; `missing` for variables that a known model needs.
  init(
    _ prefix: String, in tree: any FileTree, isNamed: Bool, _ options: OpenOptions
  ) throws(CheckpointError) {
    let bundle = try Bundle(prefix, in: tree)
    let tensors = bundle.variables.map(\.info)
    var checkpoint = try Checkpoint(
      format: TensorFlowFormat.name,
      layout: "'\(prefix)', \(counted(bundle.shardCount, "data file"))", tensors: tensors,
      files: bundle.files, namesDiffer: true)
    checkpoint.findings = bundle.findings + nameFindings(tensors) + Self.trainingFindings(tensors)
    if isNamed {
      checkpoint.files.append(
        .init(
          name: CheckpointState.fileName,
          byteCount: try tree.region(CheckpointState.fileName).byteCount))
    }
    contents = bundle.variables.map(\.bytes)
    model = TensorFlowModel(tensors)
    (configuration, sizes) = try Self.configuration(model, tree, options, &checkpoint)
    if let model {
      checkpoint.sidecarNames = model.table.sidecars
      if let sizes {
        do throws(CheckpointError) { try model.check(sizes) } catch {
          throw error.in(file: prefix + TensorFlowFormat.indexEnding)
        }
        checkpoint.findings += model.paddingFindings(sizes)
      }
    }
    self.checkpoint = checkpoint
  }

  /// What training left beside the weights.
  private static func trainingFindings(_ tensors: [TensorInfo]) -> [Finding] {
    let slots = tensors.count { $0.role == .optimizer }
    let steps = tensors.count { $0.role == .step }
    guard slots + steps > 0 else { return [] }
    let parts = [
      slots > 0 ? counted(slots, "optimizer variable") : nil, steps > 0 ? "the training step" : nil,
    ].compactMap { $0 }
    return [
      Finding(
        .note, "optimizer-state",
        "left out, because a model has no use for it: \(parts.joined(separator: " and "))")
    ]
  }

  // MARK: Configuration

  /// The configuration that was given, else the one beside the weights.
  private static func configuration(
    _ model: TensorFlowModel?, _ tree: any FileTree, _ options: OpenOptions,
    _ checkpoint: inout Checkpoint
  ) throws(CheckpointError) -> (Result<[UInt8], CheckpointError>?, Architecture.Dimensions?) {
    guard let model else { return (nil, nil) }
    let own = [HuggingFaceConfiguration.fileName, model.table.configurationName].first {
      tree.containsFile($0) && !tree.leadsOut($0)
    }
    // What is done with `config.json` is said for all formats.
    let isOfOthers = own == HuggingFaceConfiguration.fileName
    var text: (bytes: [UInt8], name: String)?
    if let given = options.configuration, options.replacesConfiguration || own == nil {
      text = (given, options.configurationName ?? "--config")
      if let own, !isOfOthers {
        checkpoint.findings.append(
          Finding(
            .note, "configuration-replaced",
            "--config is used instead of the checkpoint's own \(own)", file: own))
      }
    } else if let own {
      text = (try tree.contents(of: own, limit: OpenOptions.maximumConfigurationByteCount), own)
      if !isOfOthers { checkpoint.files.append(.init(name: own, byteCount: text?.bytes.count)) }
    }
    guard let text else { return (.failure(missing(model)), nil) }
    do throws(CheckpointError) {
      let made = try model.table.huggingFaceConfiguration(
        of: text.bytes, named: text.name, family: model.architecture.name, dtype: model.dtype)
      let sizes = try HuggingFaceConfiguration(parsing: made).dimensions()
      return (.success(made), sizes)
    } catch {
      // The variables can be looked at all the same.
      return (.failure(error.in(file: text.name)), nil)
    }
  }

  private static func missing(_ model: TensorFlowModel) -> CheckpointError {
    CheckpointError(
      .usage,
      "there is no \(model.table.configurationName), and the variables don't say how many heads the model has",
      hint: "complete this JSON (the nulls) and pass it with --config FILE:",
      hintLines: model.table.template(model.shown).split(separator: "\n").map(String.init))
  }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    try configuration?.get()
  }

  // MARK: Tensors

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    guard let model else { return storedTensors }
    return try model.canonicalTensors(storedTensors, sizes)
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    guard region.cellCount > 0 else { return }
    do throws(CheckpointError) {
      try contents[position].read(
        matrixAt: 0, MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape), region,
        into: destination)
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
  }

  func confirm(_ position: Int) throws(CheckpointError) {
    do throws(CheckpointError) { try contents[position].confirm() } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }
}
