public import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorEvaluation
public import TensorModel

/// Makes plans: which canonical tensors, in which dtype, in which file.
public struct Planner: Sendable {
  private let source: Source
  private let settings: ConversionPlan.Settings

  /// Plans for a source.
  public init(_ source: Source, _ settings: ConversionPlan.Settings) {
    self.source = source
    self.settings = settings
  }

  /// An output tensor before it has a place in a file.
  public struct Output: Hashable, Sendable {
    /// The canonical name.
    public let name: String
    /// Its dtype and shape.
    public let type: TensorType
    /// How it is computed, casts included.
    public let expression: TensorExpression
  }

  /// The output tensors: canonical ones, cast as asked.
  ///
  /// - Throws: `unsupported` for layouts that can't be mapped; `malformed` where the source's shapes don't fit.
  public func outputs() throws(CheckpointError) -> [Output] {
    var outputs: [Output] = []
    for tensor in try source.reader.canonicalTensors() {
      let dtype = tensor.dtype.isCastable ? settings.dtype ?? tensor.dtype : tensor.dtype
      outputs.append(
        Output(
          name: tensor.name, type: TensorType(dtype, tensor.shape),
          expression: try Self.expression(of: tensor, as: dtype, in: source.checkpoint)))
    }
    guard !outputs.isEmpty else {
      throw CheckpointError(.unsupported, "there are no tensors to convert", file: source.path)
    }
    return outputs
  }

  /// A canonical tensor in a given dtype: cast, if its exact value is in another.
  ///
  /// - Throws: `malformed` where the expression doesn't fit the checkpoint or the tensor's shape, or dtypes can't be cast.
  public static func expression(
    of tensor: CanonicalTensor, as dtype: DType, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> TensorExpression {
    do throws(CheckpointError) {
      let exact = try tensor.expression.type { checkpoint.type(of: $0) }
      guard exact.shape == tensor.shape else {
        throw CheckpointError(
          .malformed, "wrong shape", expected: "\(tensor.shape)", found: "\(exact.shape)")
      }
      return exact.dtype == dtype ? tensor.expression : .cast(tensor.expression, dtype)
    } catch { throw error.in(tensor: tensor.name) }
  }

  /// A plan for Hugging Face safetensors.
  ///
  /// - Parameter fileName: for a destination that is one file; nil for a directory.
  /// - Returns: the plan.
  /// - Throws: what `outputs` throws; `usage` where the configuration can't be made or the sharding is impossible.
  public func safetensorsPlan(fileName: String?) throws(CheckpointError) -> ConversionPlan {
    let outputs = try outputs()
    let sizes = outputs.map { $0.type.geometry.rows * $0.type.geometry.rowByteCount }
    let shards = try Sharder(sizes).shards(fileName == nil ? settings.sharding : .none)
    var metadata = source.checkpoint.metadata
    if metadata["format"] == nil { metadata["format"] = "pt" }
    var files: [ConversionPlan.WeightFile] = []
    var tensors: [ConversionPlan.PlannedTensor] = []
    for (number, members) in shards.enumerated() {
      let layout = SafetensorsLayout(
        members.map { (outputs[$0].name, outputs[$0].type) }, metadata: metadata)
      files.append(
        ConversionPlan.WeightFile(
          name: fileName ?? Self.shardName(number, of: shards.count), byteCount: layout.byteCount,
          header: layout.header))
      for (member, offset) in zip(members, layout.offsets) {
        tensors.append(
          ConversionPlan.PlannedTensor(
            name: outputs[member].name, type: outputs[member].type,
            expression: outputs[member].expression, file: number, byteOffset: offset))
      }
    }
    var sidecars: [ConversionPlan.Sidecar] = []
    var leftOut = source.checkpoint.leftOut
    if fileName == nil {
      sidecars = try self.sidecars(mainDType: Self.mainDType(outputs))
      if shards.count > 1 {
        let index = SafetensorsFormat.indexFile(
          tensors.map { ($0.name, files[$0.file].name) }, totalByteCount: sizes.reduce(0, +),
          parameterCount: tensors.reduce(0) { $0 + $1.type.shape.elementCount })
        sidecars.append(Self.sidecar(index.name, index.contents))
      }
    } else {
      leftOut += source.checkpoint.assets.map(\.name)
      if source.checkpoint.configuration != nil { leftOut.append("config.json") }
    }
    return ConversionPlan(
      source: ConversionPlan.SourceDescription(
        format: source.checkpoint.format, layout: source.checkpoint.layout,
        architecture: source.architectureName),
      format: SafetensorsFormat.name, settings: settings, tensors: tensors, weightFiles: files,
      sidecars: sidecars, leftOut: leftOut.sorted(),
      findings: source.checkpoint.findings)
  }

  /// `model.safetensors`, or `model-00001-of-00003.safetensors`.
  private static func shardName(_ number: Int, of count: Int) -> String {
    func padded(_ value: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(value).count)) + String(value)
    }
    return count == 1
      ? "model.safetensors" : "model-\(padded(number + 1))-of-\(padded(count)).safetensors"
  }

  /// The float dtype that most bytes are in.
  static func mainDType(_ outputs: [Output]) -> DType? {
    var bytes: [DType: Int] = [:]
    for output in outputs where output.type.dtype.isCastable {
      bytes[output.type.dtype, default: 0] += output.type.shape.elementCount
    }
    return bytes.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key
  }

  /// Files that are carried along, and `config.json`.
  private func sidecars(
    mainDType: DType?
  ) throws(CheckpointError) -> [ConversionPlan.Sidecar] {
    var sidecars: [ConversionPlan.Sidecar] = []
    for asset in source.checkpoint.assets {
      sidecars.append(
        ConversionPlan.Sidecar(
          name: asset.name, byteCount: asset.byteCount, digest: Digest(of: try asset.contents()),
          contents: asset.contents))
    }
    if let configuration = try source.huggingFaceConfiguration() {
      var bytes = configuration
      // Tensors keep their dtypes under `keep`, and the configuration whatever it says of them.
      if settings.dtype != nil, let name = mainDType?.torchName {
        do throws(CheckpointError) {
          bytes = try HuggingFaceConfiguration(parsing: configuration).settingDType(name)
        } catch { throw error.in(file: "config.json") }
      }
      sidecars.append(Self.sidecar("config.json", bytes))
    }
    return sidecars
  }

  private static func sidecar(_ name: String, _ contents: [UInt8]) -> ConversionPlan.Sidecar {
    ConversionPlan.Sidecar(
      name: name, byteCount: contents.count, digest: Digest(of: contents)
    ) { () throws(CheckpointError) in contents }
  }
}
