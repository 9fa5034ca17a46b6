public import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
public import TensorEvaluation
public import TensorModel

/// What the plans of all formats have in common: which canonical tensors, in which dtype, with which files beside them.
public struct Planner: Sendable {
  let source: Source
  /// What was asked for.
  public internal(set) var settings: ConversionPlan.Settings

  let resources: EvaluationResources

  /// Plans for a source.
  ///
  /// - Parameters:
  ///   - source: what is to be converted.
  ///   - settings: what was asked for.
  ///   - resources: for formats whose plan depends on values.
  public init(
    _ source: Source, _ settings: ConversionPlan.Settings, _ resources: EvaluationResources
  ) {
    self.source = source
    self.settings = settings
    self.resources = resources
  }

  /// An output tensor before it has a place in a file.
  public struct Output: Hashable, Sendable {
    /// The canonical name.
    public let name: String
    /// Its dtype and shape.
    public let type: TensorType
    /// How it is computed, casts included.
    public let expression: TensorExpression

    /// Bytes of it.
    var byteCount: Int { type.geometry.rows * type.geometry.rowByteCount }
  }

  /// The spelling of experts that is written: the one that was asked for, values where blocks are to become floats, or the source's.
  func spelling() throws(CheckpointError) -> Architecture.ExpertSpelling? {
    if let asked = settings.experts { return asked }
    let own = try source.model().spelling
    return own == .mxfp4 && settings.dtype != nil ? .stacked : own
  }

  /// Whether codes and scales of quantized weights are written as they are.
  func copiesParts() throws(CheckpointError) -> Bool {
    try source.model().quantized != nil && settings.dtype == nil && settings.quantization == nil
  }

  /// The model's tensors, experts spelled as they are written.
  func tensors() throws(CheckpointError) -> [CanonicalTensor] {
    let model = try source.model()
    return try copiesParts() ? model.copies : model.tensors(in: spelling())
  }

  /// What says of the source that its weights are quantized and is no longer true where values are written.
  private static let quantizationFiles = [
    "quantize_config.json", "quant_config.json", "hf_quant_config.json",
  ]

  /// The output tensors: canonical ones, cast as asked.
  ///
  /// - Parameter dtypes: of tensors that have another dtype than their own under `keep`.
  /// - Returns: the tensors in canonical order.
  /// - Throws: `unsupported` for layouts that can't be mapped; `malformed` where the source's shapes don't fit.
  public func outputs(as dtypes: [ExactName: DType] = [:]) throws(CheckpointError) -> [Output] {
    let tensors = try self.tensors()
    // Not a copy for each of a million tensors.
    let checkpoint = source.checkpoint
    var outputs: [Output] = []
    outputs.reserveCapacity(tensors.count)
    for tensor in tensors {
      let kept = dtypes[ExactName(tensor.name)] ?? tensor.dtype
      let dtype = tensor.dtype.hasFloatValues ? settings.dtype ?? kept : kept
      outputs.append(
        Output(
          name: tensor.name, type: TensorType(dtype, tensor.shape),
          expression: try Self.expression(of: tensor, as: dtype, in: checkpoint)))
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
    try tensor.expression(as: dtype, in: checkpoint)
  }

  /// A plan of tensors that each stand for themselves.
  ///
  /// - Parameters:
  ///   - format: its name, for the certificate.
  ///   - tensors: each with its expression, its file as a place in `weightFiles`, and where it lies there.
  ///   - weightFiles: the files that hold them, with a layout each.
  ///   - sidecars: files beside them.
  ///   - companions: files that describe the weights and are written after them; only this package's own targets have some.
  ///   - leftOut: files of the source that aren't carried along.
  ///   - findings: what a person should know.
  ///   - base: what is written is a difference to it; nil for a complete checkpoint.
  /// - Returns: the plan.
  /// - Throws: what opening the source as a model throws.
  public func plan(
    format: String, tensors: consuming [ConversionPlan.PlannedTensor],
    weightFiles: [ConversionPlan.WeightFile], sidecars: [ConversionPlan.Sidecar],
    companions: [String] = [], leftOut: [String] = [], findings: [Finding] = [],
    base: StoreManifest.Base? = nil
  ) throws(CheckpointError) -> ConversionPlan {
    try plan(
      format: format, groups: tensors.map { ConversionPlan.OutputGroup($0) },
      weightFiles: weightFiles, sidecars: sidecars, companions: companions, leftOut: leftOut,
      findings: findings, base: base)
  }

  /// A plan, with what is the same for all formats filled in.
  func plan(
    format: String, groups: consuming [ConversionPlan.OutputGroup],
    weightFiles: [ConversionPlan.WeightFile], sidecars: [ConversionPlan.Sidecar],
    companions: [String] = [], leftOut: [String] = [], findings: [Finding] = [],
    base: StoreManifest.Base? = nil
  ) throws(CheckpointError) -> ConversionPlan {
    let model = try source.model()
    // In place: there can be hundreds of thousands.
    for place in groups.indices where model.quantized != nil || model.spelling == .mxfp4 {
      guard let codes = storedCodes(groups[place].expression, model) else { continue }
      groups[place].codes = codes
    }
    return ConversionPlan(
      source: ConversionPlan.SourceDescription(
        format: source.checkpoint.format, layout: source.checkpoint.layout,
        architecture: source.architectureName),
      format: format, settings: settings, attention: model.attention, groups: groups,
      weightFiles: weightFiles,
      sidecars: sidecars, companions: companions,
      leftOut: (source.checkpoint.leftOut + leftOut).sorted(),
      findings: try source.checkpoint.findings + model.findings
        + model.problems.map { $0.finding(.warning) } + dtypeFindings(groups)
        + findings + graphFindings(format, findings)
        + (format == GGUFFormat.name ? [] : Self.normFindings(model)) + sidecarFindings(sidecars)
        + codeFindings(model) + quantizationFindings(model, groups),
      base: base,
      storedByteCount: settings.quantization == nil ? 0 : storedByteCount(groups))
  }

  /// What an expression is made of, where that is codes: of weights whose family has blocks anyway they are in the expression itself.
  private func storedCodes(_ expression: TensorExpression, _ model: ModelContents) -> StoredCodes? {
    if let quantized = model.quantized { return quantized.codes(in: expression) }
    guard model.spelling == .mxfp4 else { return nil }
    return StoredCodes(expression, method: "mxfp4", type: source.checkpoint.type)
  }

  private func storedByteCount(_ groups: [ConversionPlan.OutputGroup]) -> Int {
    var seen: Set<ExactName> = []
    return groups.reduce(0) { total, group in
      group.expression.sources.reduce(total) { total, name in
        guard seen.insert(ExactName(name)).inserted,
          let place = source.checkpoint.position(of: name)
        else { return total }
        return total + source.checkpoint.tensors[place].byteCount
      }
    }
  }

  /// What is wrong with files that go along as they are.
  private func sidecarFindings(
    _ sidecars: [ConversionPlan.Sidecar]
  ) throws(CheckpointError) -> [Finding] {
    guard sidecars.contains(where: { $0.name != "config.json" }) else { return [] }
    return try SidecarSoundness.findings(of: source.checkpoint).map { $0.with(.warning) }
  }

  /// The container's metadata as it is written again: where tensors have PyTorch's names, `format` doesn't say another framework's.
  func metadata() throws(CheckpointError) -> [ExactName: String] {
    // Keys of a GGUF file describe a graph and a tokenizer of llama.cpp's.
    if source.checkpoint.format == GGUFFormat.name { return [:] }
    var metadata = source.checkpoint.metadata
    if try copiesParts() { return metadata }
    // How codes were made is said of these alone.
    metadata = metadata.filter { !$0.key.text.hasPrefix(QuantizationMarks.prefix) }
    let model = try source.model()
    var foreign = [ParameterNaming.tensorFlow, .flax].map(\.rawValue)
    // Of families that aren't known, MLX's names are the only ones.
    if model.quantized != nil || model.sizes != nil { foreign.append(MLXFormat.name) }
    if let format = metadata["format"], foreign.contains(format) {
      metadata["format"] = ParameterNaming.pytorch.rawValue
    }
    return metadata
  }

  /// What is lost twice, or not made at all.
  private func quantizationFindings(
    _ model: ModelContents, _ groups: [ConversionPlan.OutputGroup]
  ) throws(CheckpointError) -> [Finding] {
    guard let request = settings.quantization else { return [] }
    return try QuantizationFindings(request, model, self, groups).all()
  }

  /// Code that a model needs and that doesn't go along: nobody should run it unseen.
  private func codeFindings(_ model: ModelContents) -> [Finding] {
    let files = source.checkpoint.leftOut.filter { $0.hasSuffix(".py") }
    guard !files.isEmpty, model.findings.contains(where: { $0.check == "custom-code" }) else {
      return []
    }
    return [
      Finding(
        .warning, "code-left-out",
        "left out: the model's own code (\(files.sorted().joined(separator: ", "))), which auto_map names; copy it yourself if you trust it"
      )
    ]
  }

  /// Keys of a GGUF file describe a graph and a tokenizer of llama.cpp's: formats that carry metadata don't carry these.
  private func graphFindings(_ format: String, _ findings: [Finding]) -> [Finding] {
    let left = metadataLeftOut(by: format)
    guard source.checkpoint.format == GGUFFormat.name, format != GGUFFormat.name,
      !findings.contains(where: { left.contains($0) })
    else { return [] }
    guard source.checkpoint.metadata["tokenizer.ggml.tokens"] != nil else { return left }
    return left + [
      Finding(
        .warning, "tokenizer-left-out",
        "the tokenizer doesn't go along: no tokenizer files say the same as the file's keys; copy those of the model that it was made of"
      )
    ]
  }

  /// Norms that have 1 added in the file: what that rounded off doesn't come back.
  private static func normFindings(_ model: ModelContents) -> [Finding] {
    guard let first = model.tensors.first(where: { $0.expression.addedConstant != nil })
    else { return [] }
    return [
      Finding(
        .note, "gguf-norms",
        "norm weights are the file's less 1: what was rounded off when 1 was added is gone",
        tensor: first.name)
    ]
  }

  /// The float dtype that most bytes are in.
  static func mainDType(_ outputs: [Output]) -> DType? {
    var bytes: [DType: Int] = [:]
    for output in outputs where output.type.dtype.isCastable {
      bytes[output.type.dtype, default: 0] += output.type.shape.elementCount
    }
    return bytes.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key
  }

  /// What `--dtype` doesn't change.
  private func dtypeFindings(_ groups: [ConversionPlan.OutputGroup]) -> [Finding] {
    guard settings.dtype != nil else { return [] }
    // Parts of a group are what was asked for.
    let kept = Set(
      groups.lazy.filter { $0.parts.count == 1 }.map { $0.parts[0].type.dtype }
        .filter { $0.isUncastFloat })
    guard !kept.isEmpty else { return [] }
    return [
      Finding(
        .note, "dtype-kept",
        "--dtype leaves \(kept.map(\.rawValue).sorted().joined(separator: ", ")) tensors as they are"
      )
    ]
  }

  /// What a destination that is one file has no room for.
  var sidecarNames: [String] {
    source.checkpoint.assets.map(\.name)
      + (source.checkpoint.configuration == nil ? [] : ["config.json"])
  }

  /// What is said of the source's metadata by formats that have no place for it.
  ///
  /// - Parameters:
  ///   - format: its name.
  ///   - carried: keys that it has a place for.
  /// - Returns: nothing where all are carried.
  func metadataLeftOut(by format: String, besides carried: Set<String> = []) -> [Finding] {
    let keys = NameList(
      source.checkpoint.metadata.keys.lazy.filter { !carried.contains($0.text) })
    guard keys.count > 0 else { return [] }
    return [
      Finding(
        .note, "metadata-left-out",
        "\(format) has no place for the source's metadata: \(keys.text)")
    ]
  }

  /// Whether values of quantized weights are written.
  func takesValues() throws(CheckpointError) -> Bool {
    let isCopy = try copiesParts()
    return try source.model().quantized != nil && !isCopy
  }

  /// Files that are carried along as they are.
  ///
  /// - Parameter folder: where they go; empty for the top.
  /// - Returns: the files.
  /// - Throws: `inputOutput`, `interrupted`.
  func assets(in folder: String = "") throws(CheckpointError) -> [ConversionPlan.Sidecar] {
    var sidecars: [ConversionPlan.Sidecar] = []
    let takesValues = try takesValues()
    for asset in source.checkpoint.assets
    where !takesValues || !Self.quantizationFiles.contains(asset.name) {
      sidecars.append(
        try ConversionPlan.Sidecar(name: folder + asset.name, copying: asset, resources))
    }
    return sidecars
  }

  /// Files that are carried along, and `config.json`.
  ///
  /// - Parameters:
  ///   - outputs: what is written; the configuration says in which dtype.
  ///   - folder: where they go; empty for the top.
  /// - Returns: the files.
  /// - Throws: `usage` where a configuration can't be made of another format's, `inputOutput`.
  func sidecars(
    for outputs: [Output], in folder: String = ""
  ) throws(CheckpointError) -> [ConversionPlan.Sidecar] {
    let takesValues = try takesValues()
    var sidecars = try assets(in: folder)
    if let configuration = try source.huggingFaceConfiguration() {
      var bytes = configuration
      // Tensors keep their dtypes under `keep`, and the configuration whatever it says of them.
      // A GGUF file's is of the model that it was made of.
      let isAnother = settings.dtype != nil || source.checkpoint.format == GGUFFormat.name
      if isAnother, let name = Self.mainDType(outputs)?.torchName {
        // What isn't a configuration goes along as it is; the model's check has said so.
        bytes =
          try ifUsable { () throws(CheckpointError) in
            try HuggingFaceConfiguration(parsing: configuration).settingDType(name)
          } ?? configuration
      }
      if takesValues || source.checkpoint.format == GGUFFormat.name {
        bytes =
          try ifUsable { () throws(CheckpointError) in
            try HuggingFaceConfiguration(parsing: bytes).ofValues
          } ?? bytes
      }
      if try source.model().sizes?.architecture.spellings.contains(.mxfp4) ?? false {
        let isMXFP4 = try spelling() == .mxfp4
        bytes =
          try ifUsable { () throws(CheckpointError) in
            try HuggingFaceConfiguration(parsing: bytes).settingMXFP4(isMXFP4)
          } ?? bytes
      }
      sidecars.append(ConversionPlan.Sidecar(name: "\(folder)config.json", contents: bytes))
    }
    return sidecars
  }
}

extension DType {
  /// Floats of a byte or less, which have no meaning without their scales.
  fileprivate var isUncastFloat: Bool {
    switch self {
    case .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz, .f4, .f6e2m3, .f6e3m2: true
    default: false
    }
  }
}
