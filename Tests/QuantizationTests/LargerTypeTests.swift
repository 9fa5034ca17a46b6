import TensorModel
import Testing

@testable import Quantization

/// The next larger type of a container.
@Suite struct LargerTypeTests {
  @Test(
    arguments: [
      ("q2_k", 256, "Q3_K"), ("q3_k_m", 256, "IQ4_XS"), ("q4_k_m", 256, "Q5_K"),
      ("q4_0", 256, "Q5_K"),
      ("q4_0", 64, "Q5_0"), ("q5_k_m", 256, "Q6_K"), ("q6_k", 256, "Q8_0"), ("q5_0", 32, "Q8_0"),
      ("iq4_xs", 256, "Q5_K"), ("q8_0", 256, nil), ("q4_k_m", 16, nil),
      ("mlx-q4-g64", 128, "mlx-q5-g64"), ("mlx-q2-g32", 96, "mlx-q3-g32"),
      ("mlx-q6-g128", 128, "mlx-q8-g128"), ("mlx-q8-g64", 128, nil),
      ("w4a16-g128", 128, "w8a16-g128"), ("w4a16-channel", 96, "w8a16-channel"), ("fp8", 64, nil),
    ] as [(String, Int, String?)])
  func hasAboutABitMore(scheme: String, columns: Int, expected: String?) throws {
    let scheme = try #require(QuantizationScheme(named: scheme))
    let larger = scheme.container.larger(than: scheme.type, columns: columns)
    #expect(larger?.name == expected)
  }

  /// Whatever is raised, it ends, with more bits at each step, in blocks that rows fill.
  @Test(arguments: QuantizationScheme.all) func stepsUpEnd(scheme: QuantizationScheme) {
    for columns in [32, 96, 256, 512] {
      var type = scheme.type
      var steps = 0
      while let next = scheme.container.larger(than: type, columns: columns) {
        #expect(next.bitsPerWeight > type.bitsPerWeight && next.fits(columns: columns))
        #expect(next.isQuantized)
        type = next
        steps += 1
        if steps > 10 { break }
      }
      #expect(steps < 10)
    }
  }
}
