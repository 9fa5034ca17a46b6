import FileContainers
import TensorModel

/// Folders beside the weights whose files go along: templates of conversations, and the modules of sentence-transformers after the first, which
/// `modules.json` lists as `[{"idx": 1, "name": "1", "path": "1_Pooling", "type": …}]`.
struct SidecarFolders {
  /// Their names, next to the weights.
  private(set) var names: [String] = []
  /// Those that are links to other places, and so aren't entered: what a link leads to may hold anything, names included.
  private(set) var outside: [String] = []
  /// Those of modules without any settings, whose folders are empty: git keeps none of these.
  private var bare: Set<String> = []
  /// What `modules.json` names that isn't there, or can't be carried.
  private(set) var findings: [Finding] = []

  /// The file that lists modules.
  static let modulesFileName = "modules.json"
  /// The folder of templates.
  static let templateFolder = "additional_chat_templates"
  private static let maximumModulesByteCount = 1 << 20
  private static let maximumModuleCount = 100
  /// How deep modules of modules may lie; real ones have two levels.
  private static let maximumDepth = 4
  private static let maximumFileCount = 1000
  /// What weights are called, which a folder must not be.
  private static let weightEndings = [
    ".safetensors", ".gguf", ".npz", ".npy", ".h5", ".bin", ".pt", ".pth",
  ]

  /// The folders that a tree has.
  ///
  /// - Throws: `inputOutput`.
  init(_ tree: any FileTree) throws(CheckpointError) {
    var modules: [UInt8]?
    if tree.containsFile(Self.modulesFileName) {
      modules =
        try ifUsable { () throws(CheckpointError) in
          try tree.contents(of: Self.modulesFileName, limit: Self.maximumModulesByteCount)
        } ?? []
    }
    self.init(modules: modules)
    for name in names {
      if tree.leadsOut(name), try tree.isFolder(name) { outside.append(name) }
    }
    names.removeAll(where: outside.contains)
    for name in names where try tree.children(of: name).isEmpty {
      names.removeAll { $0 == name }
      guard name != Self.templateFolder, !bare.contains(name) else { continue }
      findings.append(Self.finding("names the folder '\(name)', which is not there"))
    }
  }

  /// The folders that a `modules.json` names, whether they are there or not; those of templates without one.
  init(modules: [UInt8]?) {
    names = [Self.templateFolder]
    guard let modules else { return }
    guard let entries = (try? JSONValue(parsing: modules))?.elements,
      entries.count <= Self.maximumModuleCount
    else {
      findings.append(Self.finding("can't be read: folders that it names are left out"))
      return
    }
    for entry in entries {
      guard let path = entry["path"]?.text, !path.isEmpty else { continue }
      let name = path.hasSuffix("/") ? String(path.dropLast()) : path
      guard Self.isAllowed(name) else {
        findings.append(
          Self.finding("names '\(path)', which can't go along: it is no plain folder beside it"))
        continue
      }
      if !names.contains(name) { names.append(name) }
      if entry["type"]?.text?.hasSuffix(".Normalize") == true { bare.insert(name) }
    }
  }

  private static func finding(_ message: String) -> Finding {
    Finding(.warning, "module-folder", message, file: modulesFileName)
  }

  /// Whether a folder of that name can't be taken for anything else, wherever it is put.
  private static func isAllowed(_ name: String) -> Bool {
    let bytes = name.utf8
    return !bytes.isEmpty && !name.hasPrefix(".") && bytes.count <= 255
      && !bytes.contains { [UInt8(ascii: "/"), UInt8(ascii: "\\"), 0].contains($0) }
      // Mesh-Transformer's weights lie in such a folder.
      && !name.hasPrefix("step_") && !weightEndings.contains(where: name.hasSuffix)
      && !Sidecars.isCarried(name) && !Sidecars.isOurs(name)
  }

  /// Whether a path is one of a file in one of the folders.
  func contains(_ path: String) -> Bool {
    let components = path.utf8.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
    ).map { String($0) ?? "" }
    guard components.count > 1, components.count <= Self.maximumDepth + 1,
      let folder = components.first, names.contains(folder),
      components.dropFirst().allSatisfy(Self.isPlain)
    else { return false }
    guard folder != Self.templateFolder else {
      return components.count == 2 && path.hasSuffix(".jinja")
    }
    return components.last.map(Self.isOfModule) == true
  }

  /// Whether a file of that name is one that modules have: weights, and what goes along beside a model's.
  private static func isOfModule(_ name: String) -> Bool {
    Sidecars.isCarried(name) || name.hasSuffix(".json") || name == "README.md"
      || WeightContents.isNamed(name)
  }

  private static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && !name.utf8.contains(0) && !Sidecars.isOurs(name)
  }

  /// The files of a folder that go along, and what in it doesn't.
  ///
  /// - Parameters:
  ///   - folder: one of `names`.
  ///   - tree: where it lies.
  /// - Returns: paths from the tree's top; of folders that are too deep with a slash at the end.
  /// - Throws: `inputOutput`.
  func files(
    of folder: String, in tree: any FileTree
  ) throws(CheckpointError) -> (carried: [String], leftOut: [String]) {
    var (carried, leftOut): ([String], [String]) = ([], [])
    var pending = [folder]
    while let current = pending.popLast() {
      for name in try tree.children(of: current) {
        let path = "\(current)/\(name)"
        if tree.containsFile(path) {
          if contains(path) && carried.count < Self.maximumFileCount {
            carried.append(path)
          } else {
            leftOut.append(path)
          }
        } else if contains("\(path)/x.json"), !tree.leadsOut(path),
          try !tree.children(of: path).isEmpty
        {
          pending.append(path)
        } else {
          leftOut.append(try tree.isFolder(path) ? "\(path)/" : path)
        }
      }
    }
    return (carried.sorted { ExactName($0) < ExactName($1) }, leftOut)
  }
}
