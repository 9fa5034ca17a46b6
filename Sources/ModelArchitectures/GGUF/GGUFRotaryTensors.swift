/// Numbers that rotary frequencies of a GGUF file are divided by, one for each pair of rotated dimensions, in tensors of their own.
public struct GGUFRotaryTensors: Sendable {
  /// The tensor of divisors, F32 `[rotated dimensions / 2]`, which Llama's graph alone has.
  static let divisors = "rope_freqs.weight"
  /// The tensors of divisors up to the original length and beyond it, which Phi-3's graph alone has.
  static let longropeNames = ["rope_factors_short.weight", "rope_factors_long.weight"]
  /// All of them.
  public static let names = [divisors] + longropeNames
  /// What one may have at most; heads are hundreds of dimensions wide.
  public static let maximumCount = 1 << 16

  private let values: [String: [Float]]

  /// The tensors of a file, by their names.
  public init(_ values: [String: [Float]] = [:]) { self.values = values }

  /// The divisors, at any length.
  var divisors: [Float]? { values[Self.divisors] }

  /// The divisors that depend on the length.
  var longrope: (short: [Float], long: [Float])? {
    guard let short = values[Self.longropeNames[0]], let long = values[Self.longropeNames[1]]
    else { return nil }
    return (short, long)
  }

  /// The tensors that a model's file has.
  ///
  /// - Parameter configuration: of the model.
  /// - Returns: names and values; none where frequencies aren't divided so.
  public static func made(
    for configuration: DecoderConfiguration
  ) -> [(name: String, values: [Float])] {
    guard let rotary = configuration.rotary else { return [] }
    switch rotary.scaling {
    case .llama3(let scaling):
      return [(divisors, scaling.divisors(dimensions: rotary.dimensions, base: rotary.base))]
    case .longrope(let scaling):
      return zip(longropeNames, [scaling.shortFactors, scaling.longFactors]).map {
        ($0, $1.map { Float($0) })
      }
    default: return []
    }
  }

  /// The first tensor that says something else than a configuration, with what that says.
  ///
  /// - Parameter configuration: of the model.
  /// - Returns: nil where all agree.
  public func contradiction(
    to configuration: DecoderConfiguration
  ) -> (name: String, expected: [Float], found: [Float])? {
    let expected = Self.made(for: configuration)
    for name in Self.names {
      guard let found = values[name] else { continue }
      let wanted =
        expected.first { $0.name == name }?.values
        ?? Array(repeating: 1, count: (configuration.rotary?.dimensions ?? 0) / 2)
      if !Self.agree(found, wanted) { return (name, wanted, found) }
    }
    return nil
  }

  /// Whether divisors are the same, but for what the last bit of a power does to them: it differs between machines.
  static func agree(_ found: [Float], _ expected: [Float]) -> Bool {
    found.count == expected.count
      && zip(found, expected).allSatisfy { abs($0 - $1) <= 4e-6 * abs($1) }
  }
}
