public import CheckpointFormats
public import FileContainers
public import TensorEvaluation
public import TensorModel

/// What is in a checkpoint, as `inspect --json` prints it.
public struct Inspection: Sendable, Encodable {
  /// The schema's name.
  public let schema = "inspection/v1"
  /// Who wrote it.
  public let tool = Certificate.Tool.current
  /// The format's name.
  public let format: String
  /// The layout, in words.
  public let layout: String
  /// The model's family; nil if it isn't known.
  public let architecture: String?
  /// `causal` or `prefix`; `other` where masks are neither.
  public let attention: String
  /// Elements of the model's tensors, each counted once; of the stored ones where the model isn't known.
  public let parameterCount: Int
  /// Bytes of the stored tensors.
  public let byteCount: Int
  /// What opening and reading brought up.
  public let findings: [Finding]
  /// The container's metadata.
  public let metadata: [ExactName: String]
  /// The stored tensors, in the order of the source.
  public let tensors: [Tensor]
  /// The root of the stored tensors, if digests were asked for.
  public let root: Digest?
  /// Which dtypes would hold the weights, if statistics were asked for; nil without castable tensors.
  public let effectivePrecision: CheckpointPrecision?

  /// A stored tensor.
  public struct Tensor: Sendable, Encodable {
    /// Its name.
    public let name: String
    /// Its dtype.
    public let dtype: DType
    /// Its extents.
    public let shape: Shape
    /// Its size.
    public let byteCount: Int
    /// The file that holds it.
    public let file: String
    /// The first tensor in the same storage, where there are several.
    public let sharesStorageWith: String?
    /// SHA-256 of its bytes, if digests were asked for.
    public let digest: Digest?
    /// How its values are distributed, if statistics were asked for and the dtype has any.
    public let statistics: TensorStatistics?
  }

  /// Whether data was read.
  public var hasDetails: Bool { tensors.contains { $0.digest != nil || $0.statistics != nil } }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, format, layout, architecture, attention, parameterCount, byteCount, findings,
      metadata, tensors, root, effectivePrecision
  }

  /// Inspects a checkpoint, reading its data only if digests or statistics are asked for.
  ///
  /// - Parameters:
  ///   - source: open.
  ///   - digests: whether to digest every tensor.
  ///   - statistics: whether to look at all values.
  ///   - resources: memory and threads.
  ///   - progress: told of bytes as they are read.
  /// - Throws: what reading throws.
  public init(
    _ source: Source, digests: Bool, statistics: Bool, _ resources: EvaluationResources,
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws(CheckpointError) {
    let checkpoint = source.checkpoint
    var findings = checkpoint.findings
    let values = statistics ? StatisticsCollector(checkpoint.tensors.map(\.dtype)) : nil
    let collector = DigestCollector(statistics: values, progress: progress)
    if digests || statistics {
      let tasks = try EvaluationTask.stored(in: source.reader.checkpoint)
      try EvaluationPipeline(source.reader, resources).run(tasks, collector)
      findings += try source.reader.contentFindings()
    }
    tensors = checkpoint.tensors.enumerated().map { place, tensor in
      Tensor(
        name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, byteCount: tensor.byteCount,
        file: tensor.file, sharesStorageWith: tensor.sharesStorageWith,
        digest: digests ? collector[place]?.digest : nil,
        statistics: values?.statistics(of: place))
    }
    let identities = tensors.compactMap { tensor in
      tensor.digest.map {
        TensorIdentity(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: $0)
      }
    }
    root = digests ? rootDigest(of: identities) : nil
    format = checkpoint.format
    layout = checkpoint.layout
    architecture = source.architectureName
    let (model, damage) = try Self.model(source)
    findings += model?.findings ?? []
    findings += (model?.problems ?? []).map { $0.finding() }
    if let damage { findings.append(Finding("model", damage)) }
    attention = Self.attention(model, checkpoint)
    // Masks and fillers are no weights: what they would lose says nothing.
    let weights = model.map { Set($0.tensors.flatMap(\.expression.sources).map { ExactName($0) }) }
    effectivePrecision =
      statistics
      ? CheckpointPrecision(tensors.filter { weights?.contains(ExactName($0.name)) ?? true }) : nil
    if let finding = effectivePrecision?.finding { findings.append(finding) }
    // A layout that can't be mapped has only its stored tensors to count.
    let counts = model?.tensors.map(\.shape.elementCount)
    parameterCount = (counts ?? checkpoint.tensors.map(\.shape.elementCount)).reduce(0, +)
    byteCount = checkpoint.byteCount
    metadata = checkpoint.metadata
    self.findings = findings
  }

  /// What it is as a model; nil for layouts that can only be listed, and where what had to be read for it is damaged.
  private static func model(
    _ source: Source
  ) throws(CheckpointError) -> (contents: ModelContents?, damage: CheckpointError?) {
    do throws(CheckpointError) { return (try source.model(), nil) } catch {
      guard [.unsupported, .usage, .malformed, .corrupt].contains(error.code) else { throw error }
      return (nil, error.code == .corrupt ? error : nil)
    }
  }

  private static func attention(_ model: ModelContents?, _ checkpoint: Checkpoint) -> String {
    let known = model?.attention ?? checkpoint.attention ?? .causal
    return model?.hasOtherMasks == true ? "other" : known.rawValue
  }

  /// Writes the document; `architecture` is null where it isn't known.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(schema, forKey: .schema)
    try container.encode(tool, forKey: .tool)
    try container.encode(format, forKey: .format)
    try container.encode(layout, forKey: .layout)
    try container.encode(architecture, forKey: .architecture)
    try container.encode(attention, forKey: .attention)
    try container.encode(parameterCount, forKey: .parameterCount)
    try container.encode(byteCount, forKey: .byteCount)
    try container.encode(findings, forKey: .findings)
    try container.encode(
      metadata.sorted { $0.key < $1.key }.map { MetadataEntry(key: $0.key.text, value: $0.value) },
      forKey: .metadata)
    try container.encode(tensors, forKey: .tensors)
    try container.encodeIfPresent(root, forKey: .root)
    try container.encodeIfPresent(effectivePrecision, forKey: .effectivePrecision)
  }

  /// Metadata is a list: as object keys, its names would be respelled.
  private struct MetadataEntry: Encodable {
    let key: String
    let value: String
  }
}
