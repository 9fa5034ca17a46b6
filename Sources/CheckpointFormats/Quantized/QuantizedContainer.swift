import FileContainers
import TensorModel

/// A way to store weights as codes with tensors beside them.
///
/// Conformers are listed in `QuantizedContainers.swift`. Layouts and arithmetic: the files of the programs that wrote them; each
/// value is one F32 operation after the other, scales widened first.
protocol QuantizedContainer: Sendable {
  /// What `inspect` calls it.
  static var method: String { get }
  /// What of it is read, for the README.
  static var summary: String { get }
  /// Where its codes go without being made anew, for the README; empty if nowhere else than into copies.
  static var repacked: String { get }
  /// Keys of a configuration that say something of it, the one that counts most first.
  static var configurationKeys: [String] { get }
  /// How names of tensors end that show it, after that of the module.
  static var markers: [String] { get }
  /// How names of all other parts end, likewise.
  static var parts: [String] { get }

  /// Whether a module's parts are of this kind, one of which is a marker.
  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool

  /// The weights of a module.
  ///
  /// - Parameters:
  ///   - module: with parts of this kind.
  ///   - settings: what the configuration says of quantization.
  /// - Returns: what they stand for, F32 `[out, in]` or with more extents before.
  /// - Throws: `missing`, `malformed` or `unsupported`, with the part's name.
  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue

  /// What counts of the settings where values contradict them, and what is said of the file as a whole.
  ///
  /// - Parameters:
  ///   - modules: all of this kind.
  ///   - settings: what the configuration says of quantization.
  /// - Returns: both.
  /// - Throws: what reading throws.
  static func examined(
    _ modules: [QuantizedModule], _ settings: QuantizationSettings
  ) throws(CheckpointError) -> (settings: QuantizationSettings, findings: [Finding])
}

extension QuantizedContainer {
  static var repacked: String { "" }
  static var configurationKeys: [String] { QuantizedWeights.configurationKeys }

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    true
  }

  static func examined(
    _ modules: [QuantizedModule], _ settings: QuantizationSettings
  ) -> (settings: QuantizationSettings, findings: [Finding]) { (settings, []) }
}

/// What a configuration says of quantization.
struct QuantizationSettings {
  /// `quantization_config`, or MLX's `quantization`; nil without either.
  let document: JSONValue?
  /// The key that the document has, and the other one with its own; nil without both.
  let rivals: (key: String, otherKey: String, other: JSONValue)?
  /// Those of compressed-tensors; nil where there are none.
  let groups: Result<CompressedGroups, CheckpointError>?
  /// GPTQModel's, for single modules; nil where there are none.
  let rules: Result<ModuleRules, CheckpointError>?
  /// By name: there may be one for each module.
  private var entries: [ExactName: JSONValue]

  /// Looks for what says it.
  ///
  /// - Parameters:
  ///   - configuration: the model's; nil without one.
  ///   - keys: where it may be, the one that counts most first.
  init(_ configuration: JSONValue?, keys: [String] = QuantizedWeights.configurationKeys) {
    let found = keys.compactMap { key in
      configuration?[key].flatMap { $0.members == nil ? nil : (key: key, document: $0) }
    }
    let document = found.first?.document
    self.document = document
    rivals = found.count == 2 ? (found[0].key, found[1].key, found[1].document) : nil
    entries = Dictionary(
      (document?.members ?? []).map { (ExactName($0.key), $0.value) },
      uniquingKeysWith: { first, _ in first })
    rules = document?["dynamic"].flatMap { dynamic in
      guard !(dynamic.members ?? []).isEmpty else { return nil }
      do throws(CheckpointError) { return .success(try ModuleRules(dynamic)) } catch {
        return .failure(error)
      }
    }
    groups = document.flatMap { document in
      guard document["config_groups"] != nil else { return nil }
      do throws(CheckpointError) { return .success(try CompressedGroups(document)) } catch {
        return .failure(error)
      }
    }
  }

  subscript(key: String) -> JSONValue? {
    get { entries[ExactName(key)] }
    set { entries[ExactName(key)] = newValue }
  }

  /// Where compressed-tensors' transforms change what layers are given or give while the model runs; nil if nowhere.
  var transformedPlace: String? {
    (self["transform_config"]?["config_groups"]?.members ?? [])
      .flatMap { $0.value["apply"]?.elements ?? [] }.lazy
      .map { $0["location"]?.text ?? "" }
      .first { !["weight_input", "weight_output"].contains($0) }
  }

  /// The program's name for its method.
  var method: String? { document?["quant_method"]?.text }
}
