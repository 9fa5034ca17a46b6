import FileContainers
import ModelArchitectures
import TensorModel

/// The state dicts of a step, by module and rank.
struct NeoXStates {
  /// A tensor of a module on a rank.
  struct Piece {
    /// Its name in the module.
    let name: String
    let tensor: TorchTensor
    let file: TorchFile
    let fileName: String
  }

  /// Tensors by module and rank, in the order of the files.
  private(set) var pieces: [NeoXTable.Module: [[Piece]]] = [:]
  /// Numbers that the training noted, by the file that has them.
  private(set) var records: [(name: String, rank: Int, record: TrainingRecord)] = []
  /// Files that were opened, in order.
  private(set) var files: [(name: String, file: TorchFile, byteCount: Int)] = []
  /// What opening them brought up.
  private(set) var findings: [Finding] = []
  /// How many layers there are.
  let layerCount: Int
  /// The modules in order.
  let modules: [NeoXTable.Module]
  /// How many ranks there are.
  let rankCount: Int

  /// Opens all files.
  ///
  /// - Parameters:
  ///   - files: of the step.
  ///   - configuration: says how many layers and ranks there are; nil takes what the files prove.
  ///   - unpacking: for deflated members.
  /// - Throws: `missing` or `malformed` with module and rank where they are no whole model; what opening each throws.
  init(
    _ files: NeoXFiles, _ configuration: NeoXConfiguration?, _ unpacking: Unpacking
  ) throws(CheckpointError) {
    try Self.requireWeights(files, unpacking)
    rankCount = try files.rankCount(configuration?.rankCount)
    if files.isPipeline {
      let count = configuration?.layers ?? NeoXFiles.layerCount(files.layers.keys)
      layerCount = count
      let head = NeoXTable.Module.head.number(layers: count)
      modules = NeoXTable.Module.all(
        layers: count, hasHead: configuration.map { !$0.isTied } ?? (files.layers[head] != nil))
      try files.requireComplete(modules, layerCount: layerCount, rankCount: rankCount)
      for module in modules {
        let number = module.number(layers: layerCount)
        for rank in 0..<rankCount {
          let name = files.path(NeoXFiles.layerName(number, rank))
          let file = try Self.open(name, files, unpacking)
          try add(file, name, files)
          append(file.dictionary.tensors.map { ($0.name, $0.tensor) }, of: file, name, module)
        }
      }
      try readRecords(files, unpacking)
    } else {
      var opened: [(name: String, file: TorchFile)] = []
      for rank in 0..<rankCount {
        let name = files.path(NeoXFiles.rankName(rank))
        opened.append((name, try Self.open(name, files, unpacking)))
      }
      let numbers = opened.flatMap { $0.file.dictionary.tensors }.compactMap {
        Self.split($0.name)?.number
      }
      let count = configuration?.layers ?? NeoXFiles.layerCount(numbers)
      layerCount = count
      let head = NeoXTable.Module.head.number(layers: count)
      modules = NeoXTable.Module.all(
        layers: count, hasHead: configuration.map { !$0.isTied } ?? numbers.contains(head))
      for (rank, entry) in opened.enumerated() {
        try add(entry.file, entry.name, files)
        records.append((entry.name, rank, entry.file.dictionary.record))
        try sort(entry.file, entry.name, rank)
      }
    }
  }

  /// Makes sure that files of ranks aren't all that is left of a step whose layers had files of their own.
  private static func requireWeights(
    _ files: NeoXFiles, _ unpacking: Unpacking
  ) throws(CheckpointError) {
    guard !files.isPipeline, let first = files.ranks.min(by: { $0.key < $1.key }) else { return }
    let name = files.path(first.value)
    guard try NeoXFiles.hasNotesAlone(open(name, files, unpacking)) else { return }
    throw CheckpointError(
      .missing, "the training's notes alone: the files of the layers are not there", file: name,
      expected: "\(NeoXFiles.layerName(0, 0)) and the others beside it",
      hint: "the copy is incomplete: get the step's files again")
  }

  private static func open(
    _ name: String, _ files: NeoXFiles, _ unpacking: Unpacking
  ) throws(CheckpointError) -> TorchFile {
    do throws(CheckpointError) {
      let region = try files.tree.region(name)
      if let error = StandIn.error(head: try region.head(512)) { throw error }
      let file = try TorchFile(region, unpacking: unpacking)
      try requireOwnName(file, name)
      if let obstacle = file.dictionary.obstacle { throw obstacle }
      return file
    } catch { throw error.in(file: name) }
  }

  private mutating func add(
    _ file: TorchFile, _ name: String, _ files: NeoXFiles
  ) throws(CheckpointError) {
    for finding in file.findings where isNew(finding) {
      findings.append(
        Finding(
          finding.severity, finding.check, finding.message, file: name, tensor: finding.tensor))
    }
    self.files.append((name, file, try files.tree.region(name).byteCount))
  }

  /// Notes are much the same for every file: the first will do.
  private func isNew(_ finding: Finding) -> Bool {
    finding.severity > .note || !findings.contains { $0.check == finding.check }
  }

  /// Makes sure that a file is called as it was when it was saved, if that is another rank's or module's name.
  private static func requireOwnName(
    _ file: TorchFile, _ path: String
  ) throws(CheckpointError) {
    guard let saved = file.savedName.map({ "\($0).pt" }) else { return }
    let name = Directories.split(path).name
    let isOfStep = NeoXFiles.layer(named: saved) != nil || saved.hasPrefix("mp_rank_")
    guard !isOfStep || saved == name else {
      throw CheckpointError(
        .malformed, "a file that was saved under another name", expected: saved, found: name,
        hint: "module and rank are in the name alone: give it its own name, and get the right file")
    }
  }

  /// Reads what files without weights say of the model; nothing else needs them.
  private mutating func readRecords(
    _ files: NeoXFiles, _ unpacking: Unpacking
  ) throws(CheckpointError) {
    for (rank, leaf) in files.ranks.sorted(by: { $0.key < $1.key }) {
      let name = files.path(leaf)
      do throws(CheckpointError) {
        let region = try files.tree.region(name)
        let file = try TorchFile(region, unpacking: unpacking)
        try Self.requireOwnName(file, name)
        records.append((name, rank, file.dictionary.record))
        self.files.append((name, file, region.byteCount))
      } catch {
        if error.code.isTransient { throw error }
        findings.append(
          Finding(
            .warning, "training-arguments",
            "can't be read, so that its settings aren't compared with the configuration: \(error.summary)",
            file: name))
      }
    }
  }

  /// Module and name of a Sequential's tensor.
  private static func split(_ name: String) -> (number: Int, rest: String)? {
    guard name.hasPrefix(NeoXFiles.sequence) else { return nil }
    let rest = name.dropFirst(NeoXFiles.sequence.count)
    guard let point = rest.firstIndex(of: "."), let number = Int(rest[..<point]),
      String(number) == rest[..<point]
    else { return nil }
    return (number, String(rest[rest.index(after: point)...]))
  }

  private mutating func sort(
    _ file: TorchFile, _ fileName: String, _ rank: Int
  ) throws(CheckpointError) {
    let byNumber = Dictionary(
      uniqueKeysWithValues: modules.map { ($0.number(layers: layerCount), $0) })
    var found: [NeoXTable.Module: [(String, TorchTensor)]] = [:]
    for (name, tensor) in file.dictionary.tensors {
      guard let (number, rest) = Self.split(name), let module = byNumber[number] else {
        throw CheckpointError(
          .unsupported, "a tensor of a module that the model doesn't have", file: fileName,
          tensor: name, expected: "\(counted(layerCount, "layer")), as the configuration says",
          hint: "num_layers and no_weight_tying of the configuration say which modules there are")
      }
      found[module, default: []].append((rest, tensor))
    }
    for module in modules {
      guard let tensors = found[module] else {
        throw NeoXFiles.missing(
          fileName, module, rank, "the model has \(counted(layerCount, "layer"))")
      }
      append(tensors, of: file, fileName, module)
    }
  }

  private mutating func append(
    _ tensors: [(name: String, tensor: TorchTensor)], of file: TorchFile, _ fileName: String,
    _ module: NeoXTable.Module
  ) {
    pieces[module, default: []].append(
      tensors.map { Piece(name: $0.name, tensor: $0.tensor, file: file, fileName: fileName) })
  }
}
