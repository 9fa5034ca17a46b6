import CheckpointFormats
import ModelArchitectures
import ReferenceForward
import TensorModel

/// Looks for a known mistake that explains how the experts of a layer differ; one expert is in memory at a time.
struct ExpertMistakes {
  private let first: DecoderWeights
  private let second: DecoderWeights
  private let layer: Int

  private static let parts: [DecoderRole.Projection] = [.expertGate, .expertUp, .expertDown]
  /// Elements by which experts are told apart before all of them are compared.
  private static let signatureCount = 64

  init(_ first: DecoderWeights, _ second: DecoderWeights, layer: Int) {
    self.first = first
    self.second = second
    self.layer = layer
  }

  /// The mistake; nil if none explains it.
  func cause() throws(CheckpointError) -> KnownMistake? {
    let count = first.configuration.dimensions.experts
    guard count == second.configuration.dimensions.experts else { return nil }
    var changed: [Int] = []
    for expert in 0..<count where try !isSame(expert, expert) { changed.append(expert) }
    if changed.isEmpty { return try isRouterPermuted() ? .routerPermuted : nil }
    if try all(
      changed,
      { (mine, theirs) throws(CheckpointError) in
        KnownMistakes.isClose(mine[0], theirs[1]) && KnownMistakes.isClose(mine[1], theirs[0])
      })
    {
      return .gateUpSwapped
    }
    if try all(changed, Self.isTransposed) { return .transposed }
    return try isPermuted(changed) ? .expertsPermuted : nil
  }

  private func matrices(
    _ weights: DecoderWeights, _ expert: Int
  ) throws(CheckpointError) -> [Matrix] {
    var matrices: [Matrix] = []
    for part in Self.parts {
      matrices.append(try weights.expertMatrix(part, layer, expert))
    }
    return matrices
  }

  private func isSame(_ mine: Int, _ theirs: Int) throws(CheckpointError) -> Bool {
    for part in Self.parts {
      let (one, other) = (
        try first.expertMatrix(part, layer, mine), try second.expertMatrix(part, layer, theirs)
      )
      if !KnownMistakes.isClose(one, other) { return false }
    }
    return true
  }

  private func all(
    _ experts: [Int], _ holds: ([Matrix], [Matrix]) throws(CheckpointError) -> Bool
  ) throws(CheckpointError) -> Bool {
    for expert in experts {
      guard try holds(matrices(first, expert), matrices(second, expert)) else { return false }
    }
    return true
  }

  /// Whether every matrix is the other's, or the square one turned over.
  private static func isTransposed(
    _ mine: [Matrix], _ theirs: [Matrix]
  ) throws(CheckpointError) -> Bool {
    for (one, other) in zip(mine, theirs) where !KnownMistakes.isClose(one, other) {
      guard one.rows == one.columns, try KnownMistakes.isClose(one.transposed(), other) else {
        return false
      }
    }
    return true
  }

  /// Whether each of these experts is another of them in the other model.
  private func isPermuted(_ changed: [Int]) throws(CheckpointError) -> Bool {
    var signatures: [(expert: Int, values: [Float])] = []
    for expert in changed { signatures.append((expert, try signature(second, expert))) }
    for expert in changed {
      let mine = try signature(first, expert)
      var isFound = false
      for (other, theirs) in signatures where Self.isNear(mine, theirs) {
        isFound = try isSame(expert, other)
        if isFound { break }
      }
      if !isFound { return false }
    }
    return true
  }

  private func signature(
    _ weights: DecoderWeights, _ expert: Int
  ) throws(CheckpointError) -> [Float] {
    let matrix = try weights.expertMatrix(.expertDown, layer, expert)
    return (0..<min(Self.signatureCount, matrix.rows * matrix.columns)).map {
      matrix.values.base[$0]
    }
  }

  private static func isNear(_ a: [Float], _ b: [Float]) -> Bool {
    let norm = a.reduce(0) { $0 + $1 * $1 }
    return zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } <= 0.001 * norm
  }

  /// Whether the rows of what chooses experts are the other's in another order.
  private func isRouterPermuted() throws(CheckpointError) -> Bool {
    guard let mine = try first.projection(.router, layer),
      let theirs = try second.projection(.router, layer), mine.rows == theirs.rows,
      !KnownMistakes.isClose(mine, theirs)
    else { return false }
    for row in 0..<mine.rows {
      let wanted = try mine.selectingRows([row])
      var isFound = false
      for other in 0..<theirs.rows where !isFound {
        isFound = KnownMistakes.isClose(wanted, try theirs.selectingRows([other]))
      }
      if !isFound { return false }
    }
    return true
  }
}

extension DecoderWeights {
  /// Whether a layer has experts.
  func hasExperts(_ layer: Int) -> Bool {
    configuration.experts != nil && !configuration.dimensions.denseLayers.contains(layer)
  }

  /// The tensors of a layer that are weights by themselves: neither experts nor codes.
  func comparable(_ layer: Int) -> [Place: CanonicalTensor] {
    tensors(ofLayer: layer).filter {
      !$0.key.role.isOfBlocks && !($0.key.role.projection?.isOfExperts ?? false)
    }
  }

  /// A weight of an expert as `[out, in]`.
  func expertMatrix(
    _ projection: DecoderRole.Projection, _ layer: Int, _ expert: Int
  ) throws(CheckpointError) -> Matrix {
    guard let member = try stacks.member(.weight(projection), layer, expert) else {
      throw CheckpointError(
        .missing, "the layer has no such expert", expected: "\(projection.rawValue) of \(expert)")
    }
    return try matrix(
      CanonicalTensor(
        name: "expert \(expert) of layer \(layer)", shape: member.type.shape,
        dtype: member.type.dtype, expression: member.expression))
  }
}
