/// Symmetric tridiagonal matrices.
enum Tridiagonal {
  /// Their eigenvalues, the largest first, by implicit QR steps with Wilkinson's shift (Golub & Van Loan, Matrix Computations, 8.3.5).
  ///
  /// - Parameters:
  ///   - diagonal: the elements on the diagonal.
  ///   - couplings: those beside it, one fewer.
  /// - Returns: as many as there are elements on the diagonal.
  static func eigenvalues(_ diagonal: [Double], _ couplings: [Double]) -> [Double] {
    var (diagonal, beside) = (diagonal, couplings)
    let largest = (diagonal + beside).reduce(0) { max($0, abs($1)) }
    func isNothing(_ place: Int) -> Bool {
      abs(beside[place])
        <= .ulpOfOne * (abs(diagonal[place]) + abs(diagonal[place + 1]) + 1e-10 * largest)
    }
    var end = diagonal.count - 1
    // Each takes two or three steps; the limit only keeps what isn't a number from going on for ever.
    var steps = 60 * diagonal.count
    while end > 0 && steps > 0 {
      if isNothing(end - 1) {
        end -= 1
        continue
      }
      var start = end - 1
      while start > 0 && !isNothing(start - 1) { start -= 1 }
      step(&diagonal, &beside, start, end)
      steps -= 1
    }
    return diagonal.sorted(by: >)
  }

  /// Turns rows and columns from `start` to `end` such that the last coupling shrinks.
  private static func step(
    _ diagonal: inout [Double], _ beside: inout [Double], _ start: Int, _ end: Int
  ) {
    let half = (diagonal[end - 1] - diagonal[end]) / 2
    let square = beside[end - 1] * beside[end - 1]
    let root = (half * half + square).squareRoot()
    let shift = diagonal[end] - square / (half < 0 ? half - root : half + root)
    var (kept, removed) = (diagonal[start] - shift, beside[start])
    for place in start..<end {
      let length = (kept * kept + removed * removed).squareRoot()
      let (cosine, sine) = length > 0 ? (kept / length, removed / length) : (1, 0)
      if place > start { beside[place - 1] = length }
      let (first, coupling, second) = (diagonal[place], beside[place], diagonal[place + 1])
      let (cosine2, sine2, both) = (cosine * cosine, sine * sine, cosine * sine)
      diagonal[place] = cosine2 * first + 2 * both * coupling + sine2 * second
      diagonal[place + 1] = sine2 * first - 2 * both * coupling + cosine2 * second
      beside[place] = both * (second - first) + (cosine2 - sine2) * coupling
      kept = beside[place]
      guard place + 1 < end else { continue }
      removed = sine * beside[place + 1]
      beside[place + 1] *= cosine
    }
  }
}
