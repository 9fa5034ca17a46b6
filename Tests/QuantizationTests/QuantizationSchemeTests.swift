import Quantization
import Testing

/// What holds for every scheme of the registry.
@Suite struct QuantizationSchemeTests {
  @Test func fileTypesAreDifferent() {
    let fileTypes = QuantizationScheme.all.compactMap(\.fileType)
    #expect(Set(fileTypes).count == fileTypes.count)
  }

  @Test func namesAreDifferentAndFound() {
    #expect(Set(QuantizationScheme.all.map(\.name)).count == QuantizationScheme.all.count)
    for scheme in QuantizationScheme.all {
      #expect(scheme.name == scheme.name.lowercased())
      #expect(QuantizationScheme(named: scheme.name.uppercased()) == scheme)
    }
    #expect(QuantizationScheme(named: "q4") == nil)
  }

  @Test(arguments: QuantizationScheme.all) func typesHaveNames(_ scheme: QuantizationScheme) {
    #expect(scheme.container.types.contains(scheme.type))
    for (type, name) in zip(scheme.container.types, scheme.container.typeNames) {
      #expect(scheme.container.type(named: name) == type)
      #expect(scheme.container.type(named: name.uppercased()) == type)
    }
    #expect(scheme.container.type(named: "i8") == nil)
  }
}
