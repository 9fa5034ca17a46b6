import ModelArchitectures
import TensorModel

/// Whether the files of modules and ranks can be of one step, as far as the ranks' copies tell.
///
/// A layer's file doesn't note its step. In a training that keeps copies equal they are equal in every layer. In one that doesn't (GPT-NeoX-20B is
/// one) they drift apart in every layer, since gradients of a layer go through all others. Layers with equal copies beside one without any are
/// therefore no drift: a file of that one is of another step, or another training. Where every layer differs nothing can be proven.
enum NeoXOneStep {
  /// Of a step's change, not of rounding: the share of values that differ in every copy, and by how much of their size.
  private static let (leastShare, leastDifference) = (0.5, 1.0 / 8192)

  /// Compares modules with each other.
  ///
  /// - Parameters:
  ///   - copies: how the ranks' copies compare, in all modules.
  ///   - checkpoint: has the files' names.
  /// - Throws: `malformed` with module and rank where a file is of another step.
  static func check(
    _ copies: [NeoXReplicas.Comparison], _ checkpoint: Checkpoint
  ) throws(CheckpointError) {
    var modules: [(module: NeoXTable.Module, copies: [NeoXReplicas.Comparison])] = []
    for copy in copies {
      if modules.last?.module != copy.module { modules.append((copy.module, [])) }
      modules[modules.count - 1].copies.append(copy)
    }
    let sound = modules.first { entry in
      if case .layer = entry.module { return entry.copies.allSatisfy(\.areEqual) }
      return false
    }
    guard let sound,
      let other = modules.first(where: { $0.copies.allSatisfy(isOfAnotherStep) }),
      let first = other.copies.first
    else { return }
    let suspects = suspects(other.copies)
    let files = suspects.compactMap { rank in
      checkpoint.position(of: first.parts[rank]).map { checkpoint.tensors[$0].file }
    }
    throw CheckpointError(
      .malformed,
      "\(suspects.map { "rank \($0)" }.joined(separator: " or ")) of \(other.module.title) is from another step of the training",
      file: files.first,
      expected: "the same copies on all ranks, as those of \(sound.module.title) are",
      found: "\(counted(other.copies.count, "tensor")) with other copies on other ranks",
      hint: "get \(files.joined(separator: " and ")) of the right step again")
  }

  private static func isOfAnotherStep(_ copy: NeoXReplicas.Comparison) -> Bool {
    !copy.areEqual && copy.differingShare >= leastShare && copy.relativeDifference > leastDifference
  }

  /// The ranks that differ from those that most agree on; all where no such group is larger than every other.
  private static func suspects(_ copies: [NeoXReplicas.Comparison]) -> [Int] {
    let ranks = copies[0].parts.indices
    let groups = Dictionary(grouping: ranks) { rank in copies.map { $0.firstEqual[rank] } }.values
      .sorted { $0.count > $1.count }
    guard groups.count > 1, groups[0].count > groups[1].count else { return Array(ranks) }
    return ranks.filter { !groups[0].contains($0) }
  }
}
