import FileContainers
import TensorModel

/// What a configuration says of single layers, against what they are: other programs go by the configuration, and don't find the tensors that they look for.
///
/// A layer that is plain is only told where it is certain that codes are expected: it is named, or the same layer of another block has codes, or its block
/// has some and it is of the class that is quantized.
struct LayerClaims {
  typealias Module = (container: any QuantizedContainer.Type, module: QuantizedModule)

  /// Methods whose lists of what isn't quantized are known.
  private static let known: Set = [
    CompressedTensors.method, GPTQ.method, AWQ.method, BitsAndBytesBlocks.method,
    ScaledFP8.method, "fbgemm_fp8", ModelOptNVFP4.method, MXFP4Blocks.method,
  ]
  private static let codes: Set<DType> = [.u32, .i32, .i8, .u8, .f8e4m3, .f8e5m2]
  private static let floats: Set<DType> = [.f64, .f32, .f16, .bf16]

  private let settings: QuantizationSettings
  private let configuration: JSONValue?
  private let skipped: SkippedLayers
  /// Names of layers with codes, their patterns, and where blocks of such are.
  private var coded: Set<ExactName> = []
  private var examples: [String: String] = [:]
  private var stacks: Set<String> = []
  private var found: [Kind: (error: CheckpointError, count: Int)] = [:]

  private enum Kind: Hashable {
    case skippedCodes, plain, head
    case stored(StoredClaims.Kind)
  }

  /// - Parameters:
  ///   - modules: with codes.
  ///   - tensors: all of the checkpoint.
  ///   - settings: what the configuration says of quantization, for these modules.
  ///   - configuration: the model's; nil without one.
  init(
    _ modules: [Module], among tensors: [TensorInfo], _ settings: QuantizationSettings,
    _ configuration: JSONValue?
  ) {
    self.settings = settings
    self.configuration = configuration
    skipped = SkippedLayers(settings)
    let isOfMLX = modules.contains { $0.container == MLXGroups.self }
    guard isOfMLX || settings.method.map(Self.known.contains) ?? false else { return }
    for (_, module) in modules where Self.hasCodes(module) {
      let layer = LayerName(module.name)
      coded.insert(ExactName(module.name))
      examples[layer.pattern] = examples[layer.pattern] ?? module.name
      if let stack = layer.stack { stacks.insert(stack) }
    }
    let scaled = Set(
      modules.filter { _, module in
        module.tensor(".input_scale") ?? module.tensor(".activation_scale") != nil
      }.map { ObjectIdentifier($0.container) })
    for (container, module) in modules where coded.contains(ExactName(module.name)) {
      compareSkipped(module, container)
      let isUsual = scaled.contains(ObjectIdentifier(container))
      if let error = ActivationScales.error(container, module, settings, isUsual: isUsual) {
        add(.stored(.activation), error)
      }
      for (kind, error) in StoredClaims.errors(container, module, settings) {
        add(.stored(kind), error)
      }
    }
    for tensor in tensors where Self.floats.contains(tensor.dtype) && tensor.shape.rank >= 2 {
      guard tensor.name.hasSuffix(".weight") else { continue }
      let name = String(tensor.name.dropLast(".weight".count))
      guard !coded.contains(ExactName(name)) else { continue }
      isOfMLX ? compareEntry(tensor, name) : comparePlain(tensor, LayerName(name))
    }
  }

  /// Blocks of MXFP4 that the configuration says aren't there, in families that have such anyway.
  ///
  /// - Parameters:
  ///   - tensors: all of the checkpoint.
  ///   - configuration: the model's.
  /// - Returns: an error that names the first, if there is one.
  static func ofBlocks(among tensors: [TensorInfo], _ configuration: JSONValue) -> [CheckpointError]
  {
    let settings = QuantizationSettings(configuration)
    guard settings.method == MXFP4Blocks.method else { return [] }
    let skipped = SkippedLayers(settings)
    let found = tensors.compactMap { tensor -> CheckpointError? in
      guard tensor.dtype == .u8, tensor.name.hasSuffix("_blocks"),
        let entry = skipped.entry(of: String(tensor.name.dropLast("_blocks".count)))
      else { return nil }
      return skippedCodes(tensor, "'\(entry.key)' has \"\(entry.text)\"")
    }
    return found.first.map { [counting(($0, found.count))] } ?? []
  }

  /// Errors that name a layer each, and how many others are likewise.
  var errors: [CheckpointError] {
    let kinds = [.skippedCodes, .plain] + StoredClaims.Kind.allCases.map(Kind.stored)
    return kinds.compactMap { found[$0] }.map(Self.counting)
  }

  /// What some programs stop at.
  var warnings: [CheckpointError] { [found[.head]].compactMap { $0 }.map(Self.counting) }

  private static func counting(_ entry: (error: CheckpointError, count: Int)) -> CheckpointError {
    guard entry.count > 1 else { return entry.error }
    let others = counted(entry.count - 1, "other layer")
    return CheckpointError(
      entry.error.code, "\(entry.error.message); so with \(others)", file: entry.error.file,
      tensor: entry.error.tensor, expected: entry.error.expected, found: entry.error.found,
      hint: entry.error.hint)
  }

  private mutating func add(_ kind: Kind, _ error: CheckpointError) {
    found[kind] = (found[kind]?.error ?? error, (found[kind]?.count ?? 0) + 1)
  }

  private static func codesTensor(_ module: QuantizedModule) -> TensorInfo? {
    [".qweight", ".weight_packed", ".weight", "_blocks"].lazy.compactMap { module.tensor($0) }
      .first { codes.contains($0.dtype) }
  }

  private static func hasCodes(_ module: QuantizedModule) -> Bool { codesTensor(module) != nil }

  // MARK: Codes that are said to be none

  private mutating func compareSkipped(
    _ module: QuantizedModule, _ container: any QuantizedContainer.Type
  ) {
    guard let tensor = Self.codesTensor(module), let reason = reason(module, container) else {
      return
    }
    add(.skippedCodes, Self.skippedCodes(tensor, reason))
  }

  private static func skippedCodes(_ tensor: TensorInfo, _ reason: String) -> CheckpointError {
    CheckpointError(
      .malformed,
      "the configuration says that the layer isn't quantized, and it is: other programs look for its plain weight",
      tensor: tensor.name, expected: "a plain weight, as \(reason)",
      found: "codes, \(tensor.dtype.rawValue) \(tensor.shape)",
      hint: "correct that in config.json, or use the configuration of these weights")
  }

  /// What says that a layer isn't quantized; nil if nothing does.
  private func reason(
    _ module: QuantizedModule, _ container: any QuantizedContainer.Type
  ) -> String? {
    let name = module.name
    if container == MLXGroups.self {
      return settings[name]?.boolean == false ? "'quantization' has \"\(name)\": false" : nil
    }
    if let entry = skipped.entry(of: name) { return "'\(entry.key)' has \"\(entry.text)\"" }
    guard container == GPTQ.self else { return nil }
    switch try? settings.rule(of: name) {
    case .skipped(let rule): return "'dynamic' has \"\(rule)\""
    case .changed: return nil
    case nil: break
    }
    let layer = LayerName(name)
    if layer.isHead {
      return settings["lm_head"]?.boolean == false ? "'lm_head' is false" : nil
    }
    guard let listed = listedInBlock, let place = layer.placeInBlock, !listed.contains(place),
      !listed.contains(name)
    else { return nil }
    return "'modules_in_block_to_quantize' doesn't have \"\(place)\""
  }

  /// The layers of a block that GPTQ's configuration lists; nil where it lists none.
  private var listedInBlock: Set<String>? {
    guard let lists = settings["modules_in_block_to_quantize"]?.elements else { return nil }
    let names = lists.flatMap { $0.elements ?? [$0] }.compactMap(\.text)
    return names.isEmpty ? nil : Set(names)
  }

  // MARK: Plain weights that are said to be codes

  private mutating func compareEntry(_ tensor: TensorInfo, _ name: String) {
    guard settings[name]?["bits"]?.integer != nil else { return }
    add(.plain, Self.plain(tensor, "'quantization' has \"\(name)\"", "\(name).scales"))
  }

  private mutating func comparePlain(_ tensor: TensorInfo, _ layer: LayerName) {
    guard let reason = expectation(layer) else { return }
    let error = Self.plain(
      tensor, reason, examples[layer.pattern].map { "those of \($0)" } ?? "codes and scales")
    add(layer.isHead && settings.method == CompressedTensors.method ? .head : .plain, error)
  }

  private static func plain(
    _ tensor: TensorInfo, _ reason: String, _ example: String
  ) -> CheckpointError {
    CheckpointError(
      .malformed,
      "the configuration says that the layer is quantized, and it isn't: other programs look for its codes",
      tensor: tensor.name, expected: "codes, as \(reason): \(example)",
      found: "\(tensor.dtype.rawValue) \(tensor.shape)",
      hint:
        "say in config.json that the layer isn't quantized, or get the file again, if it was made otherwise"
    )
  }

  /// Why codes are expected of a layer; nil where they needn't be.
  private func expectation(_ layer: LayerName) -> String? {
    guard let reason = claim(layer), !isBeyondModel(layer),
      settings["extra_config"]?[layer.name] == nil, !skipped.mayName(layer.name)
    else { return nil }
    return reason
  }

  private func claim(_ layer: LayerName) -> String? {
    let hasExample = examples[layer.pattern] != nil
    let isKnown =
      layer.isLinear && !skipped.hasClasses && layer.stack.map(stacks.contains) ?? false
    let likewise =
      hasExample
      ? "the same layer of another block has some"
      : isKnown ? "others of its block have some, and it isn't left out" : nil
    switch settings.method {
    case CompressedTensors.method:
      guard let groups = try? settings.groups?.get(),
        let target = try? groups.target(of: layer.name)
      else { return nil }
      switch target {
      case .name: return "a group's 'targets' names it"
      case .pattern:
        return layer.isEmbedding || layer.isRouter ? nil : "an expression in 'targets' matches it"
      case .ofClass(let name, _):
        if layer.isEmbedding { return name == "Embedding" ? "'targets' has \"Embedding\"" : nil }
        return hasExample || isKnown || layer.isHead && !isTied
          ? "'targets' has \"\(name)\", and 'ignore' doesn't have the layer" : nil
      }
    case GPTQ.method:
      let rule = try? settings.rule(of: layer.name)
      if case .skipped? = rule { return nil }
      if layer.isHead {
        return settings["lm_head"]?.boolean == true && !isTied ? "'lm_head' is true" : nil
      }
      guard let place = layer.placeInBlock, let stack = layer.stack else { return nil }
      if let listed = listedInBlock {
        return stacks.contains(stack) && listed.contains(place)
          ? "'modules_in_block_to_quantize' has \"\(place)\"" : nil
      }
      return likewise
    default: return likewise
    }
  }

  /// Whether the head is, or may be, the embedding's matrix.
  private var isTied: Bool {
    let said =
      configuration?["tie_word_embeddings"]
      ?? configuration?["text_config"]?["tie_word_embeddings"]
    return said?.boolean != false
  }

  /// Whether a layer is of a block behind the model's, which predicts further tokens and is often left as it is.
  private func isBeyondModel(_ layer: LayerName) -> Bool {
    let keys = ["num_hidden_layers", "n_layer", "num_layers"]
    let counts = [configuration, configuration?["text_config"]].flatMap { document in
      keys.compactMap { document?[$0]?.integer }
    }
    guard let number = layer.number, let count = counts.first else { return false }
    return number >= count
  }
}
