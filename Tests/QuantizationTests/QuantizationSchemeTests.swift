import Quantization
import Testing

@Suite struct QuantizationSchemeTests {
  @Test func fileTypesAreDifferent() {
    #expect(
      Set(QuantizationScheme.allCases.map(\.fileType)).count == QuantizationScheme.allCases.count)
  }
}
