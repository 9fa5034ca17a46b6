import FileContainers
import TensorModel

/// The files beside the weights: which of them a conversion carries along, and which it leaves out.
enum Sidecars {
  /// What a carried file may have at most; tokenizers reach 35 MB.
  static let maximumAssetByteCount = 512 << 20

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
    for name in try tree.children(of: "") where !weights.contains(name) {
      guard tree.containsFile(name) else {
        let isFolder = try !tree.children(of: name).isEmpty
        checkpoint.leftOut.append(isFolder ? "\(name)/" : name)
        if !isFolder && (name == "config.json" || isCarried(name)) {
          checkpoint.findings.append(
            Finding(
              .warning, "unreadable-file",
              "not a file that can be read: a link that leads nowhere?",
              file: name))
        }
        continue
      }
      if name == "config.json" {
        checkpoint.configuration = try tree.contents(
          of: name, limit: OpenOptions.maximumConfigurationByteCount)
      } else if isCarried(name) && !isTrainingState(name, checkpoint) {
        let region = try tree.region(name)
        checkpoint.assets.append(asset(name, region))
      } else if !isOurs(name) {
        if name.hasSuffix(".safetensors") || name == SafetensorsFormat.indexFileName {
          checkpoint.findings.append(
            Finding(
              .warning, "unused-weights", "weights that are no part of the checkpoint that is read",
              file: name))
        } else if PyTorchFormat.isWeights(name: name) {
          checkpoint.findings.append(unused(name, checkpoint))
        }
        checkpoint.leftOut.append(name)
      }
    }
  }

  /// PyTorch's files are often left beside those that they were made into.
  private static func unused(_ name: String, _ checkpoint: Checkpoint) -> Finding {
    if checkpoint.format == PyTorchFormat.name {
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
  /// - Throws: `missing` if there is no such directory, `inputOutput`.
  static func assets(in directory: String) throws(CheckpointError) -> [Checkpoint.Asset] {
    guard FileKind(of: directory) == .directory else {
      throw CheckpointError(.missing, "--assets needs a directory", file: directory)
    }
    // A store has them in a folder.
    let isStore = DirectoryTree(path: directory).containsFile(StoreManifest.fileName)
    let tree = DirectoryTree(
      path: isStore ? "\(directory)/\(StoreManifest.assetFolder)" : directory)
    var assets: [Checkpoint.Asset] = []
    for name in try tree.children(of: "") where isCarried(name) && tree.containsFile(name) {
      assets.append(asset(name, try tree.region(name)))
    }
    return assets
  }

  /// Adds files to those of a checkpoint, in the place of its own of the same name; a tokenizer in the place of its whole tokenizer, so that
  /// they don't mix.
  static func add(_ added: [Checkpoint.Asset], to checkpoint: inout Checkpoint) {
    var names = Set(added.map(\.name))
    if !names.isDisjoint(with: Checkpoint.Asset.tokenizerNames.prefix(3)) {
      names.formUnion(Checkpoint.Asset.tokenizerNames)
    }
    let replaced = checkpoint.assets.filter { names.contains($0.name) }.map(\.name)
    checkpoint.assets = checkpoint.assets.filter { !names.contains($0.name) } + added
    checkpoint.leftOut += replaced.filter { name in !added.contains { $0.name == name } }
  }

  private static func asset(_ name: String, _ region: FileRegion) -> Checkpoint.Asset {
    Checkpoint.Asset(name: name, byteCount: region.byteCount) { () throws(CheckpointError) in
      guard region.byteCount <= maximumAssetByteCount else {
        throw CheckpointError(
          .unsupported, "too large for a file that is carried along", file: name,
          expected: "at most \(maximumAssetByteCount) bytes", found: "\(region.byteCount)")
      }
      do throws(CheckpointError) {
        return try region.bytes(at: 0, count: region.byteCount)
      } catch { throw error.in(file: name) }
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

  /// What this tool wrote itself.
  private static func isOurs(_ name: String) -> Bool {
    name == "weighbridge-certificate.json" || name.hasSuffix(".certificate.json")
      || name == StoreManifest.fileName || name == ChunkTable.fileName
  }
}
