// model.safetensors.index.json and pytorch_model.bin.index.json, as transformers writes them:
//
//   { "metadata": { "total_size": bytes of all tensors }, "weight_map": { tensor name: shard file name } }

import FileContainers
import TensorModel

/// Which shard holds which tensor.
struct ShardIndex {
  /// The file's name.
  let fileName: String
  /// The most bytes that it may have.
  static let maximumByteCount = 100_000_000

  /// Shard names of the tensors.
  let weightMap: [ExactName: String]
  /// `total_size`, if it says one.
  let totalByteCount: Int?

  /// The shards, sorted.
  let shards: [String]

  /// The weight file of a folder that has no index.
  ///
  /// - Parameters:
  ///   - files: all of the format in the folder.
  ///   - kind: whose files they are, for the message.
  ///   - name: what an index would be called.
  ///   - tree: the folder.
  /// - Returns: the only one.
  /// - Throws: `missing` where there are several: nothing says how they belong together.
  static func only(
    of files: [String], kind: String, without name: String, in tree: any FileTree
  ) throws(CheckpointError) -> String {
    guard files.count == 1, let only = files.first else {
      if let error = PartialSet.error(files, without: name) { throw error }
      throw CheckpointError(
        .missing, "several \(kind) files without an index", file: tree.displayName,
        expected: name, found: files.prefix(4).joined(separator: ", "),
        hint: "download the index as well, or name one of the files")
    }
    return only
  }

  /// Parses an index.
  ///
  /// - Throws: `malformed`.
  init(parsing bytes: [UInt8], fileName: String) throws(CheckpointError) {
    self.fileName = fileName
    let document = try JSONFile.parse(bytes, fileName)
    guard let members = document["weight_map"]?.members else {
      throw CheckpointError(
        .malformed, "the index has no weight_map", file: fileName,
        expected: "an object of tensor names and file names",
        found: document["weight_map"]?.shortText, hint: "get the index again")
    }
    guard !members.isEmpty else {
      throw CheckpointError(
        .malformed, "the index lists no tensors", file: fileName,
        expected: "the tensors of the files beside it", found: "an empty weight_map",
        hint: "get the index again, or remove it if the folder has one weight file")
    }
    var weightMap: [ExactName: String] = [:]
    for member in members {
      guard let shard = member.value.text, !shard.isEmpty, !shard.utf8.contains(UInt8(ascii: "/")),
        !shard.utf8.contains(0), shard != "..", shard != "."
      else {
        throw CheckpointError(
          .malformed, "not the name of a file beside the index", file: fileName,
          tensor: member.key, found: member.value.shortText, hint: "get the index again")
      }
      weightMap[ExactName(member.key)] = shard
    }
    self.weightMap = weightMap
    shards = Set(weightMap.values).sorted()
    totalByteCount = document["metadata"]?["total_size"]?.integer
  }

  private init(_ other: ShardIndex, _ weightMap: [ExactName: String]) {
    fileName = other.fileName
    shards = other.shards
    totalByteCount = other.totalByteCount
    self.weightMap = weightMap
  }

  /// The same index with other names for the tensors, no two of them the same.
  func mappingNames(_ name: (String) -> String) -> ShardIndex {
    ShardIndex(
      self,
      Dictionary(
        weightMap.map { (ExactName(name($0.key.text)), $0.value) },
        uniquingKeysWith: { first, _ in first }))
  }

  /// Opens the shards.
  ///
  /// - Throws: `missing` if they aren't all there, `inputOutput`.
  func open(in tree: any FileTree) throws(CheckpointError) -> [(name: String, region: FileRegion)] {
    let missing = shards.filter { !tree.containsFile($0) }
    let errors = missing.map { name in
      CheckpointError(
        .missing, "a shard that the index names is not there", file: name,
        expected: "\(counted(shards.count, "shard"))",
        found: "\(shards.count - missing.count), and \(tree.obstacle(name)) here",
        hint: "download \(missing.prefix(3).joined(separator: ", ")) as well")
    }
    if var first = errors.first {
      first.others = errors.dropFirst().map { Finding("file-missing", $0) }
      throw first
    }
    var regions: [(name: String, region: FileRegion)] = []
    for name in shards { regions.append((name, try tree.region(name))) }
    return regions
  }

  /// What is wrong with an index that lies beside the one file that is read, and is of that file.
  ///
  /// - Parameter checkpoint: of the file.
  /// - Returns: what programs that go by the index would stumble over.
  func findings(beside checkpoint: Checkpoint) -> [Finding] {
    let problems = disagreements(with: checkpoint.tensors.map { ($0.name, $0.file) })
    return problems.isEmpty
      ? totalFindings(checkpoint.tensors) : problems.map { Finding("file-malformed", $0) }
  }

  private func totalFindings(_ tensors: [TensorInfo]) -> [Finding] {
    let sum = tensors.reduce(0) { $0 + $1.byteCount }
    // transformers counts what lies in one storage once.
    let shared = tensors.reduce(0) { $0 + ($1.sharesStorageWith == nil ? 0 : $1.byteCount) }
    guard let total = totalByteCount, total != sum, total != sum - shared else { return [] }
    return [
      Finding(
        .warning, "index-total-size",
        "the index's total_size is \(total), the tensors have \(sum) bytes", file: fileName)
    ]
  }

  /// Compares the index with what is really there.
  ///
  /// - Parameters:
  ///   - tensors: of all shards.
  ///   - unreadable: tensors beside them of which only the names are known.
  /// - Returns: a finding if only the sum of sizes is wrong.
  /// - Throws: the first disagreement, with the others.
  func check(
    _ tensors: [TensorInfo], unreadable: [(name: String, file: String)] = []
  ) throws(CheckpointError) -> [Finding] {
    let problems = disagreements(with: tensors.map { ($0.name, $0.file) } + unreadable)
    if var first = problems.first {
      first.others = problems.dropFirst().map { Finding("file-malformed", $0) }
      throw first
    }
    return unreadable.isEmpty ? totalFindings(tensors) : []
  }

  /// Everything in which the index and the shards disagree.
  ///
  /// - Parameter tensors: names and shard files of what is really there.
  /// - Returns: an error for each tensor that is misplaced, not listed or not there.
  private func disagreements(
    with tensors: [(name: String, file: String)]
  ) -> [CheckpointError] {
    var problems: [CheckpointError] = []
    var seen: Set<ExactName> = []
    for tensor in tensors {
      let name = ExactName(tensor.name)
      seen.insert(name)
      guard let place = weightMap[name] else {
        problems.append(
          CheckpointError(
            .malformed, "a shard has a tensor that the index doesn't list", file: tensor.file,
            tensor: tensor.name, expected: "an entry in \(fileName)",
            hint: "shards of two exports may be mixed: get them and the index again"
          ).called("index-unlisted-tensor"))
        continue
      }
      if place != tensor.file {
        problems.append(
          CheckpointError(
            .malformed, "a shard has a tensor that the index places elsewhere", file: tensor.file,
            tensor: tensor.name, expected: "in \(place) alone",
            hint: "programs that load whole shards take one or the other: get the shards again"
          ).called("index-stale-tensor"))
      }
    }
    for (name, shard) in weightMap.sorted(by: { $0.key < $1.key }) where !seen.contains(name) {
      problems.append(
        CheckpointError(
          .missing, "the index names a tensor that no shard has", file: fileName,
          tensor: name.text, expected: "in \(shard)", hint: "get \(shard) and the index again"
        ).called("index-missing-tensor"))
    }
    return problems
  }
}
