public import FileContainers

extension GGUFConfiguration {
  /// What a file's graph is called where there is no table for it: `the graph 'llama' with llama.expert_count = 8`.
  public static func graphTitle(_ header: GGUFHeader) -> String {
    let name = header["general.architecture"]?.text ?? "none named"
    let tables = Architectures.all.compactMap(\.gguf).filter { $0.architecture == name }
    let foreign = tables.flatMap(\.foreignKeys).map { "\(name).\($0)" }.first {
      (header[$0]?.number ?? 0) != 0
    }
    let setting = foreign.flatMap { key in header[key].map { " with \(key) = \($0)" } }
    return "the graph '\(name)'\(setting ?? "")"
  }

  /// A message about settings of the configuration that was made of a file's keys, with the keys' names in their place.
  public static func inKeys(_ message: String, _ header: GGUFHeader) -> String {
    let configuration = GGUFConfiguration(header, [])
    guard let table = configuration.architecture?.gguf else { return message }
    let names =
      table.keys.compactMap { key in key.setting.map { ($0, key.key) } } + [
        ("is_causal", "attention.causal")
      ]
    return names.reduce(message) { message, name in
      message.replacing("'\(name.0)'", with: "'\(table.architecture).\(name.1)'")
    }
  }
}
