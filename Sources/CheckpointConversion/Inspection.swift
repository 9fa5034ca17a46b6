public import CheckpointFormats
public import FileContainers
import ModelArchitectures
public import TensorEvaluation
public import TensorModel

/// What is in a checkpoint, as `inspect --json` prints it.
public struct Inspection: Sendable, Encodable {
  /// The schema's name.
  public let schema = "inspection/v1"
  /// Who wrote it.
  public let tool = Certificate.Tool.current
  /// The checkpoint: as it was given if that is relative, else the path's last component.
  public let path: String
  /// The format's name.
  public let format: String
  /// The layout, in words.
  public let layout: String
  /// The model's family; nil if it isn't known.
  public let architecture: String?
  /// `causal` or `prefix`; `other` where masks are neither.
  public let attention: String
  /// Elements of the model's tensors, each counted once; of the stored ones where the model isn't known, and none of an update without its base.
  public let parameterCount: Int
  /// Whether they can be counted: of an update, only its base says what its tensors are.
  public let parametersAreKnown: Bool
  /// Bytes of the stored tensors.
  public let byteCount: Int
  /// Bytes of the files that it was read from; nil for standard input.
  public let fileByteCount: Int?
  /// What isn't there and some commands need.
  public let missing: [Missing]
  /// What it is a difference to; nil for a complete checkpoint.
  public let base: Base?
  /// What opening and reading brought up.
  public let findings: [Finding]
  /// The container's metadata.
  public private(set) var metadata: [ExactName: String]
  /// The stored tensors, in the order of the source.
  public var tensors: LazyMapSequence<Range<Int>, Tensor> {
    stored.indices.lazy.map { Tensor(stored[$0], details.isEmpty ? nil : details[$0]) }
  }
  private var stored: [TensorInfo]
  /// What was found out by reading them; empty if nothing was.
  private let details: [Details]
  /// The root of the stored tensors, if digests were asked for.
  public let root: Digest?
  /// The root over the published repositories' spelling of a mixture's experts, if digests were asked for; nil for other models.
  public let canonicalRoot: Digest?
  /// How weights are quantized; nil if they aren't.
  public let quantization: Quantization?
  /// Which dtypes would hold the weights, if statistics were asked for; nil without castable tensors.
  public let effectivePrecision: CheckpointPrecision?

  /// The base of a difference.
  public struct Base: Hashable, Sendable, Encodable {
    /// The root of all of its tensors; nil for an update that doesn't say it.
    public let root: Digest?
    /// What it is called.
    public let hint: String

    private enum CodingKeys: String, CodingKey { case root, hint }

    /// Writes both; a root that isn't known is null.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(root, forKey: .root)
      try container.encode(hint, forKey: .hint)
    }
  }

  /// What a checkpoint can lack.
  public enum Missing: String, Sendable, Encodable {
    /// A model's configuration, which running it needs, and formats that have other names for its tensors.
    case configuration
    /// A tokenizer, which texts need, and GGUF files.
    case tokenizer

    static func of(_ source: Source) -> [Missing] {
      var missing: [Missing] = []
      do throws(CheckpointError) {
        if try source.huggingFaceConfiguration() == nil { missing.append(.configuration) }
      } catch {
        // Some formats have all of it but what only the user knows.
        if error.code == .usage { missing.append(.configuration) }
      }
      let vocabularies = Checkpoint.Asset.tokenizerNames.prefix(3)
      let hasTokenizer =
        source.checkpoint.assets.contains { vocabularies.contains($0.name) }
        || source.ggufHeader?["tokenizer.ggml.tokens"] != nil
      if !hasTokenizer { missing.append(.tokenizer) }
      return missing
    }
  }

  /// How weights are stored as codes with scales beside them.
  public struct Quantization: Hashable, Sendable, Encodable {
    /// Such as `gptq`.
    public let method: String
    /// How many weights.
    public let weightCount: Int

    /// - Returns: nil for a model without such weights.
    init?(_ model: ModelContents) {
      if let quantized = model.quantized {
        (method, weightCount) = (quantized.method, quantized.weights.count)
      } else if model.spelling == .mxfp4 {
        method = "mxfp4"
        weightCount = model.placed.keys.count { place in
          if case .mxfp4Blocks(_) = place.role { true } else { false }
        }
      } else {
        return nil
      }
    }
  }

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
    public var digest: Digest? { details?.digest }
    /// How its values are distributed, if statistics were asked for and the dtype has any.
    public var statistics: TensorStatistics? { details?.statistics }

    private let details: Details?

    fileprivate init(_ tensor: TensorInfo, _ details: Details?) {
      name = tensor.name
      dtype = tensor.dtype
      shape = tensor.shape
      byteCount = tensor.byteCount
      file = tensor.file
      sharesStorageWith = tensor.sharesStorageWith
      self.details = details
    }

    private enum CodingKeys: String, CodingKey {
      case name, dtype, shape, byteCount, file, sharesStorageWith, digest, statistics
    }

    /// Writes what is known.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(dtype, forKey: .dtype)
      try container.encode(shape, forKey: .shape)
      try container.encode(byteCount, forKey: .byteCount)
      try container.encode(file, forKey: .file)
      try container.encodeIfPresent(sharesStorageWith, forKey: .sharesStorageWith)
      try container.encodeIfPresent(digest, forKey: .digest)
      try container.encodeIfPresent(statistics, forKey: .statistics)
    }
  }

  /// What reading a tensor brought up; kept apart, because most checkpoints are inspected without.
  fileprivate final class Details: Sendable {
    let digest: Digest?
    let statistics: TensorStatistics?

    init(_ digest: Digest?, _ statistics: TensorStatistics?) {
      self.digest = digest
      self.statistics = statistics
    }
  }

  /// Whether data was read.
  public var hasDetails: Bool { !details.isEmpty }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, path, format, layout, architecture, attention, parameterCount, byteCount,
      fileByteCount, missing, base, findings,
      metadata, tensors, root, canonicalRoot, quantization, effectivePrecision
  }

  /// Inspects a checkpoint, reading its data only if digests or statistics are asked for.
  ///
  /// - Parameters:
  ///   - source: open.
  ///   - digests: whether to digest every tensor.
  ///   - statistics: whether to look at all values.
  ///   - resources: memory and threads.
  ///   - progress: told of each step, and of bytes as they are read.
  /// - Throws: what reading throws.
  public init(
    _ source: Source, digests: Bool, statistics: Bool, _ resources: EvaluationResources,
    progress: WorkProgress = .none
  ) throws(CheckpointError) {
    let checkpoint = source.checkpoint
    var findings = checkpoint.findings
    var details: [Details] = []
    if digests || statistics {
      try source.requireBase()
      progress.begin("reading", checkpoint.byteCount)
    }
    for run in EvaluationTask.runs(of: checkpoint.tensors.count) where digests || statistics {
      let stored = checkpoint.tensors[run]
      let values = statistics ? StatisticsCollector(stored.map(\.dtype)) : nil
      let collector = DigestCollector(statistics: values, progress: progress.add)
      try EvaluationPipeline(source.reader, resources).run(
        EvaluationTask.stored(in: source.reader.checkpoint, run), collector)
      for place in 0..<stored.count {
        let digest = digests ? collector[place]?.digest : nil
        details.append(Details(digest, values?.statistics(of: place)))
      }
    }
    if digests || statistics { findings += try source.reader.contentFindings() }
    stored = checkpoint.tensors
    self.details = details
    let identities = zip(checkpoint.tensors, details).compactMap { tensor, found in
      found.digest.map {
        TensorIdentity(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: $0)
      }
    }
    root = digests ? rootDigest(of: identities) : nil
    path = JSONDocument.path(source.path)
    format = checkpoint.format
    layout = checkpoint.layout
    architecture = source.architectureName
    let (model, damage) = try Self.model(source)
    if digests, let model {
      let stored = Dictionary(
        identities.map { (ExactName($0.name), $0.digest) },
        uniquingKeysWith: { first, _ in first })
      canonicalRoot = try CanonicalRoot.of(source, model, stored, resources, progress: progress)
    } else {
      canonicalRoot = nil
    }
    findings += model?.findings ?? []
    findings += (model?.problems ?? []).map { $0.finding() }
    if let damage { findings.append(Finding("model-unusable", damage)) }
    attention = Self.attention(model, checkpoint)
    // Masks and fillers are no weights: what they would lose says nothing.
    if statistics {
      let weights = model.map {
        Set($0.tensors.flatMap(\.expression.sources).map { ExactName($0) })
      }
      effectivePrecision = CheckpointPrecision(
        zip(checkpoint.tensors, details).compactMap { tensor, found in
          weights?.contains(ExactName(tensor.name)) ?? true ? Tensor(tensor, found) : nil
        })
    } else {
      effectivePrecision = nil
    }
    if let finding = effectivePrecision?.finding { findings.append(finding) }
    // A layout that can't be mapped has only its stored tensors to count.
    parametersAreKnown = !(source.reader is BareUpdate)
    parameterCount =
      !parametersAreKnown
      ? 0
      : model?.parameterCount ?? checkpoint.tensors.map(\.shape.elementCount).reduce(0, +)
    byteCount = checkpoint.byteCount
    base = source.difference.map { Base(root: $0.root, hint: $0.hint) }
    let sizes = source.inputs.filter { !$0.isOfBase }.map(\.byteCount)
    fileByteCount = sizes.contains(nil) ? nil : sizes.compactMap(\.self).reduce(0, +)
    missing = Missing.of(source)
    quantization = model.flatMap { Quantization($0) }
    metadata = checkpoint.metadata
    self.findings = findings
  }

  /// What it is as a model; nil for layouts that can only be listed, and where what had to be read for it is damaged.
  private static func model(
    _ source: Source
  ) throws(CheckpointError) -> (contents: ModelContents?, damage: CheckpointError?) {
    do throws(CheckpointError) { return (try source.model(), nil) } catch {
      // Where config.json alone can't be read, the weights can be looked at all the same.
      if error == source.checkpoint.configurationError { return (nil, error) }
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
    try container.encode(path, forKey: .path)
    try container.encode(format, forKey: .format)
    try container.encode(layout, forKey: .layout)
    try container.encode(architecture, forKey: .architecture)
    try container.encode(attention, forKey: .attention)
    try container.encode(parameterCount, forKey: .parameterCount)
    try container.encode(byteCount, forKey: .byteCount)
    try container.encode(fileByteCount, forKey: .fileByteCount)
    try container.encode(missing, forKey: .missing)
    try container.encode(base, forKey: .base)
    try container.encode(findings, forKey: .findings)
    try container.encode(metadataEntries, forKey: .metadata)
    try container.encode(Array(tensors), forKey: .tensors)
    try container.encodeIfPresent(root, forKey: .root)
    if root != nil { try container.encode(canonicalRoot, forKey: .canonicalRoot) }
    try container.encode(quantization, forKey: .quantization)
    try container.encodeIfPresent(effectivePrecision, forKey: .effectivePrecision)
  }

  private var metadataEntries: [MetadataEntry] {
    metadata.sorted { $0.key < $1.key }.map { MetadataEntry(key: $0.key.text, value: $0.value) }
  }

  /// Writes the document piece by piece: a checkpoint can have a million tensors.
  ///
  /// - Parameter write: is given the pieces in order.
  /// - Throws: never for inspections made here; what `write` throws.
  public func write(
    _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var frame = self
    (frame.stored, frame.metadata) = ([], [:])
    try JSONDocument.write(
      frame,
      [
        "metadata": JSONList(metadataEntries),
        "tensors": JSONList(count: stored.count) { tensors[$0] },
      ], write)
  }

  /// Metadata is a list: as object keys, its names would be respelled.
  private struct MetadataEntry: Encodable {
    let key: String
    let value: String
  }
}
