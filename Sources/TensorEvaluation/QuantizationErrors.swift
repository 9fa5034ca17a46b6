import CTensorKernels
import TensorModel

/// How far the blocks of a tensor are from the values that they were made of.
public struct QuantizationErrors: Hashable, Sendable {
  /// Values.
  public private(set) var count = 0
  /// Σ (x - y)² over values x and what blocks make of them, y.
  public private(set) var squaredError = 0.0
  /// Σ x².
  public private(set) var squaredValues = 0.0
  /// Σ x (x - y).
  public private(set) var errorProduct = 0.0
  /// The largest |x - y|.
  public private(set) var largestError = 0.0
  /// The place of the first value that has it, in row-major order.
  public private(set) var largestErrorPlace = 0
  /// Blocks whose values are all zero.
  public private(set) var zeroBlockCount = 0
  /// Those of them that were made of other values.
  public private(set) var flushedBlockCount = 0

  /// Σ (x - y)² for what the format's own tool would have made, where something else was; nil elsewhere.
  public private(set) var plainSquaredError: Double?
  /// The sums with columns weighed by importance; nil where none is known.
  public private(set) var weighted: WeightedErrors?

  /// Sums in which the columns of a weight count differently.
  public struct WeightedErrors: Hashable, Sendable {
    /// Σ w (x - y)².
    public fileprivate(set) var squaredError = 0.0
    /// Σ w x².
    public fileprivate(set) var squaredValues = 0.0
    /// Σ w (x - y)² for what the format's own tool would have made; nil where it made it.
    public fileprivate(set) var plainSquaredError: Double?

    fileprivate mutating func merge(_ next: WeightedErrors) {
      squaredError += next.squaredError
      squaredValues += next.squaredValues
      plainSquaredError = sum(plainSquaredError, next.plainSquaredError)
    }
  }

  /// What the errors come to in the layer's output; nil where it isn't known how its inputs go together.
  public internal(set) var outputs: OutputErrors?

  /// Errors of a layer's outputs: sums over rows w of weights of w H wᵀ, for the second moments H of the inputs.
  public struct OutputErrors: Hashable, Sendable {
    /// Rows of the matrix.
    public internal(set) var rowCount = 0
    /// Those whose codes make up for each other's errors; the others are as `best` has them.
    public internal(set) var improvedRowCount = 0
    /// Of the weights themselves.
    public internal(set) var squaredValues = 0.0
    /// Of what `best` misses of them.
    public internal(set) var bestSquaredError = 0.0
    /// Of what the codes miss of them.
    public internal(set) var squaredError = 0.0

    fileprivate mutating func merge(_ next: OutputErrors) {
      rowCount += next.rowCount
      improvedRowCount += next.improvedRowCount
      squaredValues += next.squaredValues
      bestSquaredError += next.bestSquaredError
      squaredError += next.squaredError
    }
  }

  /// Of nothing.
  init() {}

  init(_ kernel: wb_block_errors) {
    count = Int(kernel.count)
    squaredError = kernel.squared_error
    squaredValues = kernel.squared_values
    errorProduct = kernel.error_product
    largestError = Double(kernel.largest_error)
    largestErrorPlace = Int(kernel.largest_error_place)
    zeroBlockCount = Int(kernel.zero_block_count)
    flushedBlockCount = Int(kernel.flushed_block_count)
  }

  /// Takes in the errors of the values that come after these.
  mutating func merge(_ next: QuantizationErrors) {
    if next.largestError > largestError {
      largestError = next.largestError
      largestErrorPlace = count + next.largestErrorPlace
    }
    count += next.count
    squaredError += next.squaredError
    squaredValues += next.squaredValues
    errorProduct += next.errorProduct
    zeroBlockCount += next.zeroBlockCount
    flushedBlockCount += next.flushedBlockCount
    plainSquaredError = sum(plainSquaredError, next.plainSquaredError)
    if let next = next.outputs {
      var all = outputs ?? OutputErrors()
      all.merge(next)
      outputs = all
    }
    if let next = next.weighted {
      var all = weighted ?? WeightedErrors()
      all.merge(next)
      weighted = all
    }
  }

  /// Takes in what the format's own tool would have made of the same values.
  mutating func compare(with plain: QuantizationErrors) {
    plainSquaredError = plain.squaredError
    weighted?.plainSquaredError = plain.weighted?.squaredError
  }

  /// Takes in how much the errors of a part of a row count, whose first column is given.
  mutating func weigh(
    _ values: UnsafePointer<Float>, _ decoded: UnsafePointer<Float>, _ importance: ColumnImportance,
    from column: Int, _ count: Int
  ) {
    var sums = weighted ?? WeightedErrors()
    importance.values.withUnsafeBufferPointer { all in
      guard let first = all.baseAddress, column + count <= all.count else { return }
      wb_weighted_errors_add(
        values, decoded, first + column, count, &sums.squaredError, &sums.squaredValues)
    }
    weighted = sums
  }

  /// ‖x - y‖ / ‖x‖ of what the format's own tool would have made; nil where it made it.
  public var plainRelativeRMSE: Double? {
    plainSquaredError.map { squaredValues > 0 ? ($0 / squaredValues).squareRoot() : 0 }
  }

  /// ‖x - y‖ / ‖x‖; 0 if all is zero.
  public var relativeRMSE: Double {
    squaredValues > 0 ? (squaredError / squaredValues).squareRoot() : 0
  }

  /// The cosine of the angle between values and what blocks make of them; 1 if all is zero, 0 if blocks alone are.
  public var cosine: Double {
    // y = x - e
    let product = squaredValues - errorProduct
    let squaredBlocks = squaredValues - 2 * errorProduct + squaredError
    guard squaredValues > 0 else { return 1 }
    guard squaredBlocks > 0 else { return 0 }
    return min(1, product / (squaredValues * squaredBlocks).squareRoot())
  }

  /// Whether values and blocks are numbers, and in the range that scales give.
  ///
  /// - Parameter hasRange: whether scales have the range of values.
  /// - Returns: false for what can't be written.
  func isFinite(hasRange: Bool) -> Bool {
    // The searches square in F32. No scale of 16 or 8 bits in a block reaches beyond 3e8, unless it is a power of two.
    let limit = hasRange ? Double.infinity : 1e30
    return squaredError.isFinite && squaredValues < limit
  }
}

extension QuantizationErrors.OutputErrors {
  /// √(Σ (w - q) H (w - q)ᵀ / Σ w H wᵀ): how far outputs are from what they would be, in shares of these; 0 if all are zero.
  public var relativeError: Double {
    squaredValues > 0 ? (squaredError / squaredValues).squareRoot() : 0
  }

  /// The same of what `best` gives.
  public var bestRelativeError: Double {
    squaredValues > 0 ? (bestSquaredError / squaredValues).squareRoot() : 0
  }
}

/// The sum of what is there.
private func sum(_ one: Double?, _ other: Double?) -> Double? {
  one.map { $0 + (other ?? 0) } ?? other
}

extension QuantizationErrors.WeightedErrors {
  /// √(Σ w (x - y)² / Σ w x²); 0 if all is zero.
  public var relativeRMSE: Double {
    squaredValues > 0 ? (squaredError / squaredValues).squareRoot() : 0
  }

  /// The same of what the format's own tool would have made; nil where it made it.
  public var plainRelativeRMSE: Double? {
    plainSquaredError.map { squaredValues > 0 ? ($0 / squaredValues).squareRoot() : 0 }
  }
}
