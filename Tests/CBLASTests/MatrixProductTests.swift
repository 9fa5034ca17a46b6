import CBLAS
import Foundation
import TestSupport
import Testing

@Suite struct MatrixProductTests {
  /// A product: op(A) is m × k, op(B) is k × n; rows of A, B and C are `padding` longer than they need be.
  struct Case: Sendable, CustomStringConvertible {
    var transposeA = false
    var transposeB = false
    var m: Int
    var n: Int
    var k: Int
    var padding = 0
    var alpha: Float = 1
    var beta: Float = 0

    var description: String {
      "\(m)x\(n)x\(k)\(transposeA ? " AT" : "")\(transposeB ? " BT" : "") +\(padding) \(alpha) \(beta)"
    }

    var aStride: Int { (transposeA ? m : k) + padding }
    var bStride: Int { (transposeB ? k : n) + padding }
    var cStride: Int { n + padding }
    var a: [Float] { random((transposeA ? k : m) * aStride, 1) }
    var b: [Float] { random((transposeB ? n : k) * bStride, 2) }
    /// With beta 0 what was there must not matter.
    var c: [Float] {
      beta == 0 ? Array(repeating: .nan, count: m * cStride) : random(m * cStride, 3)
    }

    private func random(_ count: Int, _ seed: UInt64) -> [Float] {
      var random = FixedRandom(seed: seed)
      return (0..<count).map { _ in Float(Int32(truncatingIfNeeded: random.next())) * 0x1p-31 }
    }

    /// Matrices take long to make without optimisation.
    var operands: Operands { Operands(a: a, b: b, c: c) }

    func product(_ operands: Operands, portable: Bool = false) -> [Float] {
      let (a, b) = (operands.a, operands.b)
      var c = operands.c
      (portable ? wb_sgemm_portable : wb_sgemm)(
        transposeA, transposeB, m, n, k, alpha, a, aStride, b, bStride, beta, &c, cStride)
      return c
    }

    /// The products in f64, and for each the sum of magnitudes, which errors are in proportion to.
    func check(
      _ result: [Float], _ operands: Operands, _ location: SourceLocation = #_sourceLocation
    ) {
      let (a, b, c) = (operands.a, operands.b, operands.c)
      for i in 0..<m {
        for j in 0..<n {
          var sum = 0.0
          var magnitude = 0.0
          for l in 0..<k {
            let left = a[transposeA ? l * aStride + i : i * aStride + l]
            let right = b[transposeB ? j * bStride + l : l * bStride + j]
            sum += Double(left) * Double(right)
            magnitude += Double((left * right).magnitude)
          }
          let old = beta == 0 ? 0 : Double(beta) * Double(c[i * cStride + j])
          let expected = Double(alpha) * sum + old
          let scale = Double(alpha.magnitude) * magnitude + old.magnitude
          let error = (Double(result[i * cStride + j]) - expected).magnitude
          #expect(
            error <= 2e-6 * scale, "\(self) [\(i), \(j)] off by \(error)", sourceLocation: location)
        }
        // What lies between the rows stays.
        for j in n..<cStride where i + 1 < m || j < cStride {
          #expect(
            result[i * cStride + j].bitPattern == c[i * cStride + j].bitPattern,
            sourceLocation: location)
        }
      }
    }
  }

  struct Operands: Sendable {
    let a: [Float]
    let b: [Float]
    let c: [Float]
  }

  private static let cases: [Case] = [
    Case(m: 1, n: 1, k: 1), Case(m: 3, n: 5, k: 7), Case(m: 1, n: 300, k: 65),
    Case(m: 33, n: 17, k: 129, padding: 3), Case(m: 520, n: 3, k: 4), Case(m: 2, n: 515, k: 9),
    Case(transposeB: true, m: 7, n: 270, k: 66), Case(transposeA: true, m: 515, n: 5, k: 20),
    Case(transposeA: true, transposeB: true, m: 13, n: 259, k: 31, padding: 2),
    Case(transposeB: true, m: 9, n: 11, k: 70, padding: 1, alpha: 0.5, beta: -2),
    Case(m: 4, n: 6, k: 5, alpha: 0, beta: 3), Case(m: 4, n: 6, k: 0, beta: 0.5),
    Case(m: 4, n: 6, k: 0),
  ]

  @Test(arguments: cases)
  func multiplies(_ item: Case) {
    let operands = item.operands
    item.check(item.product(operands), operands)
  }

  @Test(arguments: cases)
  func multipliesWithoutALibrary(_ item: Case) {
    let operands = item.operands
    item.check(item.product(operands, portable: true), operands)
  }

  @Test func doesNothingToEmptyMatrices() {
    wb_sgemm(false, false, 0, 3, 2, 1, nil, 2, nil, 3, 0, nil, 3)
    wb_sgemm(false, false, 3, 0, 2, 1, nil, 2, nil, 1, 0, nil, 1)
  }

  /// Three tiles of columns, the last one narrow, of more work than one thread is given.
  @Test func givesTheSameBitsForAnyNumberOfThreadsAndAgain() {
    let item = Case(transposeB: true, m: 37, n: 700, k: 1024)
    let operands = item.operands
    _ = wb_blas_load(1)
    let expected = item.product(operands)
    for round in 0..<25 {
      for threads: Int32 in [1, 2, 3, 64] {
        _ = wb_blas_load(threads)
        let result = item.product(operands)
        #expect(isSame(result, expected), "\(threads) threads, round \(round)")
      }
    }
  }

  @Test func multipliesOnManyThreadsAtOnce() async {
    _ = wb_blas_load(2)
    let item = Case(m: 64, n: 520, k: 300)
    let operands = item.operands
    let expected = item.product(operands)
    await withTaskGroup(of: [Float].self) { group in
      for _ in 0..<16 { group.addTask { item.product(operands) } }
      for await result in group { #expect(isSame(result, expected)) }
    }
  }

  /// `==` of the bits, in one call of C: fast without optimisation, too.
  private func isSame(_ left: [Float], _ right: [Float]) -> Bool {
    left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in
        guard let first = left.baseAddress, let second = right.baseAddress else { return false }
        return left.count == right.count && memcmp(first, second, left.count) == 0
      }
    }
  }

  @Test func saysWhatMultiplies() throws {
    let failure = wb_blas_load(1).map { String(cString: $0) }
    let description = String(cString: try #require(wb_blas_description()))
    if let failure {
      #expect(failure.contains("OpenBLAS") && description == "portable code")
    } else {
      #expect(description.contains("OpenBLAS") || description == "Accelerate")
    }
    #expect(wb_blas_failure().map { String(cString: $0) } == failure)
    // Idempotent.
    #expect(wb_blas_load(2).map { String(cString: $0) } == failure)
  }
}
