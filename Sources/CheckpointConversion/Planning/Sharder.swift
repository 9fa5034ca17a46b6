import TensorModel

/// Spreads tensors over files, in their order.
struct Sharder {
  private let sizes: [Int]

  /// For tensors of these sizes in bytes.
  init(_ sizes: [Int]) { self.sizes = sizes }

  /// Places of the tensors, by file.
  ///
  /// - Throws: `usage` if there can't be so many files.
  func shards(_ sharding: ConversionPlan.Sharding) throws(CheckpointError) -> [[Int]] {
    switch sharding {
    case .none: return [Array(sizes.indices)]
    case .maximumByteCount(let limit): return greedy(limit)
    case .count(let count):
      guard count > 0, count <= sizes.count else {
        throw CheckpointError(
          .usage, "there are fewer tensors than files", expected: "1 to \(sizes.count)",
          found: "\(count)")
      }
      return even(count)
    }
  }

  /// Each file takes tensors until the next would exceed the limit.
  private func greedy(_ limit: Int) -> [[Int]] {
    var shards: [[Int]] = []
    var filled = 0
    for (place, size) in sizes.enumerated() {
      if shards.isEmpty || filled + size > limit {
        shards.append([])
        filled = 0
      }
      shards[shards.count - 1].append(place)
      filled += size
    }
    return shards
  }

  /// Exactly so many files: the smallest limit that needs no more, the largest files then cut until there are enough.
  private func even(_ count: Int) -> [[Int]] {
    var (low, high) = (sizes.max() ?? 0, sizes.reduce(0, +))
    while low < high {
      let middle = low + (high - low) / 2
      if greedy(middle).count <= count { high = middle } else { low = middle + 1 }
    }
    var shards = greedy(low)
    while shards.count < count {
      guard let widest = shards.indices.max(by: { shards[$0].count < shards[$1].count }) else {
        break
      }
      let members = shards[widest]
      shards.replaceSubrange(
        widest...widest,
        with: [
          Array(members.prefix(members.count / 2)), Array(members.dropFirst(members.count / 2)),
        ])
    }
    return shards
  }
}
