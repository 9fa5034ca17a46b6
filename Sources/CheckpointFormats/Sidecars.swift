import FileContainers
import TensorModel

/// The files beside the weights: which of them a conversion carries along, and which it leaves out.
enum Sidecars {
  /// Fills in `configuration`, `assets` and `leftOut` from a directory or archive.
  ///
  /// - Parameters:
  ///   - checkpoint: whose weight files are known.
  ///   - tree: where they lie.
  /// - Throws: `inputOutput`.
  static func collect(into checkpoint: inout Checkpoint, from tree: any FileTree)
    throws(CheckpointError)
  {
    // Weight files in folders belong to the folder.
    let weights = Set(checkpoint.files.map { String($0.name.unicodeScalars.prefix { $0 != "/" }) })
    let folders = try SidecarFolders(tree)
    checkpoint.findings += folders.findings
    if let finding = linkedWeights(checkpoint, tree) { checkpoint.findings.append(finding) }
    for name in try tree.children(of: "") where !weights.contains(name) {
      guard tree.containsFile(name) else {
        if folders.names.contains(name) {
          let files = try folders.files(of: name, in: tree)
          for path in files.carried { try carry(path, as: path, from: tree, with: &checkpoint) }
          for path in files.leftOut {
            if path.hasSuffix("/") && tree.leadsOut(path) {
              leaveOut(path, from: &checkpoint)
            } else {
              checkpoint.leftOut.append(path)
            }
          }
          continue
        }
        if folders.outside.contains(name) {
          leaveOut("\(name)/", from: &checkpoint)
          continue
        }
        checkpoint.leftOut.append(try tree.isFolder(name) ? "\(name)/" : name)
        // Whoever loads the model stops at it, or waits for it for ever.
        if name == "config.json" {
          checkpoint.configurationError = CheckpointError(
            .malformed, "the configuration is no file that can be read", file: name,
            expected: "a file", found: tree.obstacle(name),
            hint: "put the model's config.json there, or name one with --config")
        }
        continue
      }
      let published = checkpoint.sidecarNames[name].flatMap { tree.containsFile($0) ? nil : $0 }
      let isCarried =
        name == "config.json" || isAdapter(name) || published != nil
        || isCarried(name) && !isTrainingState(name, checkpoint)
      if name == "config.json" && tree.leadsOut(name) {
        leaveOut(name, from: &checkpoint)
      } else if name == "config.json" {
        do throws(CheckpointError) {
          checkpoint.configuration = try tree.contents(
            of: name, limit: OpenOptions.maximumConfigurationByteCount)
        } catch {
          // The weights can be looked at all the same.
          if error.code == .interrupted { throw error }
          checkpoint.configurationError = error.in(file: name)
        }
      } else if isCarried {
        try carry(name, as: published ?? name, from: tree, with: &checkpoint)
      } else if !isOurs(name) {
        let isIndex = indexNames[checkpoint.format] == name
        if isIndex, let found = indexFindings(of: name, beside: checkpoint, in: tree) {
          checkpoint.findings += found
        } else if name.hasSuffix(".safetensors") || isIndex {
          checkpoint.findings.append(
            Finding(
              .warning, "unused-weights", "weights that are no part of the checkpoint that is read",
              file: name))
        } else if isForeignWeights(name) {
          checkpoint.findings.append(unused(name, checkpoint))
        }
        checkpoint.leftOut.append(name)
      }
    }
    checkpoint.findings += unreadable(checkpoint.leftOut, in: tree)
  }

  /// Takes a file along, but for what nobody means to publish.
  private static func carry(
    _ path: String, as name: String, from tree: any FileTree, with checkpoint: inout Checkpoint
  ) throws(CheckpointError) {
    guard let asset = try publishable(path, as: name, from: tree, leavingOut: &checkpoint) else {
      return
    }
    checkpoint.assets.append(asset)
  }

  /// A file that goes along; nil, and a finding, for one behind a link that leads out, and for a private key.
  private static func publishable(
    _ path: String, as name: String, from tree: any FileTree,
    leavingOut checkpoint: inout Checkpoint
  ) throws(CheckpointError) -> Checkpoint.Asset? {
    if tree.leadsOut(path) {
      leaveOut(path, from: &checkpoint)
      return nil
    }
    let region = try tree.region(path)
    guard try !PrivateKeyText.isIn(region) else {
      checkpoint.leftOut.append(path)
      checkpoint.findings.append(
        Finding(
          .warning, "private-key",
          "left out: holds a private key, which would be published with the model", file: path))
      return nil
    }
    return asset(name, region)
  }

  /// What indexes are called, by the format.
  private static let indexNames = [
    SafetensorsFormat.name: SafetensorsFormat.indexFileName,
    PyTorchFormat.name: PyTorchFormat.indexFileName,
  ]

  /// What is wrong with an index beside one file, such as mlx-lm writes; nil for an index of other files.
  private static func indexFindings(
    of name: String, beside checkpoint: Checkpoint, in tree: any FileTree
  ) -> [Finding]? {
    do throws(CheckpointError) {
      let bytes = try tree.contents(of: name, limit: ShardIndex.maximumByteCount)
      let index = try ShardIndex(parsing: bytes, fileName: name)
      let files = Set(checkpoint.files.map { ExactName($0.name) })
      guard index.shards.contains(where: { files.contains(ExactName($0)) }) else { return nil }
      // Of tensors that can't be read the index knows more.
      let isWhole = !checkpoint.findings.contains {
        ["unreadable-tensor", "data-missing"].contains($0.check)
      }
      return isWhole ? index.findings(beside: checkpoint) : []
    } catch { return [Finding("file-malformed", error.in(file: name))] }
  }

  /// What is said of pipes, sockets, devices and links that lead nowhere, whatever their names are, and of folders that are called as files are.
  static func unreadable(_ names: [String], in tree: any FileTree) -> [Finding] {
    names.compactMap { entry in
      let name = entry.hasSuffix("/") ? String(entry.dropLast()) : entry
      guard !tree.containsFile(name) else { return nil }
      let found = tree.obstacle(name)
      let isUsual =
        found == PathObstacle.folder && name != "config.json" && !isCarried(name)
        && !name.hasSuffix(".index.json")
      guard found != "nothing", !isUsual else { return nil }
      return Finding(
        .warning, "unreadable-file", "not a file that can be read, found \(found)", file: name)
    }
  }

  /// A link may lead to anything that its owner would never publish.
  static func leaveOut(_ name: String, from checkpoint: inout Checkpoint) {
    checkpoint.leftOut.append(name)
    checkpoint.findings.append(
      Finding(
        .warning, "link-out",
        "left out: a link that leads out of the checkpoint"
          + (name == "config.json" ? "; --config takes what it leads to" : ""), file: name))
  }

  /// What is said of weights that are read through links which lead out of the checkpoint.
  private static func linkedWeights(_ checkpoint: Checkpoint, _ tree: any FileTree) -> Finding? {
    let linked = checkpoint.files.map(\.name).filter(tree.leadsOut)
    guard let first = linked.first else { return nil }
    return Finding(
      .note, "link-out",
      "\(counted(linked.count, "file")) of weights read through links that lead out of the checkpoint",
      file: first)
  }

  /// Whether a name is one that weights of other frameworks have.
  private static func isForeignWeights(_ name: String) -> Bool {
    weightFormats.contains { $0.isWeights(name) }
  }

  private static let weightFormats: [(name: String, isWeights: @Sendable (String) -> Bool)] = [
    (PyTorchFormat.name, { PyTorchFormat.isWeights(name: $0) }),
    (FlaxFormat.name, { FlaxFormat.isWeights(name: $0) }),
    (KerasFormat.name, { KerasFormat.isWeights(name: $0) }),
  ]

  /// Files of other frameworks are often left beside those that they were made into.
  private static func unused(_ name: String, _ checkpoint: Checkpoint) -> Finding {
    if weightFormats.contains(where: { $0.name == checkpoint.format && $0.isWeights(name) }) {
      return Finding(
        .warning, "unused-weights", "weights that are no part of the checkpoint that is read",
        file: name)
    }
    let used = checkpoint.format == SafetensorsFormat.name ? "safetensors" : checkpoint.format
    return Finding(
      .note, "unused-weights", "not used: the weights are read from the \(used) beside it",
      file: name)
  }

  /// The files of `--assets DIR` that a conversion carries.
  ///
  /// - Parameters:
  ///   - directory: where they lie.
  ///   - opened: keeps what is opened.
  ///   - checkpoint: that they are added to, in the place of its own of the same name.
  /// - Throws: `missing` if there is no such directory, `inputOutput`.
  static func addAssets(
    of directory: String, _ opened: PinnedFiles, to checkpoint: inout Checkpoint
  ) throws(CheckpointError) {
    guard FileKind(of: directory) == .directory else {
      throw CheckpointError(.missing, "--assets needs a directory", file: directory)
    }
    // A store has them in a folder.
    let isStore = DirectoryTree(path: directory).containsFile(StoreFormat.manifestName)
    let tree = DirectoryTree(
      path: isStore ? "\(directory)/\(StoreFormat.assetFolder)" : directory, files: opened)
    let names = try tree.children(of: "")
    var paths = names.filter { isCarried($0) && tree.containsFile($0) }
    checkpoint.findings += unreadable(names.filter { !paths.contains($0) }, in: tree)
    let folders = try SidecarFolders(tree)
    for folder in folders.names { paths += try folders.files(of: folder, in: tree).carried }
    var assets: [Checkpoint.Asset] = []
    for path in paths {
      let asset = try publishable(path, as: path, from: tree, leavingOut: &checkpoint)
      if let asset { assets.append(asset) }
    }
    add(assets, to: &checkpoint)
  }

  /// Adds files to those of a checkpoint, in the place of its own of the same name; a tokenizer in the place of its whole tokenizer, so that
  /// they don't mix.
  private static func add(_ added: [Checkpoint.Asset], to checkpoint: inout Checkpoint) {
    var names = Set(added.map(\.name))
    if !names.isDisjoint(with: Checkpoint.Asset.tokenizerNames.prefix(3)) {
      names.formUnion(Checkpoint.Asset.tokenizerNames)
    }
    let replaced = checkpoint.assets.filter { names.contains($0.name) }.map(\.name)
    checkpoint.assets = checkpoint.assets.filter { !names.contains($0.name) } + added
    checkpoint.leftOut += replaced.filter { name in !added.contains { $0.name == name } }
  }

  /// A file as it is carried along; small ones can be read as a whole.
  static func asset(_ name: String, _ region: FileRegion) -> Checkpoint.Asset {
    Checkpoint.Asset(name: name, byteCount: region.byteCount) {
      (offset, count) throws(CheckpointError) in
      do throws(CheckpointError) { return try region.bytes(at: offset, count: count) } catch {
        throw error.in(file: name)
      }
    }
  }

  /// Whether a file of that name beside a model's weights holds changes to them, as PEFT writes them.
  static func isAdapter(_ name: String) -> Bool {
    name.hasPrefix("adapter_") && [".safetensors", ".bin"].contains(where: name.hasSuffix)
  }

  /// The files of a kind that are a model's; of adapters alone, the one that PEFT looks for.
  static func withoutAdapters(_ names: [String]) -> [String] {
    let models = names.filter { !isAdapter($0) }
    guard models.isEmpty else { return models }
    let usual = names.filter { $0.hasPrefix("adapter_model.") }
    return usual.isEmpty ? names : usual
  }

  /// Whether a format's weights in a directory are only adapters, beside which another format may have a model's.
  ///
  /// - Throws: `inputOutput`.
  static func areAdapters(
    _ format: any CheckpointFormat.Type, _ tree: any FileTree
  ) throws(CheckpointError) -> Bool {
    let names = try tree.children(of: "")
    switch format.name {
    case SafetensorsFormat.name:
      return !tree.containsFile(SafetensorsFormat.indexFileName)
        && names.allSatisfy { !$0.hasSuffix(".safetensors") || isAdapter($0) }
    case PyTorchFormat.name:
      return !tree.containsFile(PyTorchFormat.indexFileName)
        && names.contains(where: isAdapter)
        && names.allSatisfy { !PyTorchFormat.isWeights(name: $0) || isAdapter($0) }
    default: return false
    }
  }

  /// Whether a file of that name beside weights is carried along, other than as the configuration.
  static func isCarried(_ name: String) -> Bool {
    if isOurs(name) || name.hasPrefix(".") || name.hasSuffix(".index.json") || name == "config.json"
    {
      return false
    }
    return [".json", ".txt", ".model", ".jinja"].contains { name.hasSuffix($0) }
      || name.hasPrefix("LICENSE")
  }

  /// Mesh-Transformer's own record of kept steps and of how far its data loader came, which is no part of the model.
  private static func isTrainingState(_ name: String, _ checkpoint: Checkpoint) -> Bool {
    checkpoint.format == MeshTransformerFormat.name && name == "meta.json"
  }

  /// What is said of an archive that holds certificates, lists of digests or signatures: they speak for a folder.
  ///
  /// - Throws: `inputOutput`.
  static func records(in tree: any FileTree) throws(CheckpointError) -> Finding? {
    let names = try tree.children(of: "").filter { name in
      isOurs(name) && name != StoreFormat.manifestName && name != StoreFormat.chunkTableName
        || ["SHA256SUMS", "model.sig"].contains(name)
    }
    guard let first = names.first else { return nil }
    return Finding(
      .note, "archive-records",
      "the archive holds \(names.prefix(4).joined(separator: ", ")), which \(names.count == 1 ? "isn't" : "aren't") checked in an archive: unpack it, and verify the folder",
      file: first)
  }

  /// What this tool wrote itself.
  static func isOurs(_ name: String) -> Bool {
    ["weighbridge-certificate.json", "weighbridge-manifest.json"].contains(name)
      || name.hasSuffix(".certificate.json") || name.hasSuffix(".manifest.json")
      || name == StoreFormat.manifestName || name == StoreFormat.chunkTableName
  }
}
