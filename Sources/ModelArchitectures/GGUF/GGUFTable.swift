public import FileContainers
public import TensorModel

/// How a family's models lie in GGUF files: which graph of llama.cpp computes them, and where the files differ from Hugging Face's.
public struct GGUFTable: Sendable {
  /// `general.architecture`.
  public let architecture: String
  /// Whether the graph was made for another family, so that only files that name this one are of it.
  public let isGuest: Bool
  /// Which key of a file says which setting of `config.json`.
  public let keys: [GGUFSetting]
  /// Keys that every file of the graph has, with their values.
  let fixedEntries: [(key: String, value: GGUFValue)]
  /// Settings of `config.json` that the graph has built in, for files that say no more.
  public let constants: [(setting: String, value: JSONValue)]
  /// Settings that no key says, but the presence of a tensor in the first layer.
  public let flags: [(setting: String, role: DecoderRole)]
  /// Projections whose rows stand in another order there, weights and biases.
  public let rowOrders: [DecoderRole.Projection: RowOrder]
  /// Projections that have a bias there and none in the family; it is zero.
  public let zeroBiases: [DecoderRole.Projection]
  /// The functions of the feed-forward layer that the graph computes, or nearly.
  public let activations: Set<DecoderConfiguration.Activation>
  /// What the graph does about layers that see only so many tokens.
  public let windows: Windows
  /// Whether it can't do without: llama.cpp stops where no layer of the model has a window.
  public let needsWindow: Bool
  /// Of how many layers the last isn't rotated, in all the model; nil where all are.
  public let unrotatedPeriod: Int?
  /// Whether the graph adds positions to scores, by ALiBi's slopes.
  public let hasSlopes: Bool
  /// In models of so many layers the graph scales scores by the model's width shared among heads, instead of the width of a head; nil in none.
  public let sharedScaleLayerCount: Int?
  /// Norms that have other names there than in most graphs, in models for which the condition holds, or in all.
  let normNames: (condition: Architecture.Condition?, names: [DecoderRole.Norm: String])
  /// How the graph weights the results of experts; nil without experts.
  public let expertWeighting: DecoderConfiguration.Experts.Weighting?
  /// What it cuts their gates at; nil where they have the activation.
  public let clampedGate: DecoderConfiguration.Experts.ClampedGate?
  /// Whether it caps scores and logits always: by a key, or by numbers of its own.
  public let alwaysCaps: Bool
  /// Whether it multiplies embeddings with the root of the model's width.
  public let scalesEmbeddings: Bool
  /// Makes the settings that no single key says.
  let completion: @Sendable (GGUFKeyReader) -> [JSONValue.Member]
  /// Whether a head that shares the embedding's weights is written once more.
  public let repeatsTiedHead: Bool
  /// Whether rotary positions may turn a part of each head.
  public let rotatesParts: Bool
  /// Whether the file can hold divisors of rotary frequencies (`rope_freqs.weight`).
  public let hasRotaryDivisors: Bool
  /// Whether it can hold divisors that depend on the length (`rope_factors_short.weight`, `rope_factors_long.weight`).
  public let hasLongrope: Bool
  /// What a model must have, because the graph asks for the tensors.
  public let requirements: Set<Architecture.Condition>
  /// What it must not have, because the graph has no place for the tensors.
  public let exclusions: Set<Architecture.Condition>
  /// Keys that, where they aren't 0, make a file one of another family of the same graph.
  public let foreignKeys: [String]
  /// Keys that a file of the family must have, and not 0.
  public let requiredKeys: [String]
  /// Whether the family's tokenizers compose texts (NFC), which llama.cpp doesn't.
  public let composesTexts: Bool
  /// Which models of 80 layers llama-quantize takes for one of 70 billion weights.
  public let largeModels: LargeModels
  /// Which rules it has for mixes.
  public let mixes: Mixes

  /// Which rules llama-quantize has for a graph's mixes of types (llama-quant.cpp).
  public enum Mixes: Sendable, Hashable {
    /// Those of most.
    case standard
    /// Those of Falcon: fewer bits for the feed-forward layers' outputs, more for the head.
    case falcon
  }

  /// What a graph does about layers that see only so many tokens.
  public enum Windows: Sendable, Hashable {
    /// It has none.
    case none
    /// It reads the key and computes without.
    case ignored
    /// It has them, in all layers but each so-manieth where the file doesn't say in which.
    case patterned(period: Int)

    /// Whether each layer has a window, where the file doesn't say it.
    public func standard(layers: Int) -> [Bool] {
      guard case .patterned(let period) = self else {
        return Array(repeating: false, count: layers)
      }
      return (1...max(1, layers)).prefix(layers).map { $0 % period != 0 }
    }
  }

  /// Which models of 80 layers llama-quantize gives more bits to (llama-quant.cpp).
  public enum LargeModels: Sendable, Hashable {
    /// None.
    case none
    /// All.
    case all
    /// Those whose heads share keys.
    case sharingKeys
  }

  /// How rows that Hugging Face's model has are ordered in the file.
  public enum RowOrder: Sendable, Hashable {
    /// Of each head's rotated rows first the even ones, then the odd ones: the file's model pairs halves.
    case halves
    /// Of each head's rotated rows one of the first half, one of the second: the file's model pairs neighbours.
    case pairs
    /// All queries, all keys, all values; the family has them head by head.
    case consecutive
  }

  /// A family's layout.
  init(
    _ architecture: String, isGuest: Bool = false, keys: [GGUFSetting],
    fixedEntries: [(key: String, value: GGUFValue)] = [],
    constants: [(setting: String, value: JSONValue)] = [],
    flags: [(setting: String, role: DecoderRole)] = [],
    rowOrders: [DecoderRole.Projection: RowOrder] = [:],
    zeroBiases: [DecoderRole.Projection] = [],
    activations: Set<DecoderConfiguration.Activation>, windows: Windows = .none,
    needsWindow: Bool = false, unrotatedPeriod: Int? = nil, hasSlopes: Bool = false,
    sharedScaleLayerCount: Int? = nil,
    normNames: (condition: Architecture.Condition?, names: [DecoderRole.Norm: String]) = (nil, [:]),
    expertWeighting: DecoderConfiguration.Experts.Weighting? = nil,
    clampedGate: DecoderConfiguration.Experts.ClampedGate? = nil,
    completion: @escaping @Sendable (GGUFKeyReader) -> [JSONValue.Member] = { _ in [] },
    alwaysCaps: Bool = false, scalesEmbeddings: Bool = false, repeatsTiedHead: Bool = false,
    rotatesParts: Bool = true, hasRotaryDivisors: Bool = false, hasLongrope: Bool = false,
    requirements: Set<Architecture.Condition> = [],
    exclusions: Set<Architecture.Condition> = [], foreignKeys: [String] = [],
    requiredKeys: [String] = [], composesTexts: Bool = false, largeModels: LargeModels = .none,
    mixes: Mixes = .standard
  ) {
    self.architecture = architecture
    self.isGuest = isGuest
    self.keys = keys
    self.constants = constants
    self.flags = flags
    self.rowOrders = rowOrders
    self.zeroBiases = zeroBiases
    self.activations = activations
    self.windows = windows
    self.needsWindow = needsWindow
    self.unrotatedPeriod = unrotatedPeriod
    self.hasSlopes = hasSlopes
    self.sharedScaleLayerCount = sharedScaleLayerCount
    self.normNames = normNames
    self.completion = completion
    self.fixedEntries = fixedEntries
    self.expertWeighting = expertWeighting
    self.clampedGate = clampedGate
    self.alwaysCaps = alwaysCaps
    self.scalesEmbeddings = scalesEmbeddings
    self.repeatsTiedHead = repeatsTiedHead
    self.rotatesParts = rotatesParts
    self.hasRotaryDivisors = hasRotaryDivisors
    self.hasLongrope = hasLongrope
    self.requirements = requirements
    self.exclusions = exclusions
    self.foreignKeys = foreignKeys
    self.requiredKeys = requiredKeys
    self.composesTexts = composesTexts
    self.largeModels = largeModels
    self.mixes = mixes
  }

  /// How the rows of a projection are ordered in the file, compared with the family's; nil if they are the same.
  public func permutation(
    _ projection: DecoderRole.Projection, _ configuration: DecoderConfiguration
  ) -> RowPermutation? {
    let rotated = configuration.rotary?.dimensions ?? configuration.headWidth
    let heads = projection == .key ? configuration.keyHeads : configuration.heads
    switch rowOrders[projection] {
    case nil: return nil
    case .halves:
      return RowPermutation(
        .halves(rotated: rotated), groupCount: heads, groupRowCount: configuration.headWidth)
    case .pairs:
      return RowPermutation(
        .interleaved(rotated: rotated), groupCount: heads, groupRowCount: configuration.headWidth)
    case .consecutive:
      guard configuration.fusedOrder == .byHead, configuration.keyHeads > 1 else { return nil }
      let shared = configuration.heads / configuration.keyHeads
      return RowPermutation(
        shared == 1 ? .parts(count: 3) : .runs(widths: [shared, 1, 1]),
        groupCount: configuration.keyHeads,
        groupRowCount: (shared + 2) * configuration.headWidth)
    }
  }

  /// The name that a tensor has in the file.
  ///
  /// - Parameters:
  ///   - role: what it is used for; of experts, all of a layer are one tensor.
  ///   - layer: nil for what belongs to none.
  ///   - dimensions: of the model.
  /// - Returns: such as `blk.0.attn_q.weight`.
  public func name(
    of role: DecoderRole, layer: Int?, _ dimensions: Architecture.Dimensions
  ) -> String {
    let applies = normNames.condition.map(dimensions.conditions.contains) ?? true
    return role.ggufName(layer: layer, normNames: applies ? normNames.names : [:])
  }

  /// Tensors of rotary divisors that the graph may have.
  public var rotaryTensorNames: [String] {
    (hasRotaryDivisors ? [GGUFRotaryTensors.divisors] : [])
      + (hasLongrope ? GGUFRotaryTensors.longropeNames : [])
  }
}
