import FileContainers
public import ModelArchitectures
public import TensorModel

/// What a checkpoint is as a model: its weights without buffers and repetitions, what its tokens see, and what is wrong with it.
public struct ModelContents: Sendable {
  /// The weights under canonical names, in canonical order.
  public let tensors: [CanonicalTensor]
  /// Of a known family: the tensors by their places in the decoder, whatever they are called.
  public let placed: [DecoderPlace: CanonicalTensor]
  /// The family and its sizes; nil if it isn't known, or the configuration doesn't say the sizes.
  public let sizes: (architecture: Architecture, dimensions: Architecture.Dimensions)?
  /// How many tensors were looked for by the family's table; nil if that can't be.
  public let expectedCount: Int?
  /// Full names, by those that are cut short.
  private let fullNames: [ExactName: ExactName]
  /// What tokens see.
  public let attention: AttentionMode
  /// What the checkpoint itself says of that, whatever was declared; nil if nothing does.
  public let storedAttention: AttentionMode?
  /// Whether masks say something else than that, which is among the problems.
  public let hasOtherMasks: Bool
  /// Weights that are codes with scales beside them, whose values are among `tensors`; nil as a rule.
  public let quantized: QuantizedWeights?
  /// The tensors as they are stored, parts of quantized weights among them.
  public let copies: [CanonicalTensor]
  /// How it has the experts of a mixture; nil for other models.
  public let spelling: Architecture.ExpertSpelling?
  private let checkpoint: Checkpoint
  /// What stands on top of the decoder, as the configuration says.
  public let head: ModelHead
  /// Why what it computes isn't computed here, though its sizes are known; nil as a rule, and for families that aren't run at all.
  public let uncomputed: CheckpointError?
  /// What was left out, and what a person should know.
  public let findings: [Finding]
  /// What is wrong.
  public let problems: [ModelProblem]

  /// Looks at a checkpoint's tensors, and reads those that may be more than weights.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - configuration: the text of the model's configuration, nil if there is none; or why it can't be made.
  ///   - assets: the files beside its weights.
  ///   - declared: what the user says that tokens see.
  /// - Throws: what reading throws; `unsupported` for layouts that can't be mapped.
  public init(
    _ reader: any CheckpointReader, _ configuration: Result<[UInt8]?, CheckpointError>,
    beside assets: [Checkpoint.Asset] = [], declared: AttentionMode? = nil
  ) throws(CheckpointError) {
    let checkpoint = reader.checkpoint
    var canonical = try reader.canonicalTensors()
    var problems: [ModelProblem] = []
    var findings: [Finding] = []
    let settings = ModelSettings(configuration)
    // Names of GGUF files are made Hugging Face's by the configuration.
    problems += settings.problems.map {
      ModelProblem(
        $0.check, (reader as? GGUFReader)?.explained($0.error) ?? $0.error,
        isFatal: checkpoint.format == GGUFFormat.name)
    }
    findings += settings.configuration?.findings ?? []
    // Blocks that the family's table has are read like other weights.
    var quantized = try QuantizedWeights(
      reader, settings.configuration?.document, beside: assets,
      besidesMXFP4: settings.sizes?.architecture.spellings.contains(.mxfp4) ?? false)
    findings += quantized?.findings ?? []
    problems += (quantized?.problems ?? []).map {
      ModelProblem($0.code == .missing ? "companion-missing" : "quantized-part", $0)
    }
    if let claim = quantized?.claim {
      problems.append(ModelProblem("quantization-claim", claim, stopsNothing: true))
    }
    let stored = canonical
    canonical = quantized?.replaceParts(of: canonical) ?? canonical
    self.quantized = quantized
    if checkpoint.metadata["format"] == MLXFormat.name,
      let (architecture, dimensions) = settings.sizes
    {
      canonical = MLXNames(architecture.tensors(dimensions)).published(canonical)
    }
    // Buffers of a difference can't be looked at without its base.
    let lacksBase = (reader as? StoreReader)?.lacksBase ?? false
    let buffers =
      settings.hasKnownBuffers && !lacksBase ? try ModelBuffers(reader, settings.decoder) : nil
    findings += buffers?.findings ?? []
    problems += (buffers?.problems ?? []).map {
      ModelProblem("model-buffer", $0, isFatal: true)
    }
    let dropped = buffers?.dropped ?? []
    var tensors =
      dropped.isEmpty ? canonical : canonical.filter { !dropped.contains(ExactName($0.name)) }
    var fullNames: [ExactName: ExactName] = [:]
    var soundness: ModelSoundness?
    let partial = PartialSet.problem(checkpoint.files)
    if let partial { problems.append(partial) }
    let allNames = settings.sizes == nil ? [] : Set(canonical.map { ExactName($0.name) })
    if let (architecture, dimensions) = settings.sizes,
      !Self.isAdapter(checkpoint, allNames, architecture.tensors(dimensions))
    {
      let experts = ExpertSpellings(allNames, architecture)
      spelling = experts.spelling
      problems += [
        experts.problem,
        checkpoint.format == GGUFFormat.name
          ? nil : settings.configuration.flatMap { experts.problem(architecture, $0.document) },
      ].compactMap { $0 }
      let names = ModelNames(
        allNames, expected: architecture.tensors(dimensions, experts.spelling))
      fullNames = names.fullNames
      findings += names.findings
      (canonical, tensors) = (names.unwrapped(canonical), names.unwrapped(tensors))
      let found = ModelSoundness(
        checkpoint, tensors, architecture, dimensions, experts, settings.configuration,
        quantized)
      problems += found.problems
      if let file = reader as? GGUFReader {
        let counts = GGUFCountCheck(file)
        problems += [counts.tokenProblem(rows: dimensions.vocabulary)].compactMap { $0 }
        problems += counts.keyProblems(file.makesConfiguration ? settings.configuration : nil)
      }
      findings += found.findings
      let ties = try TiedWeights(
        reader, found.placed, isTied: !dimensions.conditions.contains(.untiedHead))
      if let repeated = ties.repeated {
        tensors.removeAll { $0.expression == .stored(repeated.text) }
      }
      findings += ties.findings
      soundness = found
    } else {
      spelling = nil
    }
    // A family's own blocks are compared with the claim where its spellings are; an adapter has no claim of its own.
    if partial == nil, checkpoint.format != GGUFFormat.name, spelling != .mxfp4,
      soundness != nil || settings.sizes == nil,
      !checkpoint.files.contains(where: { Sidecars.isAdapter($0.name) }),
      let document = settings.configuration?.document,
      let claim = QuantizationClaim.contradiction(
        document, quantized, checkpoint.tensors, beside: assets,
        isOfBlocks: settings.sizes?.architecture.spellings.contains(.mxfp4) ?? false)
    {
      claim.severity == .error
        ? problems.append(ModelProblem("quantization-claim", claim.error, stopsNothing: true))
        : findings.append(Finding("quantization-claim", claim.error).with(.warning))
    }
    if partial == nil, checkpoint.format != GGUFFormat.name,
      !checkpoint.files.contains(where: { Sidecars.isAdapter($0.name) })
    {
      let claims =
        quantized?.layerClaims.errors
        ?? settings.configuration.map {
          LayerClaims.ofBlocks(among: checkpoint.tensors, $0.document)
        } ?? []
      problems += claims.map {
        ModelProblem(
          $0.code == .missing ? "companion-missing" : "quantization-claim", $0, stopsNothing: true)
      }
      findings += (quantized?.layerClaims.warnings ?? []).map {
        Finding("quantization-claim", $0).with(.warning)
      }
    }
    self.checkpoint = checkpoint
    sizes = settings.sizes
    uncomputed = settings.uncomputed
    head = settings.configuration?.head ?? .languageModel
    expectedCount = soundness?.expectedCount
    placed = soundness?.placed ?? [:]
    hasOtherMasks = buffers?.hasOtherMasks ?? false
    storedAttention = checkpoint.attention ?? buffers?.attention
    attention = declared ?? storedAttention ?? .causal
    if let finding = Self.declaration(declared, storedAttention) { findings.append(finding) }
    self.tensors = tensors
    copies =
      quantized == nil
      ? tensors
      : dropped.isEmpty ? stored : stored.filter { !dropped.contains(ExactName($0.name)) }
    self.fullNames = fullNames
    self.findings = findings
    self.problems = problems
  }

  /// Elements of all weights; of blocks those that they stand for.
  public var parameterCount: Int {
    let blocks = placed.filter { $0.key.role.isOfBlocks }
    let inBlocks = blocks.reduce(0) { sum, entry in
      // Two codes stand in a byte; scales are no weights.
      let isCodes = if case .mxfp4Blocks = entry.key.role { true } else { false }
      return sum + entry.value.shape.elementCount * (isCodes ? 1 : -1)
    }
    return tensors.reduce(inBlocks) { $0 + $1.shape.elementCount }
  }

  /// What layers have several of, whatever tensors hold them.
  public var stacks: StackedTensors { StackedTensors(placed, checkpoint) }

  /// The tensors with the experts of a mixture in another spelling.
  ///
  /// - Parameter wanted: nil keeps that of the checkpoint.
  /// - Returns: those of the family's table in its order, under its names, then those that it doesn't have; all as they are without a change.
  /// - Throws: `unsupported` for a spelling that the family doesn't have; what keeps the model from being laid out in another way.
  public func tensors(
    in wanted: Architecture.ExpertSpelling?
  ) throws(CheckpointError) -> [CanonicalTensor] {
    guard let wanted, wanted != spelling else { return tensors }
    guard let (architecture, dimensions) = sizes, architecture.spellings.contains(wanted) else {
      let known = sizes?.architecture.spellings.map(\.rawValue) ?? []
      throw CheckpointError(
        .unsupported,
        known.isEmpty
          ? "the model is no mixture of experts" : "the family's experts have no such spelling",
        expected: known.isEmpty
          ? "a mixture of experts of a known family" : known.joined(separator: ", "),
        found: known.isEmpty ? sizes?.architecture.name : wanted.rawValue,
        hint: "leave out --experts")
    }
    try requireSound()
    var respelled: [CanonicalTensor] = []
    let expected = architecture.tensors(dimensions, wanted)
    // A head that is stored although it is tied counts.
    let heads = architecture.headTensors(dimensions).filter { !expected.contains($0) }
    let stacks = stacks
    for tensor in expected + heads {
      if let found = try stacks.tensor(tensor) { respelled.append(found) }
    }
    let used = Set(placed.values.map { ExactName($0.name) })
    return respelled + tensors.filter { !used.contains(ExactName($0.name)) }
  }

  /// The name that the family's table has for a tensor, whether or not the checkpoint leaves its beginning out.
  public func fullName(of name: String) -> ExactName {
    fullNames[ExactName(name)] ?? ExactName(name)
  }

  /// Whether the tensors are a fine-tune's differences to a model, whose names are another library's.
  private static func isAdapter(
    _ checkpoint: Checkpoint, _ names: Set<ExactName>, _ expected: [Architecture.Tensor]
  ) -> Bool {
    if checkpoint.files.contains(where: { Sidecars.isAdapter($0.name) }) { return true }
    guard checkpoint.tensors.contains(where: { $0.name.contains("lora_") }) else { return false }
    // A whole model beside them is a model.
    let found = expected.count { tensor in
      tensor.spellings.contains { names.contains(ExactName($0)) }
    }
    return found * 2 < expected.count
  }

  /// What is said where the user's word counts instead of the checkpoint's.
  private static func declaration(_ declared: AttentionMode?, _ stored: AttentionMode?) -> Finding?
  {
    switch (declared, stored) {
    case (.causal, .prefix):
      Finding(
        .warning, "attention-given-up",
        "prefix attention is given up, as was asked for: the model was made to see its prompt as a whole, the result sees it causally"
      )
    case (.prefix, .causal):
      Finding(
        .warning, "attention-declared",
        "prefix attention is what the command declares; the checkpoint says that it is causal")
    case (.prefix, nil):
      Finding(
        .note, "attention-declared",
        "prefix attention is what the command declares; the checkpoint says nothing")
    default: nil
    }
  }

  // MARK: Soundness

  /// Stops where something keeps the model from being run, or from being laid out in another way.
  ///
  /// - Throws: the first problem, and how many there are of its kind.
  public func requireSound() throws(CheckpointError) { try require { !$0.stopsNothing } }

  /// Whether all tensors lie as the model has them: nothing is transposed, summed or put in another order.
  public var keepsLayout: Bool {
    tensors.allSatisfy { if case .stored = $0.expression { true } else { false } }
  }

  /// Stops where something keeps even the tensors from being copied.
  ///
  /// - Returns: what else is wrong, as warnings.
  /// - Throws: the first such problem, and how many there are of its kind.
  public func requireCopyable() throws(CheckpointError) -> [Finding] {
    try require(\.isFatal)
    return problems.map { $0.finding(.warning) }
  }

  private func require(_ stops: (ModelProblem) -> Bool) throws(CheckpointError) {
    guard let stop = problems.first(where: stops) else { return }
    // Shards that aren't here explain the tensors that are missing.
    let first = problems.first { $0.check == "shards-missing" } ?? stop
    var error = first.error
    let count = problems.count { $0.check == first.check }
    if count > 1 { error.message += " (and \(count - 1) more: weighbridge verify lists all)" }
    throw error
  }

  /// Stops where weights are codes with scales beside them that don't fit.
  ///
  /// - Throws: what is wrong with the first.
  public func requireValues() throws(CheckpointError) {
    if let first = quantized?.problems.first { throw first }
  }
}

/// What a configuration says of a model, as far as it can be read.
private struct ModelSettings {
  /// The document; nil without one, and for what isn't a configuration.
  private(set) var configuration: HuggingFaceConfiguration?
  /// The family and its sizes.
  private(set) var sizes: (architecture: Architecture, dimensions: Architecture.Dimensions)?
  /// How the model computes; nil where that isn't known here.
  private(set) var decoder: DecoderConfiguration?
  private(set) var uncomputed: CheckpointError?
  private(set) var problems: [ModelProblem] = []

  init(_ configuration: Result<[UInt8]?, CheckpointError>) {
    do throws(CheckpointError) {
      guard let bytes = try configuration.get() else { return }
      let parsed = try HuggingFaceConfiguration(parsing: bytes)
      self.configuration = parsed
      guard let architecture = parsed.architecture else { return }
      sizes = (architecture, try parsed.dimensions())
      // What isn't computed here is refused where it is computed; what nobody can compute is wrong.
      do throws(CheckpointError) { decoder = try DecoderConfiguration(parsed) } catch {
        guard error.code == .unsupported else { throw error }
        uncomputed = architecture.isOfSizesOnly ? nil : error
      }
    } catch { problems = [ModelProblem("configuration-unusable", error)] }
  }

  /// Other families have other buffers, and parameters of the same names.
  var hasKnownBuffers: Bool {
    configuration?.modelType == nil || configuration?.architecture != nil
  }
}
