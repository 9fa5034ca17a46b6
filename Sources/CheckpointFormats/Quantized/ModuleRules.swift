import FileContainers
import TensorModel

/// GPTQModel's `dynamic`: settings of single modules by regular expressions, of which the first that matches counts (gptqmodel/quantization/config.py: dynamic_get).
///
/// `-:` before an expression leaves modules as they are, `+:` or nothing gives them other settings.
final class ModuleRules: Sendable {
  /// What is said of a module.
  enum Rule {
    /// It isn't quantized; as it stands in the configuration.
    case skipped(by: String)
    /// It has settings of its own.
    case changed([JSONValue.Member])
  }

  private let members: [JSONValue.Member]
  private let patterns: NamePatterns

  /// - Parameter document: the value of `dynamic`.
  /// - Throws: what is wrong with a regular expression.
  init(_ document: JSONValue) throws(CheckpointError) {
    members = document.members ?? []
    patterns = try NamePatterns(
      members.map { member in
        ["-:", "+:"].contains { member.key.hasPrefix($0) }
          ? String(member.key.dropFirst(2)) : member.key
      }, of: "dynamic")
  }

  /// What is said of a module; nil where the settings of all count.
  ///
  /// - Throws: `unsupported` for patterns that are too slow.
  func rule(of module: String) throws(CheckpointError) -> Rule? {
    guard let place = try patterns.firstMatch(of: module) else { return nil }
    let member = members[place]
    return member.key.hasPrefix("-:")
      ? .skipped(by: member.key) : .changed(member.value.members ?? [])
  }
}

extension QuantizationSettings {
  /// What GPTQModel's rules say of a module; nil without any.
  ///
  /// - Throws: what is wrong with the rules.
  func rule(of module: String) throws(CheckpointError) -> ModuleRules.Rule? {
    try rules?.get().rule(of: module)
  }

  /// Whether a module has settings of its own, or may have.
  func hasRule(_ module: String) -> Bool {
    do throws(CheckpointError) { return try rule(of: module) != nil } catch { return true }
  }

  /// The settings with those of a module's own in their places.
  ///
  /// - Throws: what is wrong with the rules.
  func ofGPTQ(_ module: String) throws(CheckpointError) -> QuantizationSettings {
    guard case .changed(let members)? = try rule(of: module) else { return self }
    var settings = self
    for member in members { settings[member.key] = member.value }
    return settings
  }
}
