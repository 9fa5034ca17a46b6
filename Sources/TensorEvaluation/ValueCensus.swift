import CTensorKernels
import Synchronization
public import TensorModel

/// What of a tensor's values no weights should be.
public struct ValueCensus: Hashable, Sendable, Codable {
  /// Values that are no numbers; of blocks the weights that they stand for.
  public let nanCount: Int
  /// Infinite ones.
  public let infinityCount: Int
  /// The first that is no number, row-major; nil if none is.
  public let firstNaN: Int?
  /// The first infinite one, likewise.
  public let firstInfinity: Int?
  /// Whether there is nothing but zeros.
  public let isZero: Bool
  /// Whether there is nothing but zeros and -∞; never of blocks.
  let hasMaskValues: Bool
  /// Whether all elements have the same bits; never of blocks.
  public let isConstant: Bool
  /// Bytes of zeros that the tensor's own end with.
  public let zeroByteCountAtEnd: Int

  /// Whether it is a mask of attention by what it holds: squares of zeros and -∞, which are added to scores, and which no weights are.
  ///
  /// Tables know the masks of their own families; this is for others.
  ///
  /// - Parameter shape: the tensor's.
  /// - Returns: false for weights, broken ones too.
  public func isMask(_ shape: Shape) -> Bool {
    let sides = shape.dimensions.suffix(2)
    return hasMaskValues && !isConstant && sides.count == 2 && sides.first == sides.last
      && sides.allSatisfy { $0 > 1 }
  }
}

/// Counts values of tensors as they are evaluated: slab by slab, in the pass that hashes them.
public final class CensusCollector: Sendable {
  private let dtypes: [DType?]
  private let running: Mutex<[Int: wb_census]>

  /// A collector for stored tensors, in the order of the tasks.
  ///
  /// - Parameter dtypes: by which each is looked at; nil for those that aren't.
  public init(_ dtypes: [DType?]) {
    self.dtypes = dtypes
    running = Mutex([:])
  }

  /// Takes in the next bytes of a tensor; to be called in row order.
  ///
  /// - Parameters:
  ///   - slab: the bytes.
  ///   - place: the tensor's, where that isn't the task's.
  public func update(_ slab: EvaluatedSlab, at place: Int? = nil) {
    let place = place ?? slab.index
    guard let base = slab.bytes.baseAddress, let dtype = dtypes[place] else { return }
    var census = running.withLock { $0[place] } ?? wb_census()
    if let blocks = dtype.blockType {
      wb_census_add_blocks(blocks, base, slab.bytes.count / dtype.blockByteCount, &census)
    } else if let (type, width) = dtype.censusType {
      wb_census_add(type, width, base, slab.bytes.count / width, &census)
    }
    running.withLock { [census] in $0[place] = census }
  }

  /// What a tensor has; nil for dtypes whose values aren't looked at (floats of 4 and 6 bits), and for those without elements.
  public subscript(task: Int) -> ValueCensus? {
    guard let census = running.withLock({ $0[task] }), census.count > 0 else { return nil }
    return ValueCensus(
      nanCount: Int(census.nan_count), infinityCount: Int(census.infinity_count),
      firstNaN: census.nan_count > 0 ? Int(census.first_nan) : nil,
      firstInfinity: census.infinity_count > 0 ? Int(census.first_infinity) : nil,
      isZero: !census.has_value,
      hasMaskValues: census.negative_infinity_count > 0 && !census.has_finite_value
        && census.negative_infinity_count == census.nan_count + census.infinity_count,
      isConstant: !census.is_varied, zeroByteCountAtEnd: Int(census.zeros_at_end))
  }
}

extension DType {
  /// How elements are looked at, and their bytes.
  fileprivate var censusType: (wb_stat_type, Int)? {
    if self == .c64 { return (WB_STAT_F32, 4) }
    return statisticsType.map { ($0, blockByteCount) }
  }
}
