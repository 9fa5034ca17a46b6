public import FileContainers
public import TensorModel

/// A model's configuration in Hugging Face's form, from the keys of a GGUF file.
public struct GGUFConfiguration {
  /// The key in which files that were written here say which family a model is of, where `general.architecture` names another one's graph.
  public static let familyKey = "weighbridge.model_type"
  /// The key in which they have the source's `config.json`.
  public static let documentKey = "weighbridge.config"

  /// The family; nil if it isn't known.
  public let architecture: Architecture?
  private let header: GGUFHeader
  private let prefix: String
  private let shapes: [ExactName: Shape]
  private let rotaryTensors: GGUFRotaryTensors

  /// Of a file, or of the first part of a set.
  ///
  /// - Parameters:
  ///   - header: of the first part.
  ///   - tensors: of all parts.
  ///   - rotaryTensors: what rotary frequencies are divided by.
  public init(
    _ header: GGUFHeader, _ tensors: [TensorInfo],
    _ rotaryTensors: GGUFRotaryTensors = GGUFRotaryTensors()
  ) {
    self.header = header
    self.rotaryTensors = rotaryTensors
    shapes = Dictionary(uniqueKeysWithValues: tensors.map { (ExactName($0.name), $0.shape) })
    let name = header["general.architecture"]?.text
    prefix = name ?? ""
    let family = header[Self.familyKey]?.text
    // Adapters and importances name the architecture of the model that they are for.
    let isModel = header["general.type"].map { $0.text == "model" } ?? true
    let tables = isModel && name != nil ? Architectures.all : []
    architecture = tables.first { architecture in
      guard architecture.nested == nil, let table = architecture.gguf, table.architecture == name
      else { return false }
      // A file that says nothing more is of the model that the graph was made for.
      guard family.map({ $0 == architecture.name }) ?? !table.isGuest else { return false }
      func isZero(_ key: String) -> Bool {
        (header["\(table.architecture).\(key)"]?.number ?? 0) == 0
      }
      return table.foreignKeys.allSatisfy(isZero) && !table.requiredKeys.contains(where: isZero)
    }
  }

  /// `config.json`: the source's own where the file has it and nobody has changed the keys since, else one made of the keys.
  ///
  /// - Returns: the document, or nil for families that aren't known.
  /// - Throws: `malformed` for keys that are missing, `unsupported` for settings that can't be expressed.
  public func document() throws(CheckpointError) -> JSONValue? {
    guard let architecture, let table = architecture.gguf else { return nil }
    if let own = ownDocument(architecture, table) { return own }
    var members: [JSONValue.Member] = [
      .init("architectures", .array([.string(architecture.modelClass)])),
      .init("model_type", .string(architecture.name)),
    ]
    for key in table.keys {
      guard let setting = key.setting else { continue }
      let standard = architecture.settings.defaults[setting] ?? .null
      if let value = try value(key) {
        members.append(.init(setting, value))
      } else if standard != .null {
        // Nothing is something else than the class's default.
        members.append(.init(setting, .null))
      }
    }
    members.append(.init("vocab_size", .integer(try vocabulary())))
    members += table.constants.map { .init($0.setting, $0.value) }
    members += table.flags.map { flag in
      .init(flag.setting, .bool(hasTensor(flag.role.ggufName(layer: 0))))
    }
    members += table.completion(
      GGUFKeyReader(number: { found($0)?.integer }, hasTensor: { hasTensor("blk.0.\($0)") }))
    members += try GGUFWindowKeys.members(header, table, layers: count("block_count"))
    try requireWholeHeads(table)
    members += try rotaryScaling(table)
    if header["\(prefix).attention.causal"]?.flag == false {
      members.append(.init("is_causal", .bool(false)))
    }
    members.append(
      .init(
        "tie_word_embeddings",
        .bool(!hasTensor(DecoderRole.weight(.head).ggufName(layer: nil)))))
    return .object(members)
  }

  /// The `config.json` that the file was made with, if its keys still say the same.
  private func ownDocument(_ architecture: Architecture, _ table: GGUFTable) -> JSONValue? {
    guard let text = header[Self.documentKey]?.text,
      let configuration = try? HuggingFaceConfiguration(parsing: Array(text.utf8)),
      configuration.modelType == architecture.name,
      let decoder = try? DecoderConfiguration(configuration)
    else { return nil }
    let entries = table.entries(of: decoder)
    let written = Set(entries.map { ExactName($0.key) })
    // A key of the graph that wasn't written with it, such as another scaling, counts.
    let isSame =
      entries.allSatisfy { header[$0.key] == $0.value }
      && header.metadata.allSatisfy { entry in
        !entry.key.hasPrefix("\(prefix).") || written.contains(ExactName(entry.key))
      }
    return isSame ? configuration.document : nil
  }

  // MARK: Keys

  /// What helps where the keys don't.
  public static let hint = "pass the model's config.json with --config"

  private func value(_ key: GGUFSetting) throws(CheckpointError) -> JSONValue? {
    switch key.meaning {
    case .positions, .model, .layers, .inner, .heads: return .integer(try count(key.key))
    case .keyHeads:
      return .integer(try count(found(key.key) == nil ? "attention.head_count" : key.key))
    case .vocabulary: return .integer(try vocabulary())
    case .epsilon: return try number(key.key)
    case .rotaryBase: return try number(key.key, default: 10000)
    case .headWidth, .window, .windowOrZero:
      return try found(key.key) == nil ? nil : .integer(count(key.key, atLeast: 0)).positive
    case .rotaryDimensions: return .integer(try count(key.key))
    case .rotaryFraction:
      return .number("\(Self.fraction(try count(key.key), of: try headWidth()))")
    case .parallelResidual: return .bool(found(key.key)?.flag ?? true)
    case .ownHeadWidth: return .integer(try headWidth())
    case .attentionScale:
      return try number(key.key, default: 1 / Double(try headWidth()).squareRoot())
    case .embeddingFactor, .residualFactor: return try number(key.key, default: 1)
    case .logitDivisor: return try number(key.key)
    case .scoreCap, .logitCap:
      return try found(key.key) == nil ? nil : number(key.key)
    case .slidingBase: return try number(key.key, default: 10000)
    case .experts, .chosenExperts, .expertInner: return .integer(try count(key.key))
    }
  }

  /// Makes sure of sizes that have no setting of their own, because the family's classes take the width of a head.
  ///
  /// - Throws: `unsupported`.
  private func requireWholeHeads(_ table: GGUFTable) throws(CheckpointError) {
    for key in table.keys where key.setting == nil {
      guard [.headWidth, .ownHeadWidth, .rotaryDimensions].contains(key.meaning),
        found(key.key) != nil
      else {
        continue
      }
      let (width, number) = (try headWidth(), try count(key.key))
      guard number == width else {
        throw CheckpointError(
          .unsupported, "the family has no such setting",
          expected: "\(width), the width of a head, in '\(prefix).\(key.key)'",
          found: "\(number)", hint: Self.hint)
      }
    }
  }

  private func found(_ key: String) -> GGUFValue? { header["\(prefix).\(key)"] }

  private func headWidth() throws(CheckpointError) -> Int {
    if found("attention.key_length") != nil { return try count("attention.key_length") }
    return try count("embedding_length") / (try count("attention.head_count"))
  }

  /// A positive integer, or a list of one such for every layer.
  private func count(_ key: String, atLeast least: Int = 1) throws(CheckpointError) -> Int {
    var value = found(key)
    if let values = value?.array?.values, let first = values.first {
      guard values.allSatisfy({ $0 == first }) else {
        throw CheckpointError(
          .unsupported, "layers of different sizes can't be expressed",
          expected:
            "one number in '\(prefix).\(key)'", found: "several", hint: Self.hint)
      }
      value = first
    }
    guard let number = value?.integer, number >= least else {
      throw CheckpointError(
        .malformed, "the metadata lack a number",
        expected: "'\(prefix).\(key)', an integer, at least \(least)",
        found: value?.integer.map { "\($0)" } ?? (value == nil ? "nothing" : "something else"),
        hint: Self.hint)
    }
    return number
  }

  /// What a binary32 was written as: 1e-05, not 9.99999974737875e-06.
  private func number(
    _ key: String, default standard: Double? = nil
  ) throws(CheckpointError) -> JSONValue {
    if let standard, found(key) == nil { return .number("\(standard)") }
    guard let value = found(key)?.number, Float(value).isFinite else {
      throw CheckpointError(
        .malformed, "the metadata lack a number", expected: "'\(prefix).\(key)'", hint: Self.hint)
    }
    return .number("\(Float(value))")
  }

  /// The fraction of a width that makes so many when it is multiplied with it and rounded down.
  private static func fraction(_ count: Int, of width: Int) -> Double {
    let fraction = Double(count) / Double(max(1, width))
    return fraction * Double(width) < Double(count) ? fraction.nextUp : fraction
  }

  /// `rope_scaling`, if the rotated dimensions of a head have other frequencies than the base says.
  private func rotaryScaling(_ table: GGUFTable) throws(CheckpointError) -> [JSONValue.Member] {
    guard table.keys.contains(where: { $0.meaning == .rotaryBase }) else { return [] }
    let base = try number("rope.freq_base", default: 10000).double ?? 10000
    let isPartial = found("rope.dimension_count") != nil
    let dimensions = isPartial ? try count("rope.dimension_count") : try headWidth()
    let scaling = try GGUFRotaryKeys.members(
      header, table, rotaryTensors, dimensions: dimensions, base: base)
    let hasBase = table.keys.contains { $0.meaning == .rotaryBase && $0.setting != nil }
    guard hasBase || scaling.isEmpty && base == 10000 else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled, which this family's never are",
        hint: Self.hint)
    }
    return scaling
  }

  /// Whether the file has a tensor; of those of layers, in the first.
  private func hasTensor(_ name: String) -> Bool { shapes[ExactName(name)] != nil }

  private func vocabulary() throws(CheckpointError) -> Int {
    let name = ExactName(DecoderRole.tokenEmbedding.ggufName(layer: nil))
    guard let shape = shapes[name], shape.rank == 2 else {
      throw CheckpointError(
        .malformed, "there is no embedding of tokens", tensor: name.text,
        hint: "get the file again: every model has one")
    }
    return shape.dimensions[0]
  }
}

extension JSONValue {
  /// The number itself; nil for 0, by which llama.cpp means nothing.
  fileprivate var positive: JSONValue? { self == .integer(0) ? nil : self }
}

extension GGUFTable {
  /// The keys that say how the graph is built.
  ///
  /// - Parameter configuration: of the model.
  /// - Returns: the entries in the order of the table.
  public func entries(
    of configuration: DecoderConfiguration
  ) -> [(key: String, value: GGUFValue)] {
    var entries: [(key: String, value: GGUFValue)] = []
    for key in keys {
      guard let value = key.value(of: configuration) else { continue }
      entries.append(("\(architecture).\(key.key)", value))
    }
    entries += fixedEntries.map { ("\(architecture).\($0.key)", $0.value) }
    entries += GGUFWindowKeys.entries(configuration, self)
    guard let rotary = configuration.rotary else { return entries }
    return entries + GGUFRotaryKeys.entries(rotary.scaling, architecture)
  }
}
