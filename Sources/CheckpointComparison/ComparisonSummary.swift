import ModelArchitectures

/// How two checkpoints differ on the whole, by kind of weight, and by layer.
///
/// It counts the tensors that both have in one shape.
public struct ComparisonSummary: Sendable, Hashable, Encodable {
  /// All tensors.
  public let all: Group
  /// By what they are for, in the order of the first checkpoint.
  public let kinds: [Kind]
  /// By layer: what belongs to none, then the layers of each stack in their order.
  public let layers: [Layer]
  /// Why there are no ranks; nil where they were computed.
  public let rankReason: String?

  /// Some tensors together.
  public struct Group: Sendable, Hashable {
    /// How many there are.
    public private(set) var tensorCount = 0
    /// Those of them that have the same values in both, even if in other dtypes.
    public private(set) var equalCount = 0
    /// Those that differ by no more than rounding to the other dtype.
    public private(set) var roundedCount = 0
    /// How far their values were moved, as if they were one tensor; nil if none is of floats.
    public private(set) var movement: Movement?
    /// The ranks of the changes; nil where none was computed.
    public private(set) var ranks: Ranks?

    /// Whether a tensor changed by more than dtypes explain.
    public var isChanged: Bool { equalCount + roundedCount < tensorCount }

    /// The part of the tensors that is equal, from 0 to 1.
    public var equalFraction: Double {
      tensorCount == 0 ? 1 : Double(equalCount) / Double(tensorCount)
    }
  }

  /// The tensors of a kind.
  public struct Kind: Sendable, Hashable, Encodable {
    /// What they are for.
    public let kind: String
    /// How they differ.
    public let group: Group
  }

  /// The tensors of a layer.
  public struct Layer: Sendable, Hashable, Encodable {
    /// Its number, from 0; nil for what belongs to none.
    public let layer: Int?
    /// The stack that it is in, by the beginning of its names; nil in a known family.
    public let stack: String?
    /// How they differ.
    public let group: Group
  }

  /// Ranks of the changes of several matrices.
  public struct Ranks: Sendable, Hashable, Encodable {
    /// The smallest of those that are known; nil if none is.
    public let minimum: Int?
    /// The middle one, the lower of two; nil if none is known.
    public let median: Int?
    /// The largest; nil if none is known.
    public let maximum: Int?
    /// How many are known.
    public let count: Int
    /// How many are more than what is looked for.
    public let overLimitCount: Int
    /// How many can't be said for another reason.
    public let unknownCount: Int
  }

  /// Sums tensors up.
  ///
  /// - Parameters:
  ///   - tensors: in the order of the first checkpoint.
  ///   - rankReason: why they have no ranks; nil if they have.
  init(_ tensors: [ComparedTensor], rankReason: String?) {
    self.rankReason = rankReason
    all = Group(tensors)
    kinds = Self.grouped(tensors, by: \.place.kind).map { Kind(kind: $0, group: Group($1)) }
    let layers = Self.grouped(tensors) { LayerKey(stack: $0.place.stack, layer: $0.place.layer) }
    let stacks = Self.grouped(tensors, by: \.place.stack).map(\.key)
    let order = Dictionary(uniqueKeysWithValues: stacks.enumerated().map { ($1, $0) })
    self.layers =
      layers.enumerated().sorted { one, other in
        func rank(_ entry: (offset: Int, element: (key: LayerKey, tensors: [ComparedTensor])))
          -> (Int, Int, Int)
        {
          let key = entry.element.key
          guard let layer = key.layer else { return (-1, 0, 0) }
          return (order[key.stack] ?? 0, layer, entry.offset)
        }
        return rank(one) < rank(other)
      }.map { Layer(layer: $1.key.layer, stack: $1.key.stack, group: Group($1.tensors)) }
  }

  private init(_ all: Group, _ kinds: [Kind], _ layers: [Layer], _ rankReason: String?) {
    (self.all, self.kinds, self.layers, self.rankReason) = (all, kinds, layers, rankReason)
  }

  /// The same without the kinds and layers in which nothing changed by more than dtypes explain.
  public var ofChanges: ComparisonSummary {
    ComparisonSummary(
      all, kinds.filter(\.group.isChanged), layers.filter(\.group.isChanged), rankReason)
  }

  private struct LayerKey: Hashable {
    let stack: String?
    let layer: Int?
  }

  /// Tensors by a key, in the order in which keys come first.
  private static func grouped<Key: Hashable>(
    _ tensors: [ComparedTensor], by key: (ComparedTensor) -> Key
  ) -> [(key: Key, tensors: [ComparedTensor])] {
    var places: [Key: Int] = [:]
    var groups: [(key: Key, tensors: [ComparedTensor])] = []
    for tensor in tensors {
      let own = key(tensor)
      if let place = places[own] {
        groups[place].tensors.append(tensor)
      } else {
        places[own] = groups.count
        groups.append((own, [tensor]))
      }
    }
    return groups
  }
}

extension ComparisonSummary.Group {
  /// Some tensors.
  init(_ tensors: [ComparedTensor]) {
    tensorCount = tensors.count
    equalCount = tensors.count(where: \.isEqual)
    roundedCount = tensors.count { $0.relation == .equalAfterRounding }
    for movement in tensors.compactMap(\.movement) {
      self.movement = self.movement ?? Movement()
      self.movement?.merge(movement)
    }
    ranks = ComparisonSummary.Ranks(tensors.compactMap(\.rank))
  }
}

extension ComparisonSummary.Ranks {
  /// Some ranks; nil if there are none.
  init?(_ ranks: [ChangeRank]) {
    guard !ranks.isEmpty else { return nil }
    let known = ranks.compactMap(\.value).sorted()
    (minimum, maximum) = (known.first, known.last)
    median = known.isEmpty ? nil : known[(known.count - 1) / 2]
    count = known.count
    overLimitCount = ranks.count { if case .atLeast = $0 { true } else { false } }
    unknownCount = ranks.count - known.count - overLimitCount
  }
}
