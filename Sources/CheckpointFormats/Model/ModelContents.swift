import FileContainers
import ModelArchitectures
public import TensorModel

/// What a checkpoint is as a model: its weights without buffers and repetitions, what its tokens see, and what is wrong with it.
public struct ModelContents: Sendable {
  /// The weights under canonical names, in canonical order.
  public let tensors: [CanonicalTensor]
  /// What tokens see.
  public let attention: AttentionMode
  /// What the checkpoint itself says of that, whatever was declared; nil if nothing does.
  public let storedAttention: AttentionMode?
  /// Whether masks say something else than that, which is among the problems.
  public let hasOtherMasks: Bool
  /// What was left out, and what a person should know.
  public let findings: [Finding]
  /// What keeps it from being converted or run.
  public let problems: [CheckpointError]

  /// Looks at a checkpoint's tensors, and reads those that may be more than weights.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - configuration: of the model; nil if there is none.
  ///   - declared: what the user says that tokens see.
  /// - Throws: what reading throws; `unsupported` for layouts that can't be mapped.
  init(
    _ reader: any CheckpointReader, _ configuration: HuggingFaceConfiguration?,
    declared: AttentionMode?
  ) throws(CheckpointError) {
    let canonical = try reader.canonicalTensors()
    let decoder = configuration.flatMap { try? DecoderConfiguration($0) }
    // Other families have other buffers, and parameters of the same names.
    let isKnown =
      configuration?.modelType == nil || configuration?.architecture != nil || decoder != nil
    let buffers = isKnown ? try ModelBuffers(reader, decoder) : nil
    var findings = buffers?.findings ?? []
    var problems = buffers?.problems ?? []
    var dropped = buffers?.dropped ?? []
    if let configuration, let decoder, let architecture = configuration.architecture {
      let named = Dictionary(
        canonical.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
      let isTied = !decoder.dimensions.conditions.contains(.untiedHead)
      let ties = try TiedWeights(reader, named, architecture, isTied: isTied)
      if let repeated = ties.repeated { dropped.insert(repeated) }
      findings += ties.findings
      if let missing = Self.missing(configuration, decoder, architecture, named) {
        problems.append(missing)
      }
      if let transposed = Self.transposed(canonical, decoder, architecture) {
        problems.append(transposed)
      }
    }
    hasOtherMasks = buffers?.hasOtherMasks ?? false
    storedAttention = reader.checkpoint.attention ?? buffers?.attention
    attention = declared ?? storedAttention ?? .causal
    if let finding = Self.declaration(declared, storedAttention) { findings.append(finding) }
    tensors = canonical.filter { !dropped.contains(ExactName($0.name)) }
    self.findings = findings
    self.problems = problems
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
    case (.prefix, .causal), (.prefix, nil):
      Finding(
        .note, "attention-declared",
        "prefix attention is what the command declares; the checkpoint says \(stored == nil ? "nothing" : "that it is causal")"
      )
    default: nil
    }
  }

  /// Tensors that the configuration asks for and nobody has: they would be random in any other program.
  private static func missing(
    _ configuration: HuggingFaceConfiguration, _ decoder: DecoderConfiguration,
    _ architecture: Architecture, _ tensors: [ExactName: CanonicalTensor]
  ) -> CheckpointError? {
    let classes = configuration.document["architectures"]?.elements?.compactMap(\.text) ?? []
    // A bare model, or one with another head, has no head of its own.
    let hasHead = classes.isEmpty || classes.contains(architecture.modelClass)
    let expected = architecture.tensors(decoder.dimensions).filter {
      hasHead || ![.weight(.head), .bias(.head)].contains($0.row.role)
    }
    let missing = expected.filter { tensor in
      !architecture.spellings(of: tensor.name).contains { tensors[ExactName($0)] != nil }
    }
    // Most of them missing all over is another spelling, not an incomplete model.
    guard let first = missing.first,
      missing.count * 2 < expected.count
        || lacksLayers(expected.map { ($0.name, $0.row) }, Set(missing.map { ExactName($0.name) }))
    else { return nil }
    return CheckpointError(
      .missing,
      "\(missing.count) of the \(expected.count) tensors that the configuration asks for are not there",
      tensor: first.name, expected: "\(first.shape)",
      hint: "nothing is made up for them: get the file again, or the config.json that belongs to it"
    )
  }

  /// Whether some layers are there in full and others not at all: one shard of several.
  private static func lacksLayers(
    _ expected: [(name: String, row: Architecture.Row)], _ missing: Set<ExactName>
  ) -> Bool {
    var (found, lacking) = (Set<String>(), Set<String>())
    for (name, row) in expected {
      guard let brace = row.name.utf8.firstIndex(of: UInt8(ascii: "{")) else { continue }
      let start = row.name.utf8.distance(from: row.name.startIndex, to: brace)
      let layer = String(
        decoding: name.utf8.dropFirst(start).prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
      if missing.contains(ExactName(name)) { lacking.insert(layer) } else { found.insert(layer) }
    }
    return !found.subtracting(lacking).isEmpty && !lacking.subtracting(found).isEmpty
  }

  /// PyTorch's names over values that lie as TensorFlow and Flax have them, as far as shapes show it.
  private static func transposed(
    _ tensors: [CanonicalTensor], _ decoder: DecoderConfiguration, _ architecture: Architecture
  ) -> CheckpointError? {
    let transposed = architecture.transposedTensors(
      tensors.map { ($0.name, $0.shape) }, decoder.dimensions)
    guard let first = transposed.first else { return nil }
    return CheckpointError(
      .malformed,
      "\(transposed.count) matrices are transposed: the values look like another framework's under PyTorch's names",
      tensor: first.name, expected: "\(first.expected)", found: "\(first.found)",
      hint:
        "convert the file that this one was made of: with its own names, kernels are transposed here"
    )
  }

  /// Stops where something keeps the model from being converted or run.
  ///
  /// - Throws: the first problem.
  public func requireSound() throws(CheckpointError) {
    if let first = problems.first { throw first }
  }
}
