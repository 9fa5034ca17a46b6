public import FileContainers
import ModelArchitectures
public import TensorModel

/// The files that belong to a checkpoint, whoever made it: weights, what is published beside them, and what this tool writes.
///
/// A name alone makes nothing a weight: the contents must be of the kind that it says. What manifests in the directory name is looked for in the
/// places where checkpoints have such files, and nowhere else: they are files like others, and anybody can have written them.
public struct KnownFiles {
  private let tree: any FileTree
  private let folders: SidecarFolders
  /// Weight files that an index or a certificate joins to one model.
  private let joined: Set<ExactName>
  /// What certificates say of sizes.
  private let certified: [ExactName: Int]
  /// What a store's manifest names, with sizes.
  private let stored: [ExactName: Int?]
  /// Whether the manifest of a store is there that can be read.
  public let isStore: Bool

  /// What a file is to the checkpoint.
  public enum Role: Hashable, Sendable {
    /// Weights of the model, by the name they have there: of the parts of a set, the whole's.
    case weights(ofModel: String)
    /// What makes the directory a checkpoint or an output of this tool, such as an index.
    case manifest
    /// A file beside the weights.
    case sidecar
  }

  /// Looks at a directory.
  ///
  /// - Parameters:
  ///   - tree: of the directory.
  ///   - certified: names and sizes that certificates in it state.
  /// - Throws: `inputOutput`.
  public init(
    _ tree: any FileTree, certified: [(name: String, byteCount: Int)]
  ) throws(CheckpointError) {
    self.tree = tree
    folders = try SidecarFolders(tree)
    self.certified = Dictionary(
      certified.map { (ExactName($0.name), $0.byteCount) }, uniquingKeysWith: { first, _ in first })
    var joined: [String] = []
    for name in try tree.children(of: "") where name.hasSuffix(".index.json") {
      let index = try ifUsable { () throws(CheckpointError) in
        try ShardIndex(
          parsing: tree.contents(of: name, limit: ShardIndex.maximumByteCount), fileName: name)
      }
      joined += index?.shards ?? []
    }
    self.joined = Set(joined.map { ExactName($0) })
    let manifest = try Self.manifest(tree)
    isStore = manifest != nil
    stored = manifest?.knownFiles ?? [:]
  }

  private static func manifest(_ tree: any FileTree) throws(CheckpointError) -> StoreManifest? {
    guard tree.containsFile(StoreFormat.manifestName) else { return nil }
    return try ifUsable { () throws(CheckpointError) in
      try StoreManifest(
        parsing: tree.contents(
          of: StoreFormat.manifestName, limit: StoreManifest.maximumByteCount))
    }
  }

  /// What a file of that path below the directory is to the checkpoint; nil if it doesn't belong to it.
  ///
  /// - Throws: `inputOutput`.
  public func role(of path: String) throws(CheckpointError) -> Role? {
    if Self.isDownloadRecord(path) { return .sidecar }
    let components = Directories.components(of: path)
    guard let name = components.last, !components.contains(where: { $0.hasPrefix(".") }) else {
      return path == ".gitattributes" ? .sidecar : nil
    }
    if let size = stored[ExactName(path)] {
      guard size == nil || size == byteCount(path) else { return nil }
      return try WeightContents.isVolume(name)
        ? WeightContents(name, tree.region(path)).isOfItsKind() ? .weights(ofModel: "") : nil
        : .sidecar
    }
    if let step = path.wholeMatch(of: /(step_[0-9]+)\/(shard_[0-9]+\/[0-9]+\.npz|meta\.json)/) {
      guard name.hasSuffix(".npz") else { return .sidecar }
      let isShard = try WeightContents(name, tree.region(path)).isOfItsKind()
      return isShard ? .weights(ofModel: "\(step.1)/") : nil
    }
    if let role = try roleInTraining(path, components, name) { return role }
    if components.count > 1 { return try roleInFolder(path, name) }
    if Sidecars.isOurs(path) || path.hasSuffix(".index.json") { return .manifest }
    if let model = try model(of: path) { return .weights(ofModel: model) }
    return Sidecars.isCarried(path) || Self.others.contains(path) ? .sidecar : nil
  }

  /// The files of a GPT-NeoX training, in the folder of a step or beside those of steps.
  private func roleInTraining(
    _ path: String, _ components: [String], _ name: String
  ) throws(CheckpointError) -> Role? {
    let isOfStep = components.count > 1 && NeoXFiles.step(named: components[0]) != nil
    let place = isOfStep ? Array(components.dropFirst()) : components
    if place.count == 1, NeoXFiles.isNamed(name) {
      let isWeights = try WeightContents(name, tree.region(path)).isOfItsKind()
      return isWeights ? .weights(ofModel: isOfStep ? "\(components[0])/" : "") : nil
    }
    let isConfiguration =
      place.count == 2 && place[0] == NeoXConfigurationFiles.folderName
      && YAMLFile.isNamed(name)
    if isConfiguration { return .sidecar }
    guard path == GPTNeoXFormat.latestFileName else { return nil }
    return try GPTNeoXFormat.recognises(tree: tree) ? .manifest : nil
  }

  /// What Hugging Face's tools write where a directory is downloaded to; everything else there is of a cache, or a secret.
  private static func isDownloadRecord(_ path: String) -> Bool {
    let folder = ".cache/huggingface/"
    if [".gitignore", "CACHEDIR.TAG"].contains(where: { path == folder + $0 }) { return true }
    return path.hasPrefix("\(folder)download/")
      && [".metadata", ".lock", ".incomplete"].contains(where: path.hasSuffix)
  }

  /// The folders of modules and templates.
  private func roleInFolder(_ path: String, _ name: String) throws(CheckpointError) -> Role? {
    guard folders.contains(path) else { return nil }
    if path.hasPrefix("\(SidecarFolders.templateFolder)/") { return .sidecar }
    if Self.moduleFiles.contains(name) || Checkpoint.Asset.tokenizerNames.contains(name) {
      return .sidecar
    }
    if ["model.safetensors", PyTorchFormat.fileName].contains(name) {
      return try WeightContents(name, tree.region(path)).isOfItsKind() ? .sidecar : nil
    }
    guard Sidecars.isCarried(name) else { return nil }
    return certified[ExactName(path)].map { $0 == byteCount(path) } == true ? .sidecar : nil
  }

  /// The model that a file directly in the directory has weights of; nil for other files.
  private func model(of name: String) throws(CheckpointError) -> String? {
    guard WeightContents.isNamed(name), tree.containsFile(name) else { return nil }
    let isOne = try ifUsable { () throws(CheckpointError) in
      try WeightContents(name, tree.region(name)).isOfItsKind()
    }
    guard isOne == true else { return nil }
    let isCertified = certified[ExactName(name)].map { $0 == byteCount(name) } == true
    if isCertified || joined.contains(ExactName(name)) || Sidecars.isAdapter(name)
      || name.wholeMatch(of: Self.publishedNames) != nil
    {
      return ""
    }
    return GGUFSplit.wholeName(ofPart: name) ?? name
  }

  private func byteCount(_ path: String) -> Int? { (try? tree.region(path))?.byteCount }

  /// What the weights of one model are called, in whatever formats it is published side by side.
  private static var publishedNames: Regex<(Substring, Substring?)> {
    /(?:model|pytorch_model|tf_model|flax_model|consolidated)([-.][0-9a-z.-]*)?\.(?:safetensors|gguf|npz|bin|pth|pt|h5|msgpack)/
  }

  private static let others: Set = [
    HuggingFaceConfiguration.fileName, "README.md", "SHA256SUMS", "model.sig", "tf_model.h5",
    "flax_model.msgpack",
  ]

  /// What modules of sentence-transformers have beside tokenizers.
  private static let moduleFiles: Set = [
    HuggingFaceConfiguration.fileName, "README.md", "sentence_bert_config.json",
    "wordembedding_config.json", "whitespacetokenizer_config.json", "sentencepiece.bpe.model",
    "vocab.txt",
  ]
}

extension StoreManifest {
  /// The files of a store that lie where it has them, with their sizes as far as it states them.
  fileprivate var knownFiles: [ExactName: Int?] {
    var files: [ExactName: Int?] = [:]
    for volume in volumes where WeightContents.isVolume(volume.name) {
      files[ExactName(volume.name)] = volume.byteCount
    }
    for (name, record) in [
      (StoreFormat.linkFileName, links), (StoreFormat.chunkTableName, chunkTable),
    ] where record.name == name { files[ExactName(name)] = .some(nil) }
    for asset in assets {
      let leaf = Directories.split(asset.name).name
      guard Sidecars.isCarried(leaf) || leaf == "config.json" || Sidecars.isAdapter(leaf) else {
        continue
      }
      files[ExactName("\(StoreFormat.assetFolder)/\(asset.name)")] = asset.byteCount
    }
    return files
  }
}
