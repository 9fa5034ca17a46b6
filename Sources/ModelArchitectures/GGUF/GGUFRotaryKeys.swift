public import FileContainers
import TensorModel

/// How GGUF files say that rotary frequencies are scaled: a factor for all among the keys, or a tensor of divisors, one for each.
///
/// llama3's numbers can't be told from the divisors. Files that are written here have them under keys of their own.
public enum GGUFRotaryKeys {
  /// The tensor of divisors, F32 `[rotated dimensions / 2]`, which Llama's graph alone has.
  public static let divisors = "rope_freqs.weight"
  /// What it may have at most; heads are hundreds of dimensions wide.
  public static let maximumDivisorCount = 1 << 16
  private static let kind = "rope.scaling.type"
  private static let factor = "rope.scaling.factor"
  private static let olderFactor = "rope.scale_linear"
  private static let llama3 = [
    "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
  ]

  private static func ownKey(_ name: String) -> String { "weighbridge.rope_scaling.\(name)" }

  /// The keys for a kind of scaling; none where none says it.
  ///
  /// - Parameters:
  ///   - scaling: of the model.
  ///   - graph: `general.architecture`.
  /// - Returns: the entries.
  public static func entries(
    _ scaling: DecoderConfiguration.Rotary.Scaling, _ graph: String
  ) -> [(key: String, value: GGUFValue)] {
    switch scaling {
    case .linear(let factor):
      return [
        ("\(graph).\(kind)", .text("linear")),
        ("\(graph).\(self.factor)", .number(factor)),
      ]
    case .llama3(let scaling):
      let numbers = [
        scaling.factor, scaling.lowFrequencyFactor, scaling.highFrequencyFactor,
        scaling.originalLength,
      ]
      return zip(llama3, numbers).map { (ownKey($0), .float($1, .float64)) }
    case .none, .yarn, .dynamic, .longrope: return []
    }
  }

  /// `rope_scaling` of `config.json`.
  ///
  /// - Parameters:
  ///   - header: of the file.
  ///   - table: of the graph.
  ///   - divisors: the tensor's values; nil if there is none.
  ///   - dimensions: of a head that are rotated.
  ///   - base: of the frequencies.
  /// - Returns: nil for positions that aren't scaled.
  /// - Throws: `unsupported` for another kind of scaling, `malformed` for numbers that contradict each other.
  static func setting(
    _ header: GGUFHeader, _ table: GGUFTable, divisors: [Float]?, dimensions: Int, base: Double
  ) throws(CheckpointError) -> JSONValue? {
    let graph = table.architecture
    func value(_ key: String) -> GGUFValue? { header["\(graph).\(key)"] }
    let kind = value(kind)?.text ?? "linear"  // llama.cpp's default, with a factor of 1.
    let factor = (value(factor) ?? value(olderFactor))?.number ?? 0
    let attention = value("rope.scaling.attn_factor")?.number ?? 1
    guard kind == "linear" || kind == "none", attention == 1, Float(factor).isFinite, factor >= 0
    else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled so can't be read from a GGUF file",
        expected: "'\(graph).rope.scaling.type': none or linear", found: kind,
        hint: GGUFConfiguration.hint)
    }
    let isLinear = kind == "linear" && factor != 0 && factor != 1
    guard let divisors, divisors.contains(where: { $0 != 1 }) else {
      return isLinear
        ? .object([
          .init("factor", .number("\(Float(factor))")), .init("rope_type", .string("linear")),
        ]) : nil
    }
    guard !isLinear, table.hasRotaryDivisors else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled twice, or in a graph that doesn't",
        tensor: Self.divisors, hint: GGUFConfiguration.hint)
    }
    return try llama3(header, divisors, dimensions, base)
  }

  private static func llama3(
    _ header: GGUFHeader, _ divisors: [Float], _ dimensions: Int, _ base: Double
  ) throws(CheckpointError) -> JSONValue {
    let own = try ownScaling(header)
    let candidates = own.map { [$0] } ?? Llama3Scaling.published
    guard divisors.count == dimensions / 2,
      let scaling = candidates.first(where: {
        agree(divisors, $0.divisors(dimensions: dimensions, base: base))
      })
    else {
      throw CheckpointError(
        own == nil ? .unsupported : .malformed,
        own == nil
          ? "rotary divisors that none of the published Llama 3 models has"
          : "rotary divisors that don't follow from the metadata",
        tensor: Self.divisors, hint: GGUFConfiguration.hint)
    }
    let length = scaling.originalLength
    let values: [JSONValue] = [
      .number("\(scaling.factor)"), .number("\(scaling.lowFrequencyFactor)"),
      .number("\(scaling.highFrequencyFactor)"),
      Int(exactly: length).map { .integer($0) } ?? .number("\(length)"),
    ]
    return .object(
      zip(llama3, values).map { .init($0, $1) } + [.init("rope_type", .string("llama3"))])
  }

  private static func ownScaling(_ header: GGUFHeader) throws(CheckpointError) -> Llama3Scaling? {
    let values = llama3.compactMap { header[ownKey($0)]?.number }
    guard !values.isEmpty else { return nil }
    guard values.count == llama3.count, values.allSatisfy(\.isFinite) else {
      throw CheckpointError(
        .malformed, "the metadata lack a number of the rotary positions",
        expected: llama3.map(ownKey).joined(separator: ", "))
    }
    return Llama3Scaling(
      factor: values[0], lowFrequencyFactor: values[1], highFrequencyFactor: values[2],
      originalLength: values[3])
  }

  /// Whether divisors are the same, but for what the last bit of a power does to them: it differs between machines.
  ///
  /// - Parameters:
  ///   - found: of a file.
  ///   - expected: of a configuration.
  /// - Returns: whether there are as many and none is off by more than four millionths.
  public static func agree(_ found: [Float], _ expected: [Float]) -> Bool {
    found.count == expected.count
      && zip(found, expected).allSatisfy { abs($0 - $1) <= 4e-6 * abs($1) }
  }
}
