import FileContainers
import TensorModel

/// The layers that a configuration says aren't quantized.
///
/// compressed-tensors names each or writes expressions. Other programs take the beginning or the end of a name, or any part of it, and write `*`. As
/// their versions differ, and as transformers renames models' modules, two things are told: what every reading skips, and what some may skip.
struct SkippedLayers {
  private static let keys = [
    "ignore", "modules_to_not_convert", "ignored_layers", "llm_int8_skip_modules",
    "exclude_modules",
  ]
  /// What names begin with in one version and not in another.
  private static let beginnings: Set<Substring> = [
    "model", "language_model", "text_model", "transformer",
  ]
  private static let most = 20_000

  /// Keys by what they name.
  private let names: [ExactName: String]
  /// Entries in their order, but for expressions.
  private let texts: [String]
  private let patterns: NamePatterns?
  /// As the configuration has them.
  private let patternTexts: [(key: String, text: String)]
  /// Whether a name is that of a module, and not of what it begins with.
  private let isExact: Bool
  /// Whether some entries aren't understood: any layer may be skipped.
  private let isUnclear: Bool
  /// Whether classes of modules are named, which names don't tell.
  let hasClasses: Bool

  /// - Parameter settings: what the configuration says of quantization.
  init(_ settings: QuantizationSettings) {
    let entries = Self.keys.flatMap { key in
      (settings[key]?.elements ?? []).compactMap { entry in entry.text.map { (key, $0) } }
    }
    let isPattern = { (text: String) in text.hasPrefix("re:") || text.utf8.contains(42) }
    let plain = entries.filter { !isPattern($0.1) }
    names = Dictionary(
      plain.map { (ExactName($0.1), $0.0) }, uniquingKeysWith: { first, _ in first })
    texts = plain.map(\.1)
    patternTexts = entries.filter { isPattern($0.1) }.map { ($0.0, $0.1) }
    patterns = try? NamePatterns(patternTexts.map { Self.expression($0.text) }, of: Self.keys[0])
    isExact = settings.method == CompressedTensors.method
    isUnclear = patterns == nil || entries.count > Self.most
    hasClasses = texts.contains { text in
      text.first?.isUppercase == true && !text.utf8.contains(UInt8(ascii: "."))
    }
  }

  /// `re:` and an expression, or a name with `*` for any text, which modules below it have, too.
  private static func expression(_ text: String) -> String {
    if text.hasPrefix("re:") { return String(text.dropFirst(3)) }
    let parts = text.split(separator: "*", omittingEmptySubsequences: false)
    return parts.map { $0.replacing(".", with: "\\.") }.joined(separator: ".*") + "(\\.|$)"
  }

  /// The key that surely names a module, with its entry; nil if there is none.
  func entry(of module: String) -> (key: String, text: String)? {
    if let key = names[ExactName(module)] { return (key, module) }
    if !isExact {
      for dot in module.indices where module[dot] == "." {
        for part in [module[..<dot], module[module.index(after: dot)...]] {
          if let key = names[ExactName(String(part))] { return (key, String(part)) }
        }
      }
    }
    guard !isUnclear, let place = try? patterns?.firstMatch(of: module) else { return nil }
    return patternTexts[place]
  }

  /// Whether a module may be one that is skipped, as some program or version reads it.
  func mayName(_ module: String) -> Bool {
    if isUnclear || entry(of: module) != nil { return true }
    let own = Self.rest(of: module)
    if texts.contains(where: { module.contains($0) || own.contains(Self.rest(of: $0)) }) {
      return true
    }
    let variants = ["", "model.", "language_model.model.", "model.language_model."].map {
      $0 + own
    }
    return variants.contains { name in
      do throws(CheckpointError) { return try patterns?.firstMatch(of: name) != nil } catch {
        return true
      }
    }
  }

  /// A name without what not every version begins it with.
  private static func rest(of name: String) -> String {
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    let rest = components.drop { beginnings.contains($0) }
    return rest.isEmpty ? name : rest.joined(separator: ".")
  }
}
