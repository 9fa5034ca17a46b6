// How tensors of a fork are stored as differences to tensors of its base: distances in units in the last place, as unsigned integers of the tensor's
// shape and width (`CTensorKernels/ulp.c`).

public import TensorModel

extension DType {
  /// How many bytes an element has, where differences of elements can be stored: 1, 2, 4 or 8.
  ///
  /// Nil for blocks and packed floats, which are no elements of their own, and for pairs.
  public var differenceByteCount: Int? {
    blockElementCount == 1 && self != .c64 ? blockByteCount : nil
  }

  /// Whether elements are floats with their sign in the highest bit, which are in the order of their values after a turn of bits.
  public var isOrderedFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3, .f8e5m2, .f8e4m3fnuz, .f8e5m2fnuz: true
    default: false
    }
  }

  /// The dtype of the dataset that holds differences of its elements; nil where there are none.
  public var differenceDType: DType? {
    switch differenceByteCount {
    case 1: .u8
    case 2: .u16
    case 4: .u32
    case 8: .u64
    default: nil
    }
  }

  /// Whether a fork's tensor of this dtype can be a difference to a base's of another: the same, or F32 that is rounded to it first.
  public func differs(from base: DType) -> Bool {
    differenceByteCount != nil && (self == base || base == .f32 && (self == .f16 || self == .bf16))
  }
}

extension TensorType {
  /// Whether a tensor of this type can be a difference to one of another: dtypes as `DType.differs(from:)` says, and all extents but the first the same.
  ///
  /// Where the base has fewer rows, zeros follow; where it has more, they are cut.
  public func differs(from base: TensorType) -> Bool {
    dtype.differs(from: base.dtype) && shape.rank == base.shape.rank
      && shape.dimensions.dropFirst().elementsEqual(base.shape.dimensions.dropFirst())
  }
}
