import FileContainers
import ModelArchitectures
import TensorModel

/// Where the configuration of a training is: in files beside the weights, or given by the user.
struct NeoXConfigurationFiles {
  /// The settings of all files together; empty if there is none.
  private(set) var settings = NeoXSettings()
  /// The files, from the tree's top.
  private(set) var paths: [String] = []

  /// The folder beside the weights.
  static let folderName = "configs"
  private static let maximumFileCount = 64

  /// Reads `configs/*.yml` in the step's folder, else beside it, else a `config.json` at the top; what the user gave counts instead.
  ///
  /// - Throws: what reading YAML throws; `malformed` for settings that contradict each other.
  init(_ files: NeoXFiles, _ options: OpenOptions) throws(CheckpointError) {
    if let given = options.configuration, options.replacesConfiguration {
      try add(given, options.configurationName)
      return
    }
    for folder in Set([files.path(Self.folderName), Self.folderName]).sorted().reversed() {
      try read(folder, files.tree)
      if !settings.isEmpty { return }
    }
    let name = HuggingFaceConfiguration.fileName
    if files.tree.containsFile(name), !files.tree.leadsOut(name) {
      try add(
        files.tree.contents(of: name, limit: OpenOptions.maximumConfigurationByteCount), name)
      paths = [name]
    } else if let given = options.configuration {
      try add(given, options.configurationName)
    }
  }

  private mutating func read(
    _ folder: String, _ tree: any FileTree
  ) throws(CheckpointError) {
    let names = try tree.children(of: folder).filter { name in
      YAMLFile.isNamed(name) && tree.containsFile("\(folder)/\(name)")
    }
    guard names.count <= Self.maximumFileCount else {
      throw CheckpointError(
        .unsupported, "too many files for a configuration", file: folder,
        expected: "at most \(Self.maximumFileCount)", found: "\(names.count)")
    }
    for name in names {
      let path = "\(folder)/\(name)"
      guard !tree.leadsOut(path) else {
        throw CheckpointError(
          .unsupported, "a link that leads out of the checkpoint", file: path,
          hint: "--config takes what it leads to")
      }
      let bytes = try tree.contents(of: path, limit: YAMLFile.maximumByteCount)
      try settings.add(YAMLFile.parse(bytes, path), from: path)
      paths.append(path)
    }
  }

  private mutating func add(_ bytes: [UInt8], _ name: String?) throws(CheckpointError) {
    let name = name ?? "--config"
    // JSON that people indent with tabs is no YAML.
    let json = try? JSONFile.parse(bytes, name)
    let document: JSONValue
    if let json { document = json } else { document = try YAMLFile.parse(bytes, name) }
    try settings.add(document, from: name)
    settings = try settings.translated()
  }
}
