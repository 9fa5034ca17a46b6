import FileContainers
import ModelArchitectures
import TensorModel

/// What the leaves of a Mesh-Transformer checkpoint are, inferred from their number and shapes alone.
struct MeshLayout {
  /// The family; the only one that v1 checkpoints hold.
  static let architecture = Architecture.gptj

  /// Sizes that the shapes prove.
  let dimensions: Architecture.Dimensions
  /// The number of shards.
  let shardCount: Int
  /// Whether the optimizer's state is there.
  let isFull: Bool
  /// The parameter leaves, by their place after `parameterOffset`.
  let leaves: [(name: String, leaf: MeshTable.Leaf, layer: Int?)]
  /// Where the parameters begin among a shard's leaves.
  let parameterOffset: Int

  /// Infers the layout and checks every shape against it.
  ///
  /// - Throws: `unsupported` if the number of leaves fits no model, `malformed` if a shape doesn't fit.
  init(_ shards: MeshShards) throws(CheckpointError) {
    let leaves = shards.shards[0]
    guard let table = Self.architecture.mesh else {
      throw CheckpointError(.unsupported, "\(Self.architecture.name) has no Mesh layout")
    }
    // P parameters and the step; with optimizer: count, P means, P variances, count before them.
    let slim = table.layers(leafCount: leaves.count - 1)
    let full = leaves.count % 3 == 0 ? table.layers(leafCount: (leaves.count - 3) / 3) : nil
    guard let layers = slim ?? full else {
      throw CheckpointError(
        .unsupported, "the number of leaves fits no GPT-J", file: leaves.first?.file,
        expected: "10·layers + 7, or 30·layers + 21 with optimizer state", found: "\(leaves.count)",
        hint: "inspect lists the leaves by their place")
    }
    isFull = slim == nil
    shardCount = shards.shards.count
    self.leaves = table.leaves(layers: layers)
    parameterOffset = leaves.count - 1 - self.leaves.count
    dimensions = try Self.dimensions(
      layers: layers, shards: shardCount, self.leaves, leaves[parameterOffset...])
    try check(leaves)
  }

  /// Width and vocabulary are those of the embedding.
  private static func dimensions(
    layers: Int, shards: Int, _ names: [(name: String, leaf: MeshTable.Leaf, layer: Int?)],
    _ parameters: ArraySlice<MeshShards.Leaf>
  ) throws(CheckpointError) -> Architecture.Dimensions {
    let name = "embedding_shard/~/linear/w"
    guard let place = names.firstIndex(where: { $0.name == name }) else {
      throw CheckpointError(.unsupported, "the table has no embedding")
    }
    let leaf = parameters[parameters.startIndex + place]
    let shape = leaf.array.header.shape
    guard shape.rank == 2 else {
      throw CheckpointError(
        .malformed, "wrong number of dimensions", file: leaf.file, tensor: name, expected: "2",
        found: "\(shape)")
    }
    let (vocabulary, overflow) = shape.dimensions[0].multipliedReportingOverflow(by: shards)
    let model = shape.dimensions[1]
    guard !overflow, model > 0, model < 1 << 31, vocabulary > 0, vocabulary < 1 << 31 else {
      throw CheckpointError(
        .malformed, "the embedding's shape can't be right", file: leaf.file, tensor: name,
        found: "\(shape)")
    }
    return Architecture.Dimensions(
      layers: layers, model: model, inner: 4 * model, vocabulary: vocabulary)
  }

  private func check(_ stored: [MeshShards.Leaf]) throws(CheckpointError) {
    for (place, entry) in leaves.enumerated() {
      let leaf = stored[parameterOffset + place]
      guard let shape = entry.leaf.shardShape(dimensions, shards: shardCount) else {
        throw CheckpointError(
          .malformed, "\(shardCount) shards don't divide the tensor", file: leaf.file,
          tensor: entry.name, found: "\(entry.leaf.shape.map { dimensions[$0] })",
          hint: "is a shard missing? shard_0 to shard_\(shardCount - 1) were found")
      }
      guard leaf.array.header.shape == shape, leaf.array.header.dtype.isCastable else {
        throw CheckpointError(
          .malformed, "wrong shape or dtype for this place among the leaves", file: leaf.file,
          tensor: entry.name, expected: "a float tensor \(shape)",
          found: "\(leaf.array.header.dtype.rawValue) \(leaf.array.header.shape)",
          hint:
            "is a shard missing? a GPT-J with \(dimensions.layers) layers, width \(dimensions.model) and \(shardCount) shards was inferred"
        )
      }
    }
  }

  /// Names for a shard's leaves in order, without the shard, and what each is for.
  var leafNames: [(name: String, role: TensorInfo.Role)] {
    let parameters = leaves.map(\.name)
    var names: [(String, TensorInfo.Role)] = []
    if isFull {
      names.append(("opt_state/adam/count", .optimizer))
      names += parameters.map { ("opt_state/adam/mu/\($0)", .optimizer) }
      names += parameters.map { ("opt_state/adam/nu/\($0)", .optimizer) }
      names.append(("opt_state/schedule/count", .optimizer))
    }
    names += parameters.map { ($0, .weight) }
    names.append((MeshNames.step, .step))
    return names.map { (name: $0.0, role: $0.1) }
  }
}

/// Where the leaves of a Mesh-Transformer v1 checkpoint are, and what they are called here.
public enum MeshNames {
  /// How many files a shard is cut into.
  public static let pieceCount = 16

  /// The file of a piece.
  public static func file(step: Int, shard: Int, piece: Int) -> String {
    "step_\(step)/shard_\(shard)/\(piece).npz"
  }

  /// A leaf of a shard as a stored tensor.
  public static func leaf(_ name: String, shard: Int) -> String { "shard_\(shard)/\(name)" }

  /// The last leaf of each shard, which counts training steps.
  public static let step = "step"

  /// The leaves that each piece has, by their places in the shard; the first pieces have one more where they don't divide evenly.
  public static func pieces(leafCount: Int) -> [Range<Int>] {
    let (size, longer) = leafCount.quotientAndRemainder(dividingBy: pieceCount)
    return (0..<pieceCount).map { piece in
      let start = piece * size + min(piece, longer)
      return start..<start + size + (piece < longer ? 1 : 0)
    }
  }
}
