public import CheckpointFormats
public import Quantization
public import TensorEvaluation
public import TensorModel

/// What a source gives in the names and types of a checkpoint that was written in a format with names and types of its own.
public struct Replanned: Sendable {
  /// The weights that a conversion would write.
  public let weights: [Weight]
  /// The configuration that it would write; nil where it is the source's.
  public let configuration: [UInt8]?

  /// What is evaluated at once: a tensor, or a weight that is stored as several.
  public struct Weight: Sendable {
    /// What the model calls it.
    public let name: String
    /// Gives the parts' rows one after the other.
    public let expression: TensorExpression
    /// What rows consist of; nil for a tensor that stands for itself.
    public let rowParts: RowParts?
    /// The tensors that it is stored as, each with an expression that gives it alone.
    public let parts: [Planner.Output]
  }

  /// Tensors that each stand for themselves.
  init(outputs: [Planner.Output], configuration: [UInt8]?) {
    weights = outputs.map(Weight.init)
    self.configuration = configuration
  }

  /// Weights of one or several tensors.
  init(weights: [StoredWeight], configuration: [UInt8]?) {
    self.weights = weights.flatMap { weight in
      [
        Weight(
          name: weight.name, expression: weight.expression, rowParts: weight.rowParts,
          parts: weight.parts)
      ] + weight.companions.map(Weight.init)
    }
    self.configuration = configuration
  }

  /// Plans again.
  ///
  /// - Parameters:
  ///   - other: what the checkpoint is said to be made of.
  ///   - written: the checkpoint.
  ///   - statistics: what it was quantized with, if there was something.
  ///   - resources: memory and threads.
  /// - Returns: nil where canonical names and dtypes say all.
  /// - Throws: `usage` where something else is needed to tell, what planning throws.
  public static func plan(
    of other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    for target in Targets.all {
      let replanned = try target.replanned(
        other, like: written, statistics: statistics, resources)
      if let replanned { return replanned }
    }
    return nil
  }
}

extension Replanned.Weight {
  /// A tensor that stands for itself.
  fileprivate init(_ output: Planner.Output) {
    self.init(name: output.name, expression: output.expression, rowParts: nil, parts: [output])
  }
}
