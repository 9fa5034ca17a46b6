import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel

/// Runs two decoders layer by layer.
///
/// Each goes its own way. As long as it isn't known where they part, the second also runs every layer on the first's input: so a layer is blamed for
/// what it does, not for what came before it.
struct Lockstep {
  private let first: Decoder
  private let second: Decoder
  private let differences: [TensorDifference]
  private let mine: Decoder.State
  private let theirs: Decoder.State
  private(set) var distances: [ForwardComparison.LayerDistance] = []
  private(set) var divergence: ForwardComparison.Divergence?
  private let width: Int

  init(
    _ first: Decoder, _ second: Decoder, _ windows: TokenWindows,
    _ prefixes: (Int, Int),
    _ differences: [TensorDifference]
  ) throws(CheckpointError) {
    try first.configuration.dimensions.requireSameSizes(second.configuration.dimensions)
    self.first = first
    self.second = second
    self.differences = differences
    width = first.configuration.dimensions.model
    let counts = windows.rows.map(\.count)
    mine = try first.embed(windows.rows, Sequences(counts, prefix: prefixes.0))
    theirs = try second.embed(windows.rows, Sequences(counts, prefix: prefixes.1))
    let distance = distance(mine.hidden, theirs.hidden)
    let names = names { [.tokenEmbedding, .positionEmbedding].contains($0.role) }
    if distance > tolerance(of: names) {
      divergence = ForwardComparison.Divergence(
        layer: nil, sublayer: "embedding", tensors: unexplained(names), cause: nil)
    }
  }

  mutating func run(_ progress: (Int) -> Void) throws(CheckpointError) {
    for layer in 0..<first.configuration.dimensions.layers {
      // What the second would make of the first's input.
      var shadow: Decoder.State?
      if divergence == nil && !isEqual(mine.hidden, theirs.hidden) {
        shadow = try theirs.copy(hidden: mine.hidden)
      }
      try first.runLayer(layer, mine)
      try second.runLayer(layer, theirs)
      if let shadow { try second.runLayer(layer, shadow) }
      if divergence == nil { try look(at: layer, shadow ?? theirs) }
      distances.append(
        .init(layer: layer, relativeL2: distance(mine.hidden, theirs.hidden)))
      progress(layer)
    }
  }

  /// Whether a layer, given the same input, does something else than dtypes explain.
  private mutating func look(at layer: Int, _ other: Decoder.State) throws(CheckpointError) {
    let names = names { $0.layer == layer }
    let tolerance = tolerance(of: names)
    let attention = distance(mine.attention, other.attention)
    let feedForward = distance(mine.feedForward, other.feedForward)
    guard attention > tolerance || feedForward > tolerance else { return }
    // Rounding can give a token another expert, which is no mistake.
    let isRounding =
      attention <= tolerance && first.weights.hasExperts(layer) && unexplained(names).isEmpty
    guard !isRounding else { return }
    let mistakes = KnownMistakes(first.weights, second.weights, layer: layer)
    divergence = ForwardComparison.Divergence(
      layer: layer,
      sublayer: attention > tolerance ? "attention" : feedForwardPlace(layer, unexplained(names)),
      tensors: unexplained(names),
      cause: try mistakes.cause())
  }

  /// What of a mixture's feed-forward layer differs: what chooses experts, or the experts; `mlp` for other layers.
  private func feedForwardPlace(_ layer: Int, _ differing: [String]) -> String {
    guard first.weights.hasExperts(layer) else { return "mlp" }
    func has(_ isThere: (DecoderRole.Projection) -> Bool) -> Bool {
      let places = names { $0.layer == layer && $0.role.projection.map(isThere) ?? false }
      return differing.contains { places.contains(ExactName($0)) }
    }
    if has({ $0 == .router }) { return "router" }
    return has(\.isOfExperts) ? "experts" : "mlp"
  }

  /// Tensors of either model that are used there.
  private func names(_ isThere: (DecoderWeights.Place) -> Bool) -> Set<ExactName> {
    Set(
      [first.weights, second.weights].flatMap { weights in
        weights.places.filter { isThere($0.key) }.values.map { ExactName($0.name) }
      })
  }

  /// Those that differ by more than their dtypes explain, in canonical order.
  private func unexplained(_ names: Set<ExactName>) -> [String] {
    differences.filter { names.contains(ExactName($0.name)) && !$0.relation.isExplained }
      .map(\.name)
  }

  /// How far results of a layer may be apart, as a relative L2 distance: some roundings of the coarsest dtype by which its tensors differ.
  ///
  /// Without any difference everything is computed alike.
  private func tolerance(of names: Set<ExactName>) -> Double {
    var coarsest = 1e-6
    for difference in differences where names.contains(ExactName(difference.name)) {
      // A tensor with a mistake in it may be rounded besides.
      guard let one = difference.first, let other = difference.second, one.dtype != other.dtype
      else { continue }
      coarsest = max(coarsest, Self.rounding(one.dtype), Self.rounding(other.dtype))
    }
    // Sums over shards are run as they are, and compared as their dtype has them.
    for weights in [first.weights, second.weights] {
      for tensor in weights.places.values where names.contains(ExactName(tensor.name)) {
        let exact = try? tensor.expression.type { weights.reader.checkpoint.type(of: $0) }
        if exact?.dtype != tensor.dtype { coarsest = max(coarsest, Self.rounding(tensor.dtype)) }
      }
    }
    return 8 * coarsest
  }

  /// By how much a dtype can round at most, as a part of the value.
  private static func rounding(_ dtype: DType) -> Double {
    switch dtype {
    case .bf16: 0x1p-8
    case .f16: 0x1p-11
    case _ where dtype.isBlockQuantized: pow(2, -Double(dtype.bitsPerElement))
    default: 0x1p-23
    }
  }

  private func isEqual(_ a: FloatBuffer, _ b: FloatBuffer) -> Bool {
    memcmp(a.base, b.base, mine.sequences.rowCount * width * 4) == 0
  }

  private func distance(_ a: FloatBuffer, _ b: FloatBuffer) -> Double {
    var (difference, norm) = (0.0, 0.0)
    for index in 0..<mine.sequences.rowCount * width {
      let (x, y) = (Double(a.base[index]), Double(b.base[index]))
      guard x.isFinite && y.isFinite else {
        // What isn't a number is the same, or infinitely far apart.
        if x == y || x.isNaN && y.isNaN { continue }
        return .infinity
      }
      difference += (x - y) * (x - y)
      norm += x * x
    }
    return norm > 0 ? (difference / norm).squareRoot() : difference > 0 ? 1 : 0
  }

  /// What the logits say in the end.
  mutating func outcome(_ windows: TokenWindows) throws(CheckpointError) -> LogitOutcome {
    let next = NextToken.afterRows(of: windows)
    let vocabulary = first.configuration.dimensions.vocabulary
    let count = mine.sequences.rowCount
    let (ours, others, shadow) = (FloatBuffer(), FloatBuffer(), FloatBuffer())
    var (apart, norm) = (0.0, 0.0)
    var outcome = LogitOutcome()
    for start in stride(from: 0, to: count, by: 64) {
      let rows = start..<min(count, start + 64)
      try first.logits(mine, rows, into: ours)
      try second.logits(theirs, rows, into: others)
      if divergence == nil {
        // What the second's head makes of the first's residual stream.
        try second.logits(mine, rows, into: shadow)
        for index in 0..<rows.count * vocabulary {
          let (a, b) = (Double(ours.base[index]), Double(shadow.base[index]))
          let distance = LogitOutcome.distance(ours.base[index], shadow.base[index])
          guard distance.isFinite && a.isFinite && b.isFinite else {
            if distance > 0 { apart = .infinity }
            continue
          }
          apart += distance * distance
          norm += a * a
        }
      }
      for row in 0..<rows.count {
        guard let next = next[rows.lowerBound + row] else { continue }
        outcome.add(
          ours.base + row * vocabulary, others.base + row * vocabulary, vocabulary: vocabulary,
          next: next)
      }
    }
    let names = names { isOfHead($0) }
    let tolerance = tolerance(of: names)
    if divergence == nil && apart > tolerance * tolerance * norm {
      divergence = ForwardComparison.Divergence(
        layer: nil, sublayer: "head", tensors: unexplained(names), cause: nil)
    }
    return outcome
  }

  /// The last norm and what makes logits: the embedding too, where the head is tied to it.
  private func isOfHead(_ place: DecoderWeights.Place) -> Bool {
    switch place.role {
    case .normScale(.final), .normOffset(.final), .weight(.head, _), .bias(.head): true
    case .tokenEmbedding:
      ![first, second].allSatisfy {
        $0.configuration.dimensions.conditions.contains(.untiedHead)
      }
    default: false
    }
  }
}
