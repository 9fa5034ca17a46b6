import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// A base that was found to have the tensors that are needed, and what may be used to make sure.
struct BaseMatch: Sendable {
  let base: BaseCheckpoint
  let resources: EvaluationResources
}

/// Compares a base's tensors with those that a checkpoint was made with, each at most once.
final class BaseCheck: Sendable {
  private let match: BaseMatch
  private let need: BaseNeed
  /// Of all tensors of the checkpoint.
  private let names: [String]
  private let state = Mutex(State())

  private struct State {
    /// Found by reading, by the tensors' places among those that are needed.
    var digests: [Int: Digest] = [:]
    /// Places whose difference was told.
    var told: Set<Int> = []
  }

  init(_ match: BaseMatch, _ need: BaseNeed, _ names: [String]) {
    self.match = match
    self.need = need
    self.names = names
  }

  /// What is wrong with the base: the first tensor that differs and wasn't told before.
  ///
  /// - Parameter position: of the last tensor of the checkpoint whose base is looked at; those that are known to differ count in any case.
  /// - Returns: nil if nothing is.
  /// - Throws: what reading throws.
  func firstDifference(upTo position: Int) throws(CheckpointError) -> CheckpointError? {
    try state.withLock { state throws(CheckpointError) in
      var different: [Int] = []
      for (place, tensor) in need.tensors.enumerated() {
        if state.digests[place] == nil, tensor.position <= position {
          state.digests[place] = try digest(of: tensor)
        }
        guard let digest = state.digests[place], digest != tensor.base.digest else { continue }
        different.append(place)
        if position == .max { break }
      }
      guard let place = different.first(where: { !state.told.contains($0) }) ?? different.first
      else { return nil }
      state.told.insert(place)
      return need.error(
        at: place, names[need.tensors[place].position], of: match.base,
        found: state.digests[place])
    }
  }

  private func digest(of tensor: BaseNeed.Tensor) throws(CheckpointError) -> Digest? {
    guard let position = match.base.checkpoint.position(of: tensor.base.name) else { return nil }
    return try match.base.digest(of: position, match.resources)
  }
}

extension BaseNeed {
  /// A tensor of the base that isn't the one that is needed.
  ///
  /// - Parameters:
  ///   - place: among those that are needed.
  ///   - name: of the checkpoint's tensor.
  ///   - base: what was given.
  ///   - found: what it has there; nil for none.
  /// - Returns: the error.
  func error(
    at place: Int, _ name: String, of base: BaseCheckpoint, found: Digest?
  ) -> CheckpointError {
    let tensor = tensors[place]
    let other =
      ExactName(tensor.base.name) == ExactName(name) ? "" : " '\(tensor.base.name)'"
    return CheckpointError(
      found == nil ? .missing : .corrupt,
      found == nil
        ? "the base has no tensor\(other) of this name"
        : "the base's tensor\(other) isn't the one that this is a difference to",
      file: base.source.path, tensor: name,
      expected: "\(tensor.base.digest)", found: found.map { "\($0)" } ?? "none",
      hint: "name the base that it was made with by --base: '\(hint)', \(rootText)")
  }
}
