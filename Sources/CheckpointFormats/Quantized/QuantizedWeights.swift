import FileContainers
public import TensorModel

/// Weights that stand for others: codes with scales beside them, as other programs quantize.
///
/// They are told by dtypes and companions; the configuration says what these don't.
public struct QuantizedWeights: Sendable {
  /// Names of the weights that stand for values, as the model has them: `model.layers.0.mlp.down_proj.weight`.
  public private(set) var weights: Set<ExactName> = []
  /// All tensors that belong to them: codes, scales, zero points, tables.
  public private(set) var parts: Set<ExactName> = []
  /// How they are stored, such as `gptq`; several ways with commas between them.
  public let method: String
  /// A part that shows it, for messages.
  public let example: String
  /// What keeps the values from being taken; empty as a rule.
  public private(set) var problems: [CheckpointError] = []
  /// Where the configuration names another way of quantization; it stops nothing here.
  private(set) var claim: CheckpointError?
  /// Where it says something else of layers than they are: errors, which stop nothing here, and warnings.
  private(set) var layerClaims: (errors: [CheckpointError], warnings: [CheckpointError]) = ([], [])
  /// What is strange about them, and what they are.
  private(set) var findings: [Finding] = []
  /// What codes are, by the tensors that hold them.
  private var codes: [ExactName: StoredCodes] = [:]
  /// The weights' values by the first of their parts, until they have taken the parts' place.
  private var values: [ExactName: CanonicalTensor] = [:]

  /// Every way that is read, by its method, what of it, and where its codes go without being made anew.
  public static var kinds: [(method: String, summary: String, repacked: String)] {
    QuantizedContainers.all.map { ($0.method, $0.summary, $0.repacked) }
  }

  /// Keys of a configuration that say that weights are quantized.
  public static let configurationKeys = ["quantization_config", "quantization"]

  /// What the last part of a name is where it may be a part's.
  private static let lastComponents = Set(
    QuantizedContainers.all.flatMap { $0.markers }.filter { $0.hasPrefix(".") }.compactMap {
      $0.split(separator: ".").last.map(String.init)
    })

  /// Scales of what attention keeps of earlier tokens, which are no weights.
  private static let cacheScales = [".k_scale", ".v_scale"]

  /// Looks through the names and dtypes of a checkpoint's tensors; nil if there is nothing of the kind.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - configuration: the model's; nil without one.
  ///   - assets: the files beside its weights.
  ///   - besidesMXFP4: whether blocks of MXFP4 are something that the model's family has anyway.
  /// - Throws: what reading a small part throws.
  init?(
    _ reader: any CheckpointReader, _ configuration: JSONValue?, beside assets: [Checkpoint.Asset],
    besidesMXFP4: Bool
  ) throws(CheckpointError) {
    let tensors = reader.checkpoint.tensors
    // Few checkpoints have any: all names are looked at closely only where one has a marker's ending.
    let configuration = try ContradictedSettings.completed(configuration, assets)
    let settings = QuantizationSettings(configuration)
    guard settings.document != nil || tensors.contains(where: { Self.mayBePart($0.name) }) else {
      return nil
    }
    let containers = QuantizedContainers.all.filter { !besidesMXFP4 || $0 != MXFP4Blocks.self }
    // Lists in them may be long: most containers go by the same keys.
    var byKeys = [QuantizedWeights.configurationKeys: settings]
    var said: [ObjectIdentifier: QuantizationSettings] = [:]
    for container in containers {
      let keys = container.configurationKeys
      let own = byKeys[keys] ?? QuantizationSettings(configuration, keys: keys)
      byKeys[keys] = own
      said[ObjectIdentifier(container)] = own
    }
    var modules: [(container: any QuantizedContainer.Type, module: QuantizedModule)] = []
    var known: Set<ExactName> = []
    var first: String?
    for tensor in tensors where Self.mayBePart(tensor.name) {
      for container in containers {
        guard let marker = container.markers.first(where: tensor.name.hasSuffix) else { continue }
        let module = QuantizedModule(String(tensor.name.dropLast(marker.count)), reader)
        guard container.recognises(module, said[ObjectIdentifier(container)] ?? settings) else {
          continue
        }
        if known.insert(ExactName(module.name)).inserted { modules.append((container, module)) }
        first = first ?? tensor.name
        break
      }
    }
    // Codes alone are what is left of a file that has lost all the rest.
    let left = tensors.filter { tensor in
      Self.isLeft(tensor) && !(besidesMXFP4 && Self.isOfBlocks(tensor.name))
    }
    guard let example = first ?? (settings.document == nil ? nil : left.first?.name) else {
      return nil
    }
    self.example = example
    var methods: [String] = []
    for (container, _) in modules where !methods.contains(container.method) {
      methods.append(container.method)
    }
    method = methods.isEmpty ? settings.method ?? "not known" : methods.joined(separator: ", ")
    if let first = modules.first.flatMap({ said[ObjectIdentifier($0.container)] }) {
      claim = QuantizationClaim.contradiction(first, methods, example)
    }
    if claim == nil, let first = modules.first {
      let claims = LayerClaims(
        modules, among: tensors, said[ObjectIdentifier(first.container)] ?? settings, configuration)
      layerClaims = (claims.errors, claims.warnings)
    }
    var counting = said
    for container in containers {
      let own = modules.filter { $0.container == container }.map(\.module)
      guard !own.isEmpty, let said = said[ObjectIdentifier(container)] else { continue }
      let examined = try container.examined(own, said)
      counting[ObjectIdentifier(container)] = examined.settings
      findings += examined.findings
      if let rivals = ContradictedSettings.rivals(said), !findings.contains(rivals) {
        findings.append(rivals)
      }
    }
    findings += try ContradictedSettings.files(assets, settings)
    for (container, module) in modules {
      try add(module, container, counting[ObjectIdentifier(container)] ?? settings)
    }
    dropCacheScales(tensors)
    for tensor in left where !parts.contains(ExactName(tensor.name)) {
      if let missing = Self.missing(besides: tensor.name, as: modules, reader) {
        problems.append(missing)
        continue
      }
      problems.append(
        CheckpointError(
          .malformed, "codes of a quantized weight without the rest of it", file: tensor.file,
          tensor: tensor.name, found: "\(tensor.dtype.rawValue) \(tensor.shape)",
          hint: "the file is incomplete, or was changed: get it again"))
    }
    findings.insert(
      Finding(
        .note, "quantized-weights",
        "\(counted(weights.count, "weight")) quantized (\(method)): a copy keeps codes and scales as they are",
        tensor: example), at: 0)
  }

  /// What codes that are alone lack and others of the checkpoint have; nil if there are no others.
  private static func missing(
    besides name: String,
    as others: [(container: any QuantizedContainer.Type, module: QuantizedModule)],
    _ reader: any CheckpointReader
  ) -> CheckpointError? {
    for (container, module) in others {
      let endings = container.markers + container.parts
      let found = endings.filter { module.tensor($0) != nil }
      guard let own = found.first(where: name.hasSuffix) else { continue }
      let alone = QuantizedModule(String(name.dropLast(own.count)), reader)
      guard let part = found.first(where: { alone.tensor($0) == nil }) else { continue }
      return alone.missing(part)
    }
    return nil
  }

  private static func isOfBlocks(_ name: String) -> Bool {
    MXFP4Blocks.markers.contains(where: name.hasSuffix)
  }

  private static func mayBePart(_ name: String) -> Bool {
    if isOfBlocks(name) { return true }
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
    return lastComponents.contains(String(name[name.utf8.index(after: dot)...]))
  }

  /// Whether a tensor can be nothing but a part of a quantized weight.
  private static func isLeft(_ tensor: TensorInfo) -> Bool {
    switch tensor.dtype {
    case .u32, .i32, .i8, .u8, .f8e4m3, .f8e5m2:
      tensor.name.hasSuffix(".weight") || mayBePart(tensor.name)
    default: false
    }
  }

  private mutating func add(
    _ module: QuantizedModule, _ container: any QuantizedContainer.Type,
    _ settings: QuantizationSettings
  ) throws(CheckpointError) {
    let found = (container.markers + container.parts).compactMap { module.tensor($0)?.name }
    parts.formUnion(found.map { ExactName($0) })
    let name = container == MXFP4Blocks.self ? module.name : module.name + ".weight"
    weights.insert(ExactName(name))
    do throws(CheckpointError) {
      let value = try container.value(of: module, settings)
      values[ExactName(found.first ?? module.name)] = CanonicalTensor(
        name: name, shape: value.type.shape, dtype: value.type.dtype, expression: value.expression)
      if let stored = StoredCodes(
        value.expression, method: container.method, type: { module.type(of: $0) })
      {
        codes[ExactName(stored.tensor)] = stored
      }
    } catch {
      if error.code.isTransient { throw error }
      problems.append(error.in(tensor: name))
    }
  }

  /// What the codes are that an expression is made of; nil if there are none.
  public func codes(in expression: TensorExpression) -> StoredCodes? {
    expression.sources.lazy.compactMap { codes[ExactName($0)] }.first
  }

  private mutating func dropCacheScales(_ tensors: [TensorInfo]) {
    let scales = tensors.filter { tensor in Self.cacheScales.contains(where: tensor.name.hasSuffix)
    }
    guard let first = scales.first else { return }
    parts.formUnion(scales.map { ExactName($0.name) })
    findings.append(
      Finding(
        .note, "cache-scales",
        "\(counted(scales.count, "scale")) of attention's cache, which are no weights: only a copy keeps them",
        tensor: first.name))
  }

  /// Puts values in the stead of parts, once: they aren't kept here any longer.
  ///
  /// - Parameter tensors: under the names that they are stored by.
  /// - Returns: the weights, each where its first part was; all as they were where values can't be taken.
  mutating func replaceParts(of tensors: [CanonicalTensor]) -> [CanonicalTensor] {
    defer { values = [:] }
    guard problems.isEmpty else { return tensors }
    return tensors.compactMap { tensor in
      let name = ExactName(tensor.name)
      return values[name] ?? (parts.contains(name) ? nil : tensor)
    }
  }
}
