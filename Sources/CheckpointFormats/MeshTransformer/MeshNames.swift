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
