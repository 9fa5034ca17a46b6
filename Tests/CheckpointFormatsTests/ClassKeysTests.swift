import FileContainers
import TensorModel
import TestSupport
import Testing

@testable import ModelArchitectures

/// The keys of `fixtures/configuration/class-keys.json`, each tried on transformers' class with a small model: what changed nothing there changes nothing here, and what changed the logits there is computed or refused.
@Suite struct ClassKeysTests {
  /// A configuration that was tried, and what came of it in transformers.
  private struct Trial {
    let key: String
    let configuration: JSONValue
    let effect: String
    let rounds: Bool
    /// Whether other values of the key change the model.
    let counts: Bool
  }

  /// What the two readings make of a configuration.
  private struct Reading {
    let tensors: [Architecture.Tensor]?
    let decoder: DecoderConfiguration?
    let refusal: String

    /// Whether the forward pass takes so many tokens.
    func isComputed(_ tokens: Int) -> Bool {
      decoder.map { ($0.rotary?.dynamicFrom ?? tokens) >= tokens } ?? false
    }

    init(_ document: JSONValue, tokens: Int) throws {
      let configuration = try HuggingFaceConfiguration(parsing: Array(document.documentText.utf8))
      tensors = try? configuration.architecture?.tensors(configuration.dimensions())
      do {
        var decoder = try DecoderConfiguration(configuration)
        // Windows and limits that the tokens of the measurement don't reach.
        decoder.positionLimit = nil
        decoder.windows = decoder.windows.map { ($0 ?? tokens) < tokens ? $0 : nil }
        if var rotary = decoder.rotary {
          rotary.unscaledFrequencies = rotary.frequencies
          // Of a single pair of dimensions it changes nothing.
          rotary.base = 0
          rotary.scaling = .none
          rotary.dynamicFrom = rotary.dynamicFrom.flatMap { $0 < tokens ? $0 : nil }
          decoder.rotary = rotary
        }
        self.decoder = decoder
        refusal = ""
      } catch {
        decoder = nil
        refusal = "\(error)"
      }
    }
  }

  /// Those with a class of their own to measure: a language model within another model is one of these.
  private static let families = Architectures.all.filter { $0.nested == nil }
  /// Settings that mean something that transformers' eager attention leaves out: refused, so that nobody takes them for computed.
  private static let stricter = [
    "gemma2": "use_bidirectional_attention", "gemma3_text": "attn_logit_softcapping",
  ]

  private static let fixture = Result {
    try JSONValue(parsing: Fixtures.bytes("configuration/class-keys.json"))
  }

  private static func trials(_ family: JSONValue, _ everywhere: JSONValue) throws -> [Trial] {
    let base = try #require(family["base"])
    let own = Set(try #require(family["keys"]?.members).map(\.key))
    let others = try #require(everywhere.members).filter { !own.contains($0.key) }
    return try (family["keys"]?.members ?? []).flatMap { try trials($0, base) }
      + others.flatMap { try trials($0, base) }
  }

  private static func trials(_ entry: JSONValue.Member, _ base: JSONValue) throws -> [Trial] {
    let tried = try #require(entry.value["tried"]?.elements)
    let counts =
      entry.key == "per_layer_config"
      || tried.contains {
        ["logits", "shapes"].contains($0["effect"]?.text) && $0["rounding"] == nil
      }
    return try tried.map { trial in
      let shorter = (trial["without"]?.elements ?? []).reduce(base) {
        $0.setting($1.text ?? "", nil)
      }
      let document = shorter.with(trial["with"]).setting(entry.key, trial["value"])
      return Trial(
        key: entry.key, configuration: document, effect: try #require(trial["effect"]?.text),
        rounds: trial["rounding"] != nil, counts: counts)
    }
  }

  @Test(arguments: families)
  func isComputedOrRefused(_ architecture: Architecture) throws {
    let fixture = try Self.fixture.get()
    let family = try #require(fixture["families"]?[architecture.name])
    let base = try Reading(try #require(family["base"]), tokens: 24)
    #expect(base.refusal == "")
    for trial in try Self.trials(family, try #require(fixture["everywhere"])) {
      let reading = try Reading(trial.configuration, tokens: 24)
      let text = trial.configuration.documentText.filter { !$0.isNewline }
      let comment = Comment(
        "\(architecture.name), \(trial.key): \(text), \(trial.effect) in transformers: \(reading.refusal)"
      )
      switch trial.effect {
      case "none"
      where reading.decoder == nil
        && (trial.counts || Self.stricter[architecture.name] == trial.key):
        #expect(reading.refusal.contains(trial.key), comment)
      case "none":
        #expect(reading.decoder == base.decoder, comment)
        #expect(reading.tensors == base.tensors, comment)
      case "logits" where reading.decoder != nil:
        #expect(trial.rounds || reading.decoder != base.decoder, comment)
        #expect(reading.tensors == base.tensors, comment)
      case "logits":
        #expect(reading.refusal.contains(trial.key), comment)
      case "shapes" where reading.decoder != nil:
        #expect(reading.tensors != base.tensors, comment)
      default:
        continue
      }
    }
  }

  /// A key that isn't there is the class's default, whatever that does.
  @Test(arguments: families)
  func countsAsTheDefaultWhereItIsLeftOut(_ architecture: Architecture) throws {
    let family = try #require(try Self.fixture.get()["families"]?[architecture.name])
    let written = try #require(family["base"])
    let base = try Reading(written, tokens: 24)
    for entry in try #require(family["keys"]?.members) {
      guard let omitted = entry.value["omitted"]?.text, omitted != "refused" else { continue }
      let without = written.setting(entry.key, nil)
      let spelled = written.setting(entry.key, entry.value["default"])
      let reading = try Reading(without, tokens: 24)
      let comment = Comment("\(architecture.name), \(entry.key), \(omitted): \(reading.refusal)")
      if entry.value["default"] ?? .null != .null {
        let same = try Reading(spelled, tokens: 24)
        #expect(reading.decoder == same.decoder, comment)
        #expect(reading.tensors == same.tensors, comment)
      }
      switch omitted {
      case "none":
        #expect(reading.decoder == base.decoder && reading.tensors == base.tensors, comment)
      case "logits":
        #expect(reading.decoder != base.decoder && reading.tensors == base.tensors, comment)
      case "shapes": #expect(reading.tensors != base.tensors, comment)
      default: continue
      }
    }
  }

  /// Every kind of rotary positions, key by key.
  @Test(arguments: families)
  func readsRotaryPositionsAsTheClass(_ architecture: Architecture) throws {
    let family = try #require(try Self.fixture.get()["families"]?[architecture.name])
    for kind in family["rope"]?.members ?? [] where kind.value["effect"]?.text != "refused" {
      let document = try #require(family["base"]).with(kind.value["config"])
      let parameters = try #require(kind.value["rope_parameters"])
      let base = try Reading(document.setting("rope_parameters", parameters), tokens: 24)
      guard base.isComputed(24) else {
        #expect(base.refusal.contains("rope_type") || base.decoder != nil)
        continue
      }
      for key in kind.value["keys"]?.members ?? [] {
        for trial in key.value["tried"]?.elements ?? [] {
          let changed = parameters.with(trial["with"]).setting(key.key, trial["value"])
          let reading = try Reading(document.setting("rope_parameters", changed), tokens: 24)
          let text = changed.documentText.filter { !$0.isNewline }
          let effect = try #require(trial["effect"]?.text)
          let comment = Comment("\(architecture.name), \(text), \(effect): \(reading.refusal)")
          if effect == "none" { #expect(reading.decoder == base.decoder, comment) }
          if effect == "logits", trial["rounding"] == nil {
            #expect(reading.decoder != base.decoder, comment)
          }
        }
      }
    }
  }
}

extension JSONValue {
  /// The object with a key set, or dropped.
  fileprivate func setting(_ key: String, _ value: JSONValue?) -> JSONValue {
    var members = members ?? []
    let place = members.firstIndex { $0.key == key }
    if let place { members.remove(at: place) }
    if let value { members.insert(Member(key, value), at: place ?? members.count) }
    return .object(members)
  }

  /// The object with the members of another one.
  fileprivate func with(_ other: JSONValue?) -> JSONValue {
    (other?.members ?? []).reduce(self) { $0.setting($1.key, $1.value) }
  }
}
