import FileContainers
import TensorModel

/// A key of a GGUF file and the setting of `config.json` that it stands for.
public struct GGUFSetting: Sendable, Hashable {
  /// The key after the graph's name, such as `attention.head_count`.
  public let key: String
  /// The setting; nil for keys that are written for llama.cpp and say nothing that the family's configuration doesn't.
  public let setting: String?
  /// What both say.
  public let meaning: Meaning

  /// What a key can say of a model.
  public enum Meaning: String, Sendable, Hashable {
    /// The longest sequence.
    case positions
    /// The residual stream's width.
    case model
    /// The number of layers.
    case layers
    /// The feed-forward layer's width.
    case inner
    /// Heads of the attention.
    case heads
    /// Heads of keys and values; those of the attention where the file doesn't say.
    case keyHeads
    /// The number of tokens.
    case vocabulary
    /// What norms add to the variance.
    case epsilon
    /// The width of a head, where it isn't the model's width shared among heads.
    case headWidth
    /// How many tokens a layer sees, where it isn't all.
    case window
    /// Rotated dimensions of a head.
    case rotaryDimensions
    /// The same as the fraction of a head that `config.json` has.
    case rotaryFraction
    /// What rotary frequencies are powers of; 10000 where the file doesn't say.
    case rotaryBase
    /// Whether attention and feed-forward layer run in parallel.
    case parallelResidual
    /// How many tokens a layer sees, 0 for all.
    case windowOrZero
    /// The width of a head, where it is a setting that every model has.
    case ownHeadWidth
    /// What queries · keys are multiplied with in every layer; 1 / √(width of a head) where the file doesn't say.
    case attentionScale
    /// What embeddings are multiplied with.
    case embeddingFactor
    /// What attention and feed-forward layer are multiplied with before they are added.
    case residualFactor
    /// What logits are divided by.
    case logitDivisor
    /// What scores are capped at.
    case scoreCap
    /// What logits are capped at.
    case logitCap
    /// The base of rotary frequencies in layers with a window.
    case slidingBase
    /// Experts of a layer.
    case experts
    /// Experts that a token gets.
    case chosenExperts
    /// An expert's width.
    case expertInner
  }

  init(_ key: String, _ setting: String?, _ meaning: Meaning) {
    self.key = key
    self.setting = setting
    self.meaning = meaning
  }

  /// What a file says of a model; nil where it says nothing.
  func value(of configuration: DecoderConfiguration) -> GGUFValue? {
    let dimensions = configuration.dimensions
    switch meaning {
    case .positions: return .count(configuration.positionLimit ?? Self.standardPositions)
    case .model: return .count(dimensions.model)
    case .layers: return .count(dimensions.layers)
    case .inner: return .count(dimensions.inner)
    case .heads: return .count(configuration.heads)
    case .keyHeads: return .count(configuration.keyHeads)
    case .vocabulary: return .count(dimensions.vocabulary)
    case .epsilon:
      switch configuration.norm {
      case .layer(let epsilon), .rootMeanSquare(let epsilon): return .number(epsilon)
      }
    case .headWidth:
      let isShared = configuration.heads * configuration.headWidth == dimensions.model
      return isShared ? nil : .count(configuration.headWidth)
    case .window: return configuration.windows.compactMap { $0 }.first.map { .count($0) }
    case .rotaryDimensions, .rotaryFraction:
      return configuration.rotary.map { .count($0.dimensions) }
    case .rotaryBase: return configuration.rotary.map { .number($0.base) }
    case .parallelResidual: return .bool(configuration.residual != .sequential)
    case .windowOrZero: return .count(configuration.windows.compactMap { $0 }.first ?? 0)
    case .ownHeadWidth: return .count(configuration.headWidth)
    case .attentionScale: return configuration.attentionScales.first.map { .number($0) }
    case .embeddingFactor: return .number(configuration.embeddingFactor)
    case .residualFactor: return .number(configuration.residualFactor)
    case .logitDivisor: return .number(configuration.logitDivisor)
    case .scoreCap: return configuration.scoreCap.map { .number($0) }
    case .logitCap: return configuration.logitCap.map { .number($0) }
    case .slidingBase: return configuration.slidingRotary.map { .number($0.base) }
    case .experts: return .count(dimensions.experts)
    case .chosenExperts: return configuration.experts.map { .count($0.chosenCount) }
    case .expertInner: return .count(dimensions.expertInner)
    }
  }

  /// Where a configuration doesn't say it.
  private static let standardPositions = 2048
}
