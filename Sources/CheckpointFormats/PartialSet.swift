import TensorModel

/// Shards that say by their names how many there are: `model-00001-of-00003.safetensors`.
struct PartialSet {
  private let count: Int
  private let found: Set<Int>
  /// The name of a shard by its number.
  private let name: (Int) -> String

  /// - Parameter names: of files; nil if they aren't all of one set.
  private init?(_ names: [String]) {
    let form = /(.+)-([0-9]{5})-of-([0-9]{5})(\.[a-z0-9]+)/
    let matches = names.compactMap { $0.wholeMatch(of: form)?.output }
    guard let first = matches.first, let count = Int(first.3),
      matches.allSatisfy({ ($0.1, $0.3, $0.4) == (first.1, first.3, first.4) })
    else { return nil }
    self.count = count
    found = Set(matches.compactMap { Int($0.2) })
    name = { number in
      let digits = "\(number)"
      return
        "\(first.1)-\(String(repeating: "0", count: max(0, 5 - digits.count)))\(digits)-of-\(first.3)\(first.4)"
    }
  }

  /// Names of those that aren't there; a few programs count from 0.
  private var missing: [String] {
    let first = found.contains(0) ? 0 : 1
    return (0..<count).map { $0 + first }.filter { !found.contains($0) }.map(name)
  }

  /// What is wrong with what was opened; nil for complete sets and single files.
  static func problem(_ files: [Checkpoint.SourceFile]) -> ModelProblem? {
    guard let set = PartialSet(files.map(\.name)), let first = set.missing.first else { return nil }
    let count = set.missing.count
    return ModelProblem(
      "shards-missing",
      CheckpointError(
        .missing,
        count == 1
          ? "1 of \(set.count) shards is not here" : "\(count) of \(set.count) shards are not here",
        file: files.first?.name, expected: first, found: "none of that name",
        hint: "put all shards into one folder and name the folder, or the index"))
  }

  /// The error about shards without an index; nil for files that aren't of one set.
  ///
  /// - Parameters:
  ///   - names: of the files.
  ///   - index: what the index would be called.
  /// - Returns: which files are missing.
  static func error(_ names: [String], without index: String) -> CheckpointError? {
    guard let set = PartialSet(names) else { return nil }
    let missing = set.missing
    guard let first = missing.first else {
      return CheckpointError(
        .missing, "\(counted(names.count, "shard")) without their index", file: index,
        expected: "the list of which tensor is in which shard", found: "nothing",
        hint: "download \(index) as well")
    }
    let all = missing.prefix(3).joined(separator: ", ") + (missing.count > 3 ? ", …" : "")
    var error = CheckpointError(
      .missing, "a shard is not there, and the index neither", file: first,
      expected: "\(counted(set.count, "shard"))", found: "\(set.found.count)",
      hint: "download \(all) and \(index) as well")
    error.others = missing.dropFirst().prefix(1000).map {
      Finding(.error, "file-missing", "a shard is not there", file: $0)
    }
    return error
  }
}
