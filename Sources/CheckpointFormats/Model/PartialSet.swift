import TensorModel

/// A set of shards of which some aren't there.
struct PartialSet {
  /// What is wrong; nil for complete sets and single files.
  static func problem(_ files: [Checkpoint.SourceFile]) -> ModelProblem? {
    let form = /.+-([0-9]{5})-of-([0-9]{5})\.[a-z]+/
    var numbers: [Int: Set<Int>] = [:]
    for file in files {
      guard let match = file.name.wholeMatch(of: form), let number = Int(match.1),
        let count = Int(match.2)
      else { continue }
      numbers[count, default: []].insert(number)
    }
    guard numbers.count == 1, let (count, found) = numbers.first, found.count < count else {
      return nil
    }
    return ModelProblem(
      "shards-missing",
      CheckpointError(
        .missing,
        count - found.count == 1
          ? "1 of \(count) shards is not here"
          : "\(count - found.count) of \(count) shards are not here", file: files.first?.name,
        hint: "put all shards into one folder and name the folder, or the index"))
  }
}
