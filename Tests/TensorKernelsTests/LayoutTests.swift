import CTensorKernels
import TestSupport
import Testing

@Suite struct LayoutTests {
  @Test(arguments: [1, 2, 4, 8])
  func transposesLikeANaiveLoop(_ size: Int) {
    var random = FixedRandom(seed: 3)
    let source = random.bytes(40_000)
    for (rows, columns) in [
      (0, 5), (5, 0), (1, 1), (1, 67), (67, 1), (3, 5), (7, 9), (8, 8), (15, 17), (16, 16),
      (17, 33), (31, 33), (64, 65), (5, 131), (131, 5),
    ] {
      for slack in [0, 3 * size] {
        let (sourceStride, targetStride) = (columns * size + slack, rows * size + slack)
        let byteCount = columns * targetStride + 8
        var expected = [UInt8](repeating: 0xa5, count: byteCount)
        var result = expected
        for row in 0..<rows {
          for column in 0..<columns {
            let (from, to) = (
              row * sourceStride + column * size, column * targetStride + row * size
            )
            for byte in 0..<size { expected[to + byte] = source[from + byte] }
          }
        }
        wb_transpose(source, sourceStride, &result, targetStride, rows, columns, size)
        #expect(isSame(result, expected), "\(rows) x \(columns) of \(size), slack \(slack)")
      }
    }
  }

  @Test(arguments: [1, 2, 4, 8])
  func swapsBytesOfUnalignedElements(_ size: Int) {
    var random = FixedRandom(seed: 4)
    for count in 0...67 {
      let bytes = random.bytes(1 + count * size)
      var expected = [bytes[0]]
      for element in 0..<count {
        expected += bytes[(1 + element * size)..<(1 + (element + 1) * size)].reversed()
      }
      var result = bytes
      result.withUnsafeMutableBytes { buffer in
        if let base = buffer.baseAddress { wb_swap_bytes(base + 1, count, size) }
      }
      #expect(result == expected)
    }
  }

  @Test func addsInBinary32() {
    for count in 0...67 {
      let left = (0..<count).map { 16_777_216 + Float($0) }
      let right = (0..<count).map { 1 + Float($0) / 3 }
      var sum = left
      wb_add_f32(&sum, right, count)
      #expect(sum == zip(left, right).map { $0 + $1 })
    }
    var zero: [Float] = [-0.0]
    wb_add_f32(&zero, [-0.0], 1)
    #expect(zero[0].sign == .minus)
  }

  /// Which NaN a result is doesn't depend on where it lies, on the processor, or on how many are combined at once.
  @Test func nansAreTheFirstOperands() {
    let (one, other, signalling) = (
      0x7fc1_2345 as UInt32, 0xffe0_0001 as UInt32, 0x7f80_0001 as UInt32
    )
    let pairs: [(left: UInt32, right: UInt32, result: UInt32)] = [
      (one, other, one), (other, one, other), (0x3f80_0000, other, other),
      (one, 0x3f80_0000, one), (signalling, one, 0x7fc0_0001),
    ]
    let kernels = [wb_add_f32, wb_subtract_f32, wb_multiply_f32, wb_divide_f32]
    for (kernel, count) in kernels.flatMap({ kernel in (1...70).map { (kernel, $0) } }) {
      for pair in pairs {
        var values = [Float](repeating: Float(bitPattern: pair.left), count: count)
        kernel(&values, [Float](repeating: Float(bitPattern: pair.right), count: count), count)
        #expect(values.allSatisfy { $0.bitPattern == pair.result })
      }
    }
    var product: [Float] = [0, 1, .infinity]
    wb_multiply_f32(&product, [.infinity, 2, -0.0], 3)
    #expect(product.map(\.bitPattern) == [0x7fc0_0000, 0x4000_0000, 0x7fc0_0000])
    var report = wb_cast_report()
    var sum = [Float(bitPattern: one)]
    wb_add_reporting_f32(&sum, [Float(bitPattern: other)], 1, &report)
    #expect(sum[0].bitPattern == one)
  }
}
