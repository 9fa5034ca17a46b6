// What a path means that is neither weights nor a folder of weights:
//
//   .../NAME.index.json                the sharded checkpoint that it is the index of, with its folder's other files
//   .../NAME.index, .../NAME           TensorFlow's checkpoint of that name, likewise; one of its data files stands for it, too
//   models--ORG--NAME                  a model in Hugging Face's cache (huggingface_hub, file_download.py): snapshots/REVISION,
//   models--ORG--NAME/snapshots          where refs/main has REVISION; without it, the only snapshot
//   a folder without a checkpoint      its only archive
//   a folder with shards whose index   the sharded checkpoint of its only index, as of a variant: model.safetensors.index.fp16.json
//     has another name
//   .../layer_LL-model_RR-…, mp_rank_… itself, with a note: the model is the folder
//   .../config.json                    nothing: a hint names the folder

import FileContainers
public import TensorModel

/// Where a path leads that the user wrote.
public struct NamedPath: Sendable {
  /// What is opened: the path itself, or a file or folder that it stands for.
  public private(set) var place: String
  /// The name of the index among the files of `place`, if the path is of one.
  private(set) var indexName: String?
  /// What was opened in the place of what was written.
  private(set) var findings: [Finding] = []

  private static let archiveEndings = [".tar", ".tar.zst", ".tar.zstd", ".tzst"]
  /// A commit's digest has 40 characters; revisions may be called otherwise.
  private static let maximumRevisionByteCount = 1 << 10

  /// Looks at what is there; `-` and paths of nothing stand for themselves.
  ///
  /// - Throws: `usage` for a configuration, or where several checkpoints could be meant; `missing` for a snapshot that isn't there;
  ///   `inputOutput`.
  public init(_ path: String) throws(CheckpointError) {
    place = path
    guard path != "-" else { return }
    switch FileKind(of: path) {
    case .file: try file()
    case .directory:
      try cache()
      try archive()
      try index()
    case nil: try prefix()
    default: break
    }
  }

  /// Where a path leads, if that is a folder; the path itself for anything else.
  public static func folder(of path: String) -> String {
    guard let place = try? NamedPath(path).place, FileKind(of: place) == .directory else {
      return path
    }
    return place
  }

  /// What people call a checkpoint: the last part of its path; for a snapshot in Hugging Face's cache, the model's name.
  static func title(of place: String) -> String {
    var (parent, name) = Directories.split(place)
    // A place that is named from within is called as it is from without.
    if [".", ".."].contains(name) {
      (parent, name) = Directories.split(Directories.resolved(place))
    }
    let (cache, folder) = Directories.split(parent)
    let model = Directories.split(cache).name
    guard folder == "snapshots", model.hasPrefix("models--"),
      let own = model.split(separator: "--").last
    else { return name }
    return String(own)
  }

  // MARK: Files

  private mutating func file() throws(CheckpointError) {
    let (parent, leaf) = Directories.split(place)
    var name = leaf
    if let prefix = name.wholeMatch(of: /(.+)\.data-[0-9]{5}-of-[0-9]{5}/)?.1 {
      name = prefix + TensorFlowFormat.indexEnding
    }
    if name == "config.json" {
      throw CheckpointError(
        .usage, "a model's configuration, not its weights", file: place,
        hint: "name the folder that it lies in: \(parent)")
    }
    if try TensorFlowFormat.isIndex(name, in: DirectoryTree(path: parent)) {
      place = parent
      indexName = name
      return say("the TensorFlow checkpoint that \(name) is the index of")
    }
    if NeoXFiles.isNamed(name) {
      return say(
        "one file of a GPT-NeoX training; the folder that it lies in stands for the whole model")
    }
    guard name.hasSuffix(".json"), name.contains(".index.") else { return }
    place = parent
    indexName = name
    say("the sharded checkpoint that \(name) is the index of")
  }

  /// What TensorFlow calls a checkpoint is no file, but the beginning of its files' names.
  private mutating func prefix() throws(CheckpointError) {
    let index = place + TensorFlowFormat.indexEnding
    guard FileKind(of: index) == .file else { return }
    place = index
    try file()
  }

  private mutating func say(_ what: String) {
    findings.append(Finding(.note, "opened-as", "opened: \(what)"))
  }

  /// The only index of a folder whose weights have none of the names that are looked for.
  private mutating func index() throws(CheckpointError) {
    guard FileKind(of: place) == .directory else { return }
    let names = try Directories.names(in: place)
    guard names.allSatisfy({ !Self.isUsual($0) }) else { return }
    let indexes = names.filter { $0.hasSuffix(".json") && $0.contains(".index.") }
    let tree = DirectoryTree(path: place)
    guard indexes.count == 1, let name = indexes.first, indexName == nil, tree.containsFile(name),
      let index = try ifUsable({ () throws(CheckpointError) in
        try ShardIndex(
          parsing: tree.contents(of: name, limit: ShardIndex.maximumByteCount), fileName: name)
      }), index.shards.allSatisfy(tree.containsFile)
    else { return }
    indexName = name
    say("the sharded checkpoint that \(name) is the index of")
  }

  /// Whether a name is that of a model's weights, or of their index, as programs look for it.
  private static func isUsual(_ name: String) -> Bool {
    let stem = name.hasSuffix(".index.json") ? String(name.dropLast(".index.json".count)) : name
    return ["model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"]
      .contains(stem)
  }

  // MARK: Hugging Face's cache

  private mutating func cache() throws(CheckpointError) {
    let (parent, name) = Directories.split(place)
    if Self.isCache(place) {
      place = try snapshot(in: place)
    } else if name == "snapshots", Self.isCache(parent),
      try !Formats.recognises(tree: DirectoryTree(path: place))
    {
      place = try snapshot(in: parent)
    }
  }

  private static func isCache(_ path: String) -> Bool {
    guard FileKind(of: "\(path)/snapshots") == .directory else { return false }
    return FileKind(of: "\(path)/refs") == .directory
      || Directories.split(path).name.hasPrefix("models--")
  }

  /// The folder of the snapshot that `refs/main` names, else of the only one.
  private mutating func snapshot(in cache: String) throws(CheckpointError) -> String {
    let folder = "\(cache)/snapshots"
    let names = try Directories.names(in: folder).filter {
      FileKind(of: "\(folder)/\($0)") == .directory
    }
    let shown = names.isEmpty ? "nothing" : names.prefix(8).joined(separator: ", ")
    if FileKind(of: "\(cache)/refs/main") == .file {
      let bytes = try InputFile.contents(
        of: "\(cache)/refs/main", limit: Self.maximumRevisionByteCount, recordedIn: nil)
      let revision = String(decoding: bytes, as: UTF8.self)
        .trimming { $0 == " " || $0 == "\n" || $0 == "\r" }
      guard names.contains(revision) else {
        throw CheckpointError(
          .missing, "the snapshot that refs/main names is not there", file: cache,
          expected: "snapshots/\(revision)", found: shown,
          hint: "download the model again, or name the folder of a snapshot")
      }
      say("snapshots/\(revision), which refs/main names")
      return "\(folder)/\(revision)"
    }
    guard names.count == 1, let only = names.first else {
      throw CheckpointError(
        names.isEmpty ? .missing : .usage,
        names.isEmpty
          ? "no snapshot in the cache" : "several snapshots in the cache, and no refs/main",
        file: cache, found: shown,
        hint: names.first.map { "name one of them, such as \(folder)/\($0)" }
          ?? "download the model again")
    }
    say("snapshots/\(only), the only snapshot")
    return "\(folder)/\(only)"
  }

  // MARK: Archives

  private mutating func archive() throws(CheckpointError) {
    let folder = place
    let archives = try Directories.names(in: folder).filter { name in
      Self.archiveEndings.contains(where: name.hasSuffix)
        && FileKind(of: "\(folder)/\(name)") == .file
    }
    guard let first = archives.first,
      try !Formats.recognises(tree: DirectoryTree(path: folder))
    else { return }
    guard archives.count == 1 else {
      throw CheckpointError(
        .usage, "several archives, and no other checkpoint", file: folder,
        found: archives.prefix(8).joined(separator: ", "),
        hint: "name one of them, such as \(folder)/\(first)")
    }
    place = "\(folder)/\(first)"
    say("\(first), the only archive; the files beside it are not used")
  }
}

extension String {
  /// Without the characters of a kind at both ends.
  fileprivate func trimming(_ isLeftOut: (Character) -> Bool) -> String {
    guard let first = firstIndex(where: { !isLeftOut($0) }),
      let last = lastIndex(where: { !isLeftOut($0) })
    else { return "" }
    return String(self[first...last])
  }
}
