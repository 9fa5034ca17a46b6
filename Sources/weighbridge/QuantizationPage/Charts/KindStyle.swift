/// How marks of a kind of tensor look: a colour and a shape, so that neither is needed to tell them apart.
struct KindStyle: Equatable {
  /// The kind; the last style may stand for several.
  let name: String
  /// The class that gives the colour.
  let color: String
  /// The shape's number.
  let shape: Int

  private static let colorCount = 8
  private static let shapeCount = 5
  private static let maximumCount = 16

  /// Kinds that most models have look the same in all reports.
  private static let known = [
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", "ffn_gate", "attn_qkv",
  ]

  /// Styles for kinds, at most sixteen: kinds beyond that share the last.
  ///
  /// - Parameter kinds: in the order of the file.
  /// - Returns: the styles, and the place of each kind's in them.
  static func assigned(_ kinds: [String]) -> (styles: [KindStyle], index: [String: Int]) {
    var found = Set<String>()
    let distinct = kinds.filter { found.insert($0).inserted }
    let fits = distinct.count <= maximumCount
    let ordered =
      known.filter(found.contains) + distinct.filter { !known.contains($0) }
    let named = fits ? ordered : Array(ordered.prefix(maximumCount - 1))
    // Unknown kinds take what the known ones don't have.
    let taken = Set(known.indices.filter { found.contains(known[$0]) })
    var free = (0...).lazy.filter { !taken.contains($0) }.makeIterator()
    var styles = named.map { name in
      style(name, known.firstIndex(of: name) ?? free.next() ?? 0)
    }
    var index = Dictionary(uniqueKeysWithValues: zip(named, 0...))
    if !fits {
      styles.append(style("others", free.next() ?? 0))
      for kind in ordered.dropFirst(named.count) { index[kind] = named.count }
    }
    return (styles, index)
  }

  private static func style(_ name: String, _ number: Int) -> KindStyle {
    KindStyle(name: name, color: "k\(number % colorCount)", shape: number % shapeCount)
  }
}
