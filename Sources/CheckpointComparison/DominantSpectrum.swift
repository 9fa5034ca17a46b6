import CBLAS
import FileContainers
import TensorModel

/// How many of the largest eigenvalues of a symmetric positive semidefinite matrix hold a share of its trace.
///
/// Lanczos' method with full reorthogonalization (Golub & Van Loan, Matrix Computations, 10.3): the eigenvalues of a tridiagonal matrix that
/// grows by a row a step come ever nearer to the largest of the matrix, from below, and after as many steps as it has rows they are its own.
/// The first vector is the same for all matrices of a size, so the result is the same in each run.
struct DominantSpectrum {
  private let matrix: UnsafePointer<Float>
  private let order: Int
  private let basis: UnsafeMutablePointer<Float>
  private var stepLimit: Int { Self.stepLimit(order) }
  private var random = UnitNumbers()

  /// The most steps: more than twice the largest rank that is looked for, so that so many eigenvalues have been found.
  private static let largestStepLimit = 640
  /// A coupling of less than this part of the trace is rounding of f32: nothing of the matrix is left in that direction.
  private static let smallestCoupling = 2e-6
  /// Sums of f32 are as exact as this.
  private static let tolerance = 1e-6

  /// Floats that the vectors of a matrix of an order take.
  static func basisCount(order: Int) -> Int { (stepLimit(order) + 2) * order }

  private static func stepLimit(_ order: Int) -> Int { min(order, largestStepLimit) }

  /// Of a matrix.
  ///
  /// - Parameters:
  ///   - matrix: `[order, order]`, row-major; it must live as long as this.
  ///   - order: its rows.
  ///   - basis: room for `basisCount` floats.
  init(_ matrix: UnsafePointer<Float>, order: Int, basis: UnsafeMutablePointer<Float>) {
    self.matrix = matrix
    self.order = order
    self.basis = basis
  }

  /// How many eigenvalues it takes, the largest first.
  ///
  /// - Parameters:
  ///   - share: of the trace, that they must hold.
  ///   - limit: how many are looked for at most; in matrices of few rows more are found.
  /// - Returns: the number, or what it is no less than.
  mutating func rank(holding share: Double, limit: Int) -> ChangeRank {
    let (trace, least) = bounds(share)
    guard trace > 0 else { return .exactly(0) }
    if order > stepLimit && least > limit { return .atLeast(least) }
    let wanted = share * trace * (1 - Self.tolerance)
    var (diagonal, couplings) = ([Double](), [Double]())
    var (candidate, since, nextLook) = (0, 0, 8)
    start(at: 0)
    for step in 0..<stepLimit {
      diagonal.append(multiply(step))
      let isLast = step + 1 == stepLimit
      if isLast || step + 1 == nextLook {
        nextLook += max(4, step / 8)
        let rank = Self.count(Tridiagonal.eigenvalues(diagonal, couplings), wanted)
        if rank != candidate { (candidate, since) = (rank ?? 0, step) }
        if let rank, step - since >= max(12, rank / 4) || isLast && order == stepLimit {
          if order > stepLimit && rank > limit { break }
          return .exactly(rank)
        }
      }
      if isLast { break }
      couplings.append(follow(step, trace))
    }
    return .atLeast(max(least, limit + 1))
  }

  /// How many numbers, from the largest on, add up to what is wanted; nil if all don't.
  private static func count(_ values: [Double], _ wanted: Double) -> Int? {
    var sum = 0.0
    for (place, value) in values.enumerated() {
      sum += value
      if sum >= wanted { return place + 1 }
    }
    return nil
  }

  /// The trace, and what the number of eigenvalues is no less than.
  ///
  /// Of r eigenvalues λ the squared sum is at most r Σ λ², and all Σ λ² together are the sum of the squared elements.
  private func bounds(_ share: Double) -> (trace: Double, least: Int) {
    var (trace, squares) = (0.0, 0.0)
    for row in 0..<order {
      trace += Double(matrix[row * order + row])
      var sum = 0.0
      for column in 0..<order {
        let value = Double(matrix[row * order + column])
        sum += value * value
      }
      squares += sum
    }
    guard squares > 0 else { return (0, 0) }
    let least = share * trace * (share * trace) / squares * (1 - 100 * Self.tolerance)
    return (trace, Int(least.rounded(.up)))
  }

  // MARK: Vectors

  private func vector(_ step: Int) -> UnsafeMutablePointer<Float> { basis + step * order }

  /// Makes a vector that is orthogonal to those before it, of length 1.
  private mutating func start(at step: Int) {
    let vector = vector(step)
    for place in 0..<order { vector[place] = random.next() }
    orthogonalize(vector, step)
    normalize(vector)
  }

  /// Multiplies the step's vector, into the place of the next; what is left of the product there is orthogonal to all vectors.
  ///
  /// - Returns: the vector times the product.
  private func multiply(_ step: Int) -> Double {
    let (own, product) = (vector(step), vector(step + 1))
    wb_sgemm(false, false, 1, order, order, 1, own, order, matrix, order, 0, product, order)
    var sum = 0.0
    for place in 0..<order { sum += Double(own[place]) * Double(product[place]) }
    orthogonalize(product, step + 1)
    return sum
  }

  /// Makes the next vector of what is left of the product, or begins again where nothing is.
  ///
  /// - Returns: how both vectors are coupled.
  private mutating func follow(_ step: Int, _ trace: Double) -> Double {
    let next = vector(step + 1)
    let length = length(next)
    if length > Self.smallestCoupling * trace {
      normalize(next)
      return length
    }
    start(at: step + 1)
    return 0
  }

  /// Takes from a vector what lies in the direction of the first `count`; twice, because once leaves rounding.
  private func orthogonalize(_ vector: UnsafeMutablePointer<Float>, _ count: Int) {
    guard count > 0 else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { parts in
      guard let parts = parts.baseAddress else { return }
      for _ in 0..<2 {
        wb_sgemm(false, true, 1, count, order, 1, vector, order, basis, order, 0, parts, count)
        wb_sgemm(false, false, 1, order, count, -1, parts, count, basis, order, 1, vector, order)
      }
    }
  }

  private func length(_ vector: UnsafeMutablePointer<Float>) -> Double {
    var sum = 0.0
    for place in 0..<order { sum += Double(vector[place]) * Double(vector[place]) }
    return sum.squareRoot()
  }

  private func normalize(_ vector: UnsafeMutablePointer<Float>) {
    let length = length(vector)
    guard length > 0 else { return }
    for place in 0..<order { vector[place] = Float(Double(vector[place]) / length) }
  }
}

/// Numbers from −1 to 1, the same in each run (SplitMix64: Steele, Lea and Flood, 2014).
private struct UnitNumbers {
  private var state: UInt64 = 1

  mutating func next() -> Float {
    state &+= 0x9e37_79b9_7f4a_7c15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    bits ^= bits >> 31
    return Float(Int64(bitPattern: bits) >> 40) / Float(1 << 23)
  }
}
