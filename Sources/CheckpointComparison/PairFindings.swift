import CheckpointFormats
import TensorModel

/// A tensor of both checkpoints, of one shape.
struct TensorPair: Sendable {
  /// Its place among all tensors.
  let place: Int
  let first: CanonicalTensor
  let second: CanonicalTensor

  /// Bytes of both, in their own dtypes.
  var byteCount: Int { first.byteCount + second.byteCount }
  /// Whether the dtypes differ.
  var isWidened: Bool { first.dtype != second.dtype }
  /// Whether both are of numbers that values can be compared of.
  var areFloats: Bool { first.dtype.hasFloatValues && second.dtype.hasFloatValues }
  /// Whether distances can be counted in values of a dtype.
  var hasUlps: Bool { !isWidened && first.dtype.isCastable }
}

/// What was found of pairs, by their places.
struct PairFindings {
  /// Of pairs of one dtype whose bytes differ.
  var bytes: [Int: DifferenceSums] = [:]
  /// Of float pairs that aren't identical.
  var values: [Int: DifferenceSums] = [:]
  /// ‖a‖² of the other float pairs, if any was moved.
  var squaredNorms: [Int: Double] = [:]
  /// Ranks of changes.
  var ranks: [Int: ChangeRank] = [:]

  /// How far a pair's values were moved; nil if they aren't floats.
  func movement(_ pair: TensorPair) -> Movement? {
    guard pair.areFloats else { return nil }
    let count = pair.first.shape.elementCount
    return values[pair.place]?.movement(count)
      ?? Movement(
        elementCount: count, squaredNorm: squaredNorms[pair.place] ?? 0, squaredChange: 0,
        maxAbsolute: 0)
  }

  /// How a pair's tensors differ; nil if they are identical.
  func difference(_ pair: TensorPair, _ places: WeightPlaces) -> TensorDifference? {
    let bytes = bytes[pair.place]
    let values = values[pair.place].flatMap { $0.differingCount > 0 ? $0 : nil }
    guard pair.isWidened || bytes != nil else { return nil }
    if pair.isWidened && pair.areFloats && values == nil {
      return TensorDifference(.equalAfterWidening, pair.first, pair.second, places)
    }
    // Cells of bytes are blocks, where there are such; elements are what people count.
    let counted = pair.first.dtype.isBlockQuantized ? values ?? bytes : bytes ?? values
    let shape = pair.first.shape
    return TensorDifference(
      name: pair.first.name, place: places[pair.first.name],
      relation: pair.isWidened && values?.isEqualRounded == true ? .equalAfterRounding : .values,
      first: .init(pair.first), second: .init(pair.second),
      values: values?.values(shape.elementCount, hasUlps: pair.hasUlps),
      differingCount: counted?.differingCount,
      zeroSignCount: values.flatMap { $0.zeroSignCount > 0 ? $0.zeroSignCount : nil },
      firstIndex: counted?.firstCell.map { Self.index($0, shape) }, rank: ranks[pair.place])
  }

  private static func index(_ cell: Int, _ shape: Shape) -> [Int] {
    var rest = cell
    var index: [Int] = []
    for extent in shape.dimensions.reversed() {
      index.append(rest % max(extent, 1))
      rest /= max(extent, 1)
    }
    return index.reversed()
  }
}

extension TensorDifference {
  /// A difference that needs no look at values.
  init(
    _ relation: Relation, _ first: CanonicalTensor?, _ second: CanonicalTensor?,
    _ places: WeightPlaces
  ) {
    let name = (first ?? second)?.name ?? ""
    self.init(
      name: name, place: places[name], relation: relation, first: first.map(Description.init),
      second: second.map(Description.init), values: nil, differingCount: nil, zeroSignCount: nil,
      firstIndex: nil, rank: nil)
  }
}

extension TensorDifference.Description {
  /// A tensor's.
  init(_ tensor: CanonicalTensor) { self.init(dtype: tensor.dtype, shape: tensor.shape) }
}
