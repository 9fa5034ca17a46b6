import ModelArchitectures
public import TensorModel

/// Greedy generation, token after token.
public struct Generation {
  private let decoder: Decoder

  /// With a decoder.
  public init(_ decoder: Decoder) { self.decoder = decoder }

  /// Appends the likeliest token again and again.
  ///
  /// - Parameters:
  ///   - prompt: at least one token.
  ///   - count: how many to generate.
  ///   - prefix: tokens of the prompt that see each other.
  ///   - report: told of each token.
  /// - Returns: the generated tokens, and whether all logits that they were chosen by were numbers.
  /// - Throws: `usage`, and what reading throws.
  public func tokens(
    after prompt: [Int], _ count: Int, prefix: Int = 0, report: (Int) -> Void = { _ in }
  ) throws(CheckpointError) -> (tokens: [Int], areByNumbers: Bool) {
    let cache = Decoder.Cache(decoder.configuration)
    let logits = FloatBuffer()
    var generated: [Int] = []
    var areByNumbers = true
    var new = prompt
    var start = 0
    while generated.count < count {
      let sequences = Sequences([new.count], starts: [start], prefix: prefix)
      let state = try decoder.run([new], sequences, cache)
      try decoder.logits(state, new.count - 1..<new.count, into: logits)
      let row = LogitRow(logits.base, count: decoder.configuration.dimensions.vocabulary)
      areByNumbers = areByNumbers && row.areNumbers
      let token = row.likeliest
      generated.append(token)
      report(token)
      start += new.count
      new = [token]
    }
    return (generated, areByNumbers)
  }
}
