public import ModelArchitectures
public import TensorModel

/// Which type each tensor of a model gets: the rules of llama.cpp's quantization (llama-quant.cpp, `llama_tensor_get_type`).
///
/// Layers are counted as they are: with llama.cpp a tensor that `--tensor-type` gives its type moves the rules of the layers after it.
public struct QuantizationRules: Sendable {
  private let request: QuantizationRequest
  private let model: Model

  /// What the rules need to know of a model.
  public struct Model: Sendable {
    /// How the family lies in GGUF files.
    public let table: GGUFTable
    /// The number of layers.
    public let layers: Int
    /// Heads of queries for each head of keys.
    public let queriesPerKey: Int
    /// Whether the head has weights of its own in the file.
    public let hasHead: Bool
    /// Experts of a layer; 0 for models that are no mixtures.
    public let experts: Int

    /// A model.
    public init(
      _ table: GGUFTable, layers: Int, queriesPerKey: Int, hasHead: Bool, experts: Int = 0
    ) {
      self.table = table
      self.layers = layers
      self.queriesPerKey = queriesPerKey
      self.hasHead = hasHead
      self.experts = experts
    }

    /// Attention is a small part of a mixture of eight experts (Mixtral's), and gets more bits.
    fileprivate var hasEightExperts: Bool { experts == 8 }

    /// What llama.cpp takes for one of 70 billion weights.
    fileprivate var isOfEightyLayers: Bool {
      switch table.largeModels {
      case .none: false
      case .all: layers == 80
      case .sharingKeys: layers == 80 && queriesPerKey > 1
      }
    }
  }

  /// Rules for a model.
  public init(_ request: QuantizationRequest, _ model: Model) {
    self.request = request
    self.model = model
  }

  /// The type of a tensor.
  ///
  /// - Parameters:
  ///   - name: in the file.
  ///   - role: what it does.
  ///   - layer: from 0; nil for what belongs to none.
  ///   - shape: as the file has it, rows of columns.
  /// - Returns: the type, and why.
  /// - Throws: `usage` for a pattern that takes too long.
  public func choice(
    _ name: String, _ role: DecoderRole, layer: Int?, _ shape: Shape
  ) throws(CheckpointError) -> TypeChoice {
    if let exact = request.exactTypes[ExactName(name)] {
      return TypeChoice(exact, wanted: exact, .requested)
    }
    guard shape.rank > 1, let columns = shape.dimensions.last, role.isMatrix else {
      return .unquantized(.f32)
    }
    let (wanted, reason) = try wanted(name, role, layer ?? 0, columns)
    guard case .dtype(let dtype) = wanted else { return TypeChoice(wanted, wanted: wanted, reason) }
    return TypeChoice(.dtype(dtype.fitting(columns: columns)), wanted: wanted, reason)
  }

  private func wanted(
    _ name: String, _ role: DecoderRole, _ layer: Int, _ columns: Int
  ) throws(CheckpointError) -> (WeightType, TypeChoice.Reason) {
    let isHead = role.projection == .head || role == .tokenEmbedding && !model.hasHead
    if isHead, let type = request.outputType { return (type, .requested) }
    for override in request.overrides where try override.pattern.matches(name) {
      return (override.type, .requested)
    }
    guard case .dtype(let base) = request.scheme.type, base.isBlockQuantized else {
      return (request.scheme.type, .scheme)
    }
    if isHead { return head(base, columns) }
    let type = special(role, layer) ?? base
    return (.dtype(type), type == base ? .scheme : .rule)
  }

  private func head(_ base: DType, _ columns: Int) -> (WeightType, TypeChoice.Reason) {
    if base == .q8_0 { return (.dtype(base), .scheme) }
    // Rows that don't fill blocks of the scheme's type are as good as lossless, where Q6_K's blocks would do too.
    let fits = columns.isMultiple(of: base.blockElementCount) && model.table.mixes != .falcon
    return (.dtype(fits ? .q6K : .q8_0), .head)
  }

  /// The type of tensors that the scheme doesn't treat as most.
  private func special(_ role: DecoderRole, _ layer: Int) -> DType? {
    switch role.projection {
    case .value, .key, .queryKeyValue:
      if model.hasEightExperts { return .q8_0 }
      if role.projection == .key { return nil }
      let type = values(layer)
      let given = type.map { WeightType.dtype($0) } ?? request.scheme.type
      let isSmall = given == .dtype(.q3K) || given == .dtype(.q4K)
      return model.isOfEightyLayers && isSmall ? .q5K : type
    case .down, .expertDown:
      return model.table.mixes == .falcon ? downOfFalcon(layer) : down(layer)
    case .output: return output
    default: return nil
    }
  }

  /// Attention values, and what holds them with queries and keys.
  private func values(_ layer: Int) -> DType? {
    switch request.scheme {
    case .q2K: model.queriesPerKey >= 4 ? .q4K : .q3K
    case .q2KS: model.queriesPerKey >= 4 ? .q4K : nil
    case .q3KM: layer < 2 ? .q5K : .q4K
    case .q3KL: .q5K
    case .q4KS: layer < 4 ? .q5K : nil
    case .q4KM, .q5KM: hasMoreBits(layer) ? .q6K : nil
    case .iq4NL, .iq4XS: model.queriesPerKey >= 4 ? .q5K : nil
    default: nil
    }
  }

  /// The feed-forward layers' outputs.
  private func down(_ layer: Int) -> DType? {
    let isEarly = layer < model.layers / 8
    switch request.scheme {
    case .q2K: return .q3K
    case .q2KS: return isEarly ? .q4K : nil
    case .q3KM: return layer < model.layers / 16 ? .q5K : .q4K
    case .q3KL: return .q5K
    case .q4KS: return isEarly ? .q5K : nil
    case .q4KM, .q5KM: return hasMoreBits(layer) ? .q6K : nil
    case .iq4NL, .iq4XS: return isEarly && !hasImportance ? .q5K : nil
    case .q4_0: return isEarly && hasImportance ? .q4_1 : nil
    case .q5_0: return isEarly && hasImportance ? .q5_1 : nil
    default: return nil
    }
  }

  private func downOfFalcon(_ layer: Int) -> DType? {
    let isEarly = layer < model.layers / 16
    switch request.scheme {
    case .q3KM: return isEarly ? .q5K : hasMoreBits(layer) ? .q4K : .q3K
    case .q3KL: return .q4K
    case .q4KM: return isEarly ? .q6K : hasMoreBits(layer) ? .q5K : .q4K
    case .q4KS: return nil
    default: return down(layer)
    }
  }

  /// The heads' way back.
  private var output: DType? {
    if model.table.mixes == .falcon { return request.scheme == .q3KL ? DType.q4K : nil }
    if model.hasEightExperts {
      let schemes: [QuantizationScheme] = [.q2K, .q3KS, .q3KM, .iq4NL, .q4KS, .q4KM, .iq4XS]
      return schemes.contains(request.scheme) ? .q5K : nil
    }
    switch request.scheme {
    case .q2K: return .q3K
    case .q3KM: return .q4K
    case .q3KL: return .q5K
    default: return nil
    }
  }

  private var hasImportance: Bool { request.importance.map { !$0.names.isEmpty } ?? false }

  /// The first and last eighth of the layers, and every third between them.
  private func hasMoreBits(_ layer: Int) -> Bool {
    let eighth = model.layers / 8
    return layer < eighth || layer >= 7 * model.layers / 8 || (layer - eighth) % 3 == 2
  }
}
