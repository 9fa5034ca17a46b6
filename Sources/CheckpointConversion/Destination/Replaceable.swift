import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// What stands where a result goes, and gives way to it: a checkpoint, an output of this tool, or a file of the same kind; nothing else ever does.
struct Replaceable {
  /// Where it is.
  private let path: String
  /// What is there that nobody can vouch for.
  private var strangers: [String] = []
  /// What is read, and so never given up.
  private let inputs: ReadFiles
  /// The models that there are weights of.
  private var models: Set<String> = []
  /// A file that anybody may have: arrays of numbers under a name of their own.
  private var unmarked: String?
  /// Whether something says that the numbers are a model's: usual names, an index, a certificate, a store's manifest, a configuration.
  private var isMarked = false

  /// How many files in the way are named.
  private static let shownCount = 3
  /// How deep folders may lie in a checkpoint.
  private static let maximumDepth = 8

  /// Makes sure that a directory is a checkpoint, and all of it.
  ///
  /// - Parameters:
  ///   - path: of the directory.
  ///   - inputs: what is read.
  /// - Throws: `conflict` with the names of files that would be lost; `inputOutput`.
  static func require(
    directory path: String, besides inputs: ReadFiles
  ) throws(CheckpointError) {
    guard FileKind(ofEntry: path) == .directory else {
      throw refusal(path, "is a link, which isn't replaced", found: nil)
    }
    if let place = Directories.specialPlace(path) {
      throw refusal(path, "can't be replaced: it is \(place)", found: nil)
    }
    var found = Replaceable(path: path, inputs: inputs)
    try found.look()
    guard found.strangers.isEmpty else {
      throw refusal(
        path, "not replaced: other files than a checkpoint's are in it",
        found: found.strangers.joined(separator: ", "))
    }
    guard found.models.count <= 1 else {
      throw refusal(
        path, "not replaced: weights of several models are in it",
        found: found.models.sorted().prefix(shownCount)
          .map { $0.isEmpty ? "those of its index, certificate or usual names" : $0 }
          .joined(separator: ", "))
    }
    guard found.isMarked || found.unmarked != nil else {
      throw refusal(path, "not replaced: it is no checkpoint", found: "no weights in it")
    }
    guard found.isMarked else {
      throw refusal(
        path, "not replaced: nothing says that it is a checkpoint",
        found: found.unmarked.map { "\($0), and no configuration or certificate" })
    }
  }

  /// What makes sure that something may give way to a destination of that name.
  ///
  /// - Parameters:
  ///   - destination: as the user has named it.
  ///   - inputs: what is read.
  /// - Returns: checks a path.
  static func replacement(
    of destination: String, besides inputs: ReadFiles
  ) -> AtomicDestination.Replacement {
    let format = Targets.singleFileFormat(destination)
    return { (path) throws(CheckpointError) in
      if let format {
        try require(file: path, of: format, besides: inputs)
      } else {
        try require(directory: path, besides: inputs)
      }
    }
  }

  /// Whether everything in a directory is a checkpoint's, but for the journal that may lie there.
  ///
  /// - Throws: `inputOutput`.
  static func areOwn(directory path: String) throws(CheckpointError) -> Bool {
    var found = Replaceable(path: path, inputs: ReadFiles())
    try found.look()
    return found.strangers.allSatisfy { $0 == Journal.fileName }
  }

  /// Makes sure that a file is of the kind that it gives way to.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - format: that is written.
  ///   - inputs: what is read.
  /// - Throws: `conflict`, `inputOutput`.
  static func require(
    file path: String, of format: any CheckpointFormat.Type, besides inputs: ReadFiles
  ) throws(CheckpointError) {
    guard FileKind(ofEntry: path) == .file else {
      throw refusal(path, "is no regular file, and isn't replaced", found: nil)
    }
    guard !Directories.isMountPoint(path) else {
      throw refusal(path, "can't be replaced: it is a mount point", found: nil)
    }
    try inputs.refuseLoss(of: path)
    let region = try InputFile(path: path).region
    guard try !format.recognises(file: region) else { return }
    throw refusal(
      path, "not replaced: it is a file of another kind", found: nil,
      expected: "a \(format.name) file")
  }

  private init(path: String, inputs: ReadFiles) {
    self.path = path
    self.inputs = inputs
  }

  private mutating func look() throws(CheckpointError) {
    let tree = DirectoryTree(path: path)
    let known = try KnownFiles(tree, certified: try certified(tree))
    isMarked = known.isStore
    var pending = [""]
    while let folder = pending.popLast(), strangers.count < Self.shownCount {
      var folders: [String] = []
      for name in try Directories.names(in: folder.isEmpty ? path : "\(path)/\(folder)") {
        let relative = folder.isEmpty ? name : "\(folder)/\(name)"
        let place = "\(path)/\(relative)"
        if FileKind(ofEntry: place) == .directory {
          let isOwn = Directories.components(of: relative).count <= Self.maximumDepth
          guard isOwn, Directories.specialPlace(place) == nil else {
            strangers.append("\(relative)/")
            continue
          }
          folders.append(relative)
          continue
        }
        try inputs.refuseLoss(of: place)
        if FileKind(ofEntry: place) == .file && Directories.isMountPoint(place) {
          strangers.append(relative)
        } else if FileKind(of: place) == .other || FileKind(of: place) == .directory {
          strangers.append(relative)
        } else if let role = try known.role(of: relative) {
          if case .weights(let model) = role { meet(weights: relative, of: model) }
        } else {
          strangers.append(relative)
        }
        if strangers.count >= Self.shownCount { return }
      }
      pending += folders.reversed()
    }
  }

  /// Weights under a name that tells nothing need something that says what they are, unless only models come in such files.
  private mutating func meet(weights name: String, of model: String) {
    models.insert(model)
    let isTold =
      model != name || WeightContents.isOfModelsAlone(name)
      || FileKind(of: "\(path)/\(HuggingFaceConfiguration.fileName)") == .file
    if isTold { isMarked = true } else { unmarked = unmarked ?? name }
  }

  /// The files that certificates in the directory name, and their sizes.
  private func certified(
    _ tree: DirectoryTree
  ) throws(CheckpointError) -> [(name: String, byteCount: Int)] {
    var files: [(name: String, byteCount: Int)] = []
    for name in try tree.children(of: "")
    where name == Certificate.fileName || name.hasSuffix(".certificate.json") {
      let certificate = try ifUsable { () throws(CheckpointError) in
        try Certificate(parsing: tree.region(name), file: name)
      }
      files += certificate?.files.map { ($0.name, $0.byteCount) } ?? []
      files += certificate?.assets.map { ($0.name, $0.byteCount) } ?? []
    }
    return files
  }

  private static func refusal(
    _ path: String, _ message: String, found: String?, expected: String? = nil
  ) -> CheckpointError {
    CheckpointError(
      .conflict, message, file: path, expected: expected, found: found,
      hint: "choose another destination, or remove by hand what you don't need")
  }
}
