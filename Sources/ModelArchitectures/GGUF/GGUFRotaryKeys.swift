public import FileContainers
import TensorModel

/// How GGUF files say that rotary frequencies are scaled: a factor for all among the keys, or a tensor of divisors, one for each.
///
/// llama3's numbers can't be told from the divisors. Files that are written here have them under keys of their own.
public enum GGUFRotaryKeys {
  private static let kind = "rope.scaling.type"
  private static let factor = "rope.scaling.factor"
  private static let olderFactor = "rope.scale_linear"
  private static let attentionFactor = "rope.scaling.attn_factor"
  private static let originalLength = "rope.scaling.original_context_length"
  private static let yarn: [(key: String, setting: String)] = [
    ("rope.scaling.yarn_beta_fast", "beta_fast"), ("rope.scaling.yarn_beta_slow", "beta_slow"),
  ]
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
    case .yarn(let scaling):
      let entries: [(key: String, value: GGUFValue)] = [
        (kind, .text("yarn")), (factor, .number(scaling.factor)),
        (originalLength, .count(Int(scaling.originalLength))),
        (yarn[0].key, .number(scaling.fast)), (yarn[1].key, .number(scaling.slow)),
      ]
      // llama.cpp multiplies it with the factor that follows from the others.
      let rest = scaling.attentionFactor / scaling.standardAttention
      let attention: [(key: String, value: GGUFValue)] =
        rest == 1 ? [] : [(attentionFactor, .number(rest))]
      return (entries + attention).map { ("\(graph).\($0.key)", $0.value) }
    case .longrope(let scaling):
      return [
        ("\(graph).\(originalLength)", .count(Int(scaling.originalLength))),
        ("\(graph).\(attentionFactor)", .number(scaling.attentionFactor)),
      ]
    case .none, .dynamic: return []
    }
  }

  /// `rope_scaling` of `config.json`, and what stands beside it.
  ///
  /// - Parameters:
  ///   - header: of the file.
  ///   - table: of the graph.
  ///   - tensors: of factors.
  ///   - dimensions: of a head that are rotated.
  ///   - base: of the frequencies.
  /// - Returns: nothing for positions that aren't scaled.
  /// - Throws: `unsupported` for another kind of scaling, `malformed` for numbers that contradict each other.
  static func members(
    _ header: GGUFHeader, _ table: GGUFTable, _ tensors: GGUFRotaryTensors, dimensions: Int,
    base: Double
  ) throws(CheckpointError) -> [JSONValue.Member] {
    func value(_ key: String) -> GGUFValue? { header["\(table.architecture).\(key)"] }
    if let longrope = tensors.longrope, table.hasLongrope {
      return try Self.longrope(longrope, dimensions, value)
    }
    let kind = value(kind)?.text ?? "linear"  // llama.cpp's default, with a factor of 1.
    let factor = (value(factor) ?? value(olderFactor))?.number ?? 0
    let attention = value(attentionFactor)?.number ?? 1
    let isYarn = kind == "yarn"
    guard isYarn || (kind == "linear" || kind == "none") && attention == 1,
      Float(factor).isFinite, factor >= 0
    else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled so can't be read from a GGUF file",
        expected: "'\(table.architecture).rope.scaling.type': none, linear or yarn", found: kind,
        hint: GGUFConfiguration.hint)
    }
    let isLinear = kind == "linear" && factor != 0 && factor != 1
    let hasDivisors = tensors.divisors?.contains { $0 != 1 } ?? false
    guard !hasDivisors || !isLinear && !isYarn && table.hasRotaryDivisors else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled twice, or in a graph that doesn't",
        tensor: GGUFRotaryTensors.divisors, hint: GGUFConfiguration.hint)
    }
    if hasDivisors, let divisors = tensors.divisors {
      return [.init("rope_scaling", try llama3(header, divisors, dimensions, base))]
    }
    if isYarn {
      return [.init("rope_scaling", try yarn(factor, attention, value))]
    }
    guard isLinear else { return [] }
    return [
      .init(
        "rope_scaling",
        .object([
          .init("factor", .number("\(Float(factor))")), .init("rope_type", .string("linear")),
        ]))
    ]
  }

  private static func yarn(
    _ factor: Double, _ attention: Double, _ value: (String) -> GGUFValue?
  ) throws(CheckpointError) -> JSONValue {
    guard factor > 0, let length = value(originalLength)?.integer, length > 0 else {
      throw CheckpointError(
        .malformed, "the metadata lack a number of the rotary positions",
        expected: "\(self.factor), \(originalLength)", hint: GGUFConfiguration.hint)
    }
    var members: [JSONValue.Member] = [
      .init("rope_type", .string("yarn")), .init("factor", .number("\(Float(factor))")),
      .init("original_max_position_embeddings", .integer(length)),
    ]
    for (key, setting) in yarn {
      guard let number = value(key)?.number, Float(number).isFinite else { continue }
      members.append(.init(setting, .number("\(Float(number))")))
    }
    if attention != 1 {
      let standard = YarnScaling.magnitude(factor)
      members.append(.init("attention_factor", .number("\(Float(attention * standard))")))
    }
    return .object(members)
  }

  private static func longrope(
    _ factors: (short: [Float], long: [Float]), _ dimensions: Int, _ value: (String) -> GGUFValue?
  ) throws(CheckpointError) -> [JSONValue.Member] {
    guard let length = value(originalLength)?.integer, length > 0,
      factors.short.count == dimensions / 2, factors.long.count == dimensions / 2
    else {
      throw CheckpointError(
        .malformed, "rotary factors that don't fit the metadata",
        tensor: GGUFRotaryTensors.longropeNames[0],
        expected: "\(dimensions / 2) factors, and '\(originalLength)'",
        found: "\(factors.short.count)", hint: GGUFConfiguration.hint)
    }
    var members: [JSONValue.Member] = [
      .init("rope_type", .string("longrope")),
      .init("short_factor", .array(factors.short.map { .number("\($0)") })),
      .init("long_factor", .array(factors.long.map { .number("\($0)") })),
    ]
    if let attention = value(attentionFactor)?.number, Float(attention).isFinite {
      members.append(.init("attention_factor", .number("\(Float(attention))")))
    }
    return [
      .init("rope_scaling", .object(members)),
      .init("original_max_position_embeddings", .integer(length)),
    ]
  }

  private static func llama3(
    _ header: GGUFHeader, _ divisors: [Float], _ dimensions: Int, _ base: Double
  ) throws(CheckpointError) -> JSONValue {
    let own = try ownScaling(header)
    let candidates = own.map { [$0] } ?? Llama3Scaling.published
    guard divisors.count == dimensions / 2,
      let scaling = candidates.first(where: {
        GGUFRotaryTensors.agree(divisors, $0.divisors(dimensions: dimensions, base: base))
      })
    else {
      throw CheckpointError(
        own == nil ? .unsupported : .malformed,
        own == nil
          ? "rotary divisors that none of the published Llama 3 models has"
          : "rotary divisors that don't follow from the metadata",
        tensor: GGUFRotaryTensors.divisors, hint: GGUFConfiguration.hint)
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
}
