import FileContainers
import TensorModel

/// Looks into a file, for settings that no single key says.
struct GGUFKeyReader {
  /// An integer among the graph's keys; nil for other values and without the key.
  let number: (_ key: String) -> Int?
  /// Whether the first layer has a tensor.
  let hasTensor: (_ name: String) -> Bool
}

/// How GGUF files say which layers see only so many tokens: a list, or of how many layers the last sees all.
enum GGUFWindowKeys {
  private static let key = "attention.sliding_window_pattern"
  /// The setting that they make.
  private static let setting = "layer_types"

  /// The list, where it isn't what the graph takes without one.
  static func entries(
    _ configuration: DecoderConfiguration, _ table: GGUFTable
  ) -> [(key: String, value: GGUFValue)] {
    guard case .patterned = table.windows else { return [] }
    let layers = configuration.windows.map { $0 != nil }
    guard layers != table.windows.standard(layers: layers.count) else { return [] }
    return [("\(table.architecture).\(key)", .array(GGUFArray(layers)))]
  }

  /// `layer_types`, for graphs with windows in some layers.
  ///
  /// - Throws: `malformed` for a list of another length.
  static func members(
    _ header: GGUFHeader, _ table: GGUFTable, layers: Int
  ) throws(CheckpointError) -> [JSONValue.Member] {
    guard case .patterned = table.windows else { return [] }
    var isSliding = table.windows.standard(layers: layers)
    if let value = header["\(table.architecture).\(key)"] {
      if let period = value.integer {
        isSliding = (1...max(1, layers)).prefix(layers).map {
          period != 0 && ($0 % period != 0)
        }
      } else {
        let list = value.array?.values?.compactMap(\.flag) ?? []
        guard list.count == layers else {
          throw CheckpointError(
            .malformed, "the metadata lack which layers have a window",
            expected:
              "true or false for each of \(layers) layers in '\(table.architecture).\(key)'",
            found: "\(list.count)", hint: GGUFConfiguration.hint)
        }
        isSliding = list
      }
    }
    let kinds = isSliding.map { $0 ? LayerKind.sliding : .full }
    return [.init(setting, .array(kinds.map { .string($0.rawValue) }))]
  }
}
