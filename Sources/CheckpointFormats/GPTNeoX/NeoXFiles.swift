import FileContainers
import ModelArchitectures
import TensorModel

/// The files of a step, by what their names say.
struct NeoXFiles {
  /// Where they lie.
  let tree: any FileTree
  /// The step's folder in it; empty for the top.
  let folder: String
  /// Files of a module and rank, if there are any: the module's number first.
  private(set) var layers: [Int: [Int: String]] = [:]
  /// Files of ranks.
  private(set) var ranks: [Int: String] = [:]
  /// Everything else in the folder.
  private(set) var others: [String] = []
  /// Files that were read to find it.
  let read: [String]

  /// Looks at names.
  ///
  /// - Throws: `inputOutput`.
  init(_ tree: any FileTree, folder: String, read: [String]) throws(CheckpointError) {
    self.tree = tree
    self.folder = folder
    self.read = read
    for name in try tree.children(of: folder) {
      if let (number, rank) = Self.layer(named: name) {
        layers[number, default: [:]][rank] = name
      } else if let rank = Self.rank(named: name) {
        ranks[rank] = name
      } else {
        others.append(name)
      }
    }
  }

  /// A path from the tree's top.
  func path(_ name: String) -> String { folder.isEmpty ? name : "\(folder)/\(name)" }

  /// Whether each module has files of its own.
  var isPipeline: Bool { !layers.isEmpty }

  /// The number of the step, as its folder is called.
  var step: Int? {
    let name = folder.isEmpty ? Directories.split(tree.displayName).name : folder
    return Self.step(named: name)
  }

  // MARK: Names

  /// Whether files of a step lie in a folder.
  ///
  /// Of other programs' states with the same names, those are of GPT-NeoX whose tensors are a sequence's, or that have its notes alone: the
  /// layers' files were beside them.
  ///
  /// - Throws: `inputOutput`.
  static func areIn(_ folder: String, of tree: any FileTree) throws(CheckpointError) -> Bool {
    let files = try NeoXFiles(tree, folder: folder, read: [])
    if files.isPipeline { return true }
    guard let first = files.ranks.sorted(by: { $0.key < $1.key }).first else { return false }
    let path = files.path(first.value)
    guard tree.containsFile(path) else { return false }
    let file = try ifUsable { () throws(CheckpointError) in
      try TorchFile(
        tree.region(path),
        unpacking: Unpacking(directory: TemporaryFile.defaultDirectory, limit: .standard))
    }
    // What can't be read is named by whoever reads it.
    guard let file else { return files.others.contains(NeoXConfigurationFiles.folderName) }
    return file.dictionary.tensors.contains { $0.name.hasPrefix(sequence) } || hasNotesAlone(file)
  }

  /// Whether a rank's file is one of those beside the layers' files: what the training notes, and no weights.
  static func hasNotesAlone(_ file: TorchFile) -> Bool {
    !file.dictionary.record.arguments.isEmpty
      && file.dictionary.tensors.allSatisfy { TrainingState.isState($0.name) }
  }

  /// What names of a Sequential's tensors begin with.
  static let sequence = "sequential."

  /// `143000` for `global_step143000`.
  static func step(named name: String) -> Int? {
    guard name.hasPrefix("global_step"), let number = Int(name.dropFirst(11)),
      name == "global_step\(number)"
    else { return nil }
    return number
  }

  /// Module and rank of a file's name.
  static func layer(named name: String) -> (number: Int, rank: Int)? {
    guard let match = name.wholeMatch(of: /layer_([0-9]{2,6})-model_([0-9]{2,6})-model_states\.pt/),
      let number = Int(match.1), let rank = Int(match.2), name == layerName(number, rank)
    else { return nil }
    return (number, rank)
  }

  /// The name of the file of a module and rank.
  static func layerName(_ number: Int, _ rank: Int) -> String {
    "layer_\(twoDigits(number))-model_\(twoDigits(rank))-model_states.pt"
  }

  /// Whether a name is one that a module's or a rank's weights have.
  static func isNamed(_ name: String) -> Bool {
    layer(named: name) != nil || rank(named: name) != nil
  }

  private static func rank(named name: String) -> Int? {
    guard let match = name.wholeMatch(of: /mp_rank_([0-9]{2,6})_model_states\.pt/),
      let rank = Int(match.1), name == rankName(rank)
    else { return nil }
    return rank
  }

  /// The name of a rank's file.
  static func rankName(_ rank: Int) -> String { "mp_rank_\(twoDigits(rank))_model_states.pt" }

  /// Two digits, or more where they are needed.
  private static func twoDigits(_ number: Int) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }

  // MARK: Completeness

  /// The number of layers that numbers of modules prove: those from 2 on that follow each other.
  static func layerCount(_ numbers: some Sequence<Int>) -> Int {
    let numbers = Set(numbers)
    var count = 0
    while numbers.contains(count + NeoXTable.Module.firstLayer) { count += 1 }
    return count
  }

  /// How many ranks there are: as many as are said, else as the highest number proves.
  ///
  /// - Parameter said: by the configuration.
  /// - Returns: the number.
  /// - Throws: `missing` or `malformed` where that isn't so.
  func rankCount(_ said: Int?) throws(CheckpointError) -> Int {
    let numbers = isPipeline ? Set(layers.values.flatMap(\.keys)) : Set(ranks.keys)
    let highest = numbers.max() ?? 0
    let count = said ?? highest + 1
    guard highest < count else {
      let name =
        isPipeline
        ? layers.sorted { $0.key < $1.key }.first { $0.value[highest] != nil }?.value[highest]
        : ranks[highest]
      throw CheckpointError(
        .malformed, "a file of rank \(highest), though there are \(counted(count, "rank"))",
        file: path(name ?? ""), expected: "ranks 0 to \(count - 1), by 'model_parallel_size'",
        found: "rank \(highest)", hint: "is the configuration that of this checkpoint?")
    }
    // Far fewer than any number that a file's name can have.
    guard numbers.count == count else {
      let rank = (0..<count).first { !numbers.contains($0) } ?? 0
      throw Self.missing(
        path(isPipeline ? Self.layerName(0, rank) : Self.rankName(rank)), .embedding, rank,
        said == nil ? "ranks are numbered from 0" : "'model_parallel_size' is \(count)")
    }
    return count
  }

  /// Makes sure that every module has a file of every rank, and that there are no others.
  ///
  /// - Parameters:
  ///   - modules: of the model.
  ///   - layerCount: how many layers that are.
  ///   - rankCount: how many ranks there are.
  /// - Throws: `missing` or `malformed` with module and rank.
  func requireComplete(
    _ modules: [NeoXTable.Module], layerCount: Int, rankCount: Int
  ) throws(CheckpointError) {
    let expected = Set(modules.map { $0.number(layers: layerCount) })
    for module in modules {
      let number = module.number(layers: layerCount)
      for rank in 0..<rankCount where layers[number]?[rank] == nil {
        throw Self.missing(
          path(Self.layerName(number, rank)), module, rank,
          "the model has \(counted(layerCount, "layer")) and \(counted(rankCount, "rank"))")
      }
    }
    for (number, files) in layers.sorted(by: { $0.key < $1.key }) where !expected.contains(number) {
      throw CheckpointError(
        .malformed, "a module that the model doesn't have", file: path(files.values.min() ?? ""),
        expected:
          "modules 0, \(NeoXTable.Module.firstLayer) to \(layerCount + 1), \(modules.last?.number(layers: layerCount) ?? 0)",
        found: "module \(number)",
        hint: "num_layers and no_weight_tying of the configuration say which modules there are")
    }
  }

  /// The error for a file that isn't there.
  static func missing(
    _ path: String, _ module: NeoXTable.Module, _ rank: Int, _ reason: String
  ) -> CheckpointError {
    CheckpointError(
      .missing, "rank \(rank) of \(module.title) is missing, though \(reason)", file: path,
      hint: "the copy is incomplete, or files have been renamed: get the step's files again")
  }
}
