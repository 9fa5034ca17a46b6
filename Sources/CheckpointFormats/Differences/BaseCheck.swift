import FileContainers
import TensorEvaluation
public import TensorModel

/// A base that was found to have the tensors that are needed, and what may be used to make sure.
struct BaseMatch: Sendable {
  let base: BaseCheckpoint
  let resources: EvaluationResources
  /// Whether each tensor that differs is told; otherwise the first alone.
  let tellsEach: Bool
  /// Of all of its tensors, where it was read as a whole to tell it from others.
  var digests: BaseDigests?
}

/// Compares a base's tensors with those that a checkpoint was made with, whole, each at most once.
final class BaseCheck: Sendable {
  private let match: BaseMatch
  private let need: BaseNeed
  /// Places among the tensors that are needed, by the checkpoint's positions.
  private let places: [Int: Int]
  private let digests: NeededDigests

  /// A check of the tensors that are needed; others may read in the same memory.
  init(_ match: BaseMatch, _ need: BaseNeed, _ pieces: PiecePool = PiecePool()) {
    self.match = match
    self.need = need
    places = Dictionary(
      need.tensors.enumerated().map { ($1.position, $0) }, uniquingKeysWith: { first, _ in first })
    digests = NeededDigests(match, need, pieces)
  }

  /// What is wrong with the base's tensor that a tensor needs.
  ///
  /// - Parameter position: of that one in the checkpoint.
  /// - Returns: nil if nothing is. Else its own error, or that of the first that differs: whoever finds it, in whatever order tensors are read.
  /// - Throws: what reading throws.
  func difference(at position: Int) throws(CheckpointError) -> CheckpointError? {
    guard let place = places[position], let error = try difference(place) else { return nil }
    return match.tellsEach ? error : try firstDifference(before: place) ?? error
  }

  /// The first tensor of the base that isn't the one that is needed.
  ///
  /// - Parameter place: where to stop; nil looks at all.
  /// - Returns: nil if there is none.
  /// - Throws: what reading throws.
  func firstDifference(before place: Int? = nil) throws(CheckpointError) -> CheckpointError? {
    do throws(CheckpointError) {
      _ = try ParallelPieces.map(place ?? need.tensors.count) { (place) throws(CheckpointError) in
        if let error = try difference(place) { throw error }
      }
      return nil
    } catch {
      guard error.isOfWrongBase else { throw error }
      return error
    }
  }

  /// All tensors of the base that aren't those that are needed.
  ///
  /// - Parameter known: what is known of some of them, by their places; these aren't read.
  /// - Returns: an error for each, in order.
  /// - Throws: what reading throws.
  func differences(
    besides known: [Int: CheckpointError]
  ) throws(CheckpointError) -> [CheckpointError] {
    try ParallelPieces.map(need.tensors.count) {
      (place) throws(CheckpointError) -> CheckpointError? in
      if let error = known[place] { return error }
      return try difference(place)
    }.compactMap { $0 }
  }

  private func difference(_ place: Int) throws(CheckpointError) -> CheckpointError? {
    let tensor = need.tensors[place]
    let found = try digests[place]
    return found == tensor.base.digest ? nil : need.error(at: place, of: match.base, found: found)
  }
}

extension BaseNeed {
  /// A tensor of the base that isn't the one that is needed.
  ///
  /// - Parameters:
  ///   - place: among those that are needed.
  ///   - base: what was given.
  ///   - found: what it has there; nil for none.
  /// - Returns: the error.
  func error(
    at place: Int, of base: BaseCheckpoint, found: Digest?
  ) -> CheckpointError {
    let tensor = tensors[place]
    return CheckpointError(
      found == nil ? .missing : .corrupt,
      found == nil
        ? "the base has no tensor\(otherName(place)) of this name"
        : "the base's tensor\(otherName(place)) isn't the one that this is a difference to",
      file: base.source.path, tensor: tensor.name,
      expected: "\(tensor.base.digest)", found: found.map { "\($0)" } ?? "none",
      hint: wrongBaseHint
    ).ofWrongBase
  }

  /// A tensor of the base that can't be the one that is needed, by its dtype and shape.
  ///
  /// - Parameters:
  ///   - place: among those that are needed.
  ///   - base: what was given.
  ///   - found: what it has there.
  /// - Returns: the error.
  func error(at place: Int, of base: BaseCheckpoint, found: TensorType) -> CheckpointError {
    let tensor = tensors[place]
    var extents = tensor.type.shape.dimensions.map { "\($0)" }
    // The base may have more rows, or fewer.
    if !tensor.isSame, !extents.isEmpty { extents[0] = "any" }
    return CheckpointError(
      .corrupt,
      "the base's tensor\(otherName(place)) isn't the one that this is a difference to",
      file: base.source.path, tensor: tensor.name,
      expected: "\(tensor.base.dtype.rawValue) [\(extents.joined(separator: ", "))]",
      found: "\(found.dtype.rawValue) \(found.shape)", hint: wrongBaseHint
    ).ofWrongBase
  }

  /// What the base calls a tensor, for messages, where that is another name.
  private func otherName(_ place: Int) -> String {
    let (own, base) = (tensors[place].name, tensors[place].base.name)
    return ExactName(base) == ExactName(own) ? "" : " '\(base)'"
  }

  /// What to do about another base.
  var wrongBaseHint: String {
    "name the base that it was made with by --base: '\(hint)', \(rootText)"
  }
}

extension [CheckpointError] {
  /// The first, which names the others; nil where there are none.
  var joined: CheckpointError? {
    guard var error = first else { return nil }
    error.others += dropFirst().map { Finding("wrong-base", $0) }
    return error
  }
}

extension CheckpointError {
  /// The same as what is wrong with a base.
  var ofWrongBase: CheckpointError { self.called("wrong-base") }

  /// The same of a file of the base, whose folder it names: others may be called the same.
  ///
  /// - Parameter path: the base's, as the user wrote it.
  /// - Returns: the error.
  func inBase(_ path: String) -> CheckpointError {
    guard let file, file != path, !file.hasPrefix("/"), !file.hasPrefix("\(path)/") else {
      return self.in(file: path)
    }
    var error = self
    error.file =
      Directories.split(path).name == file
      ? path : path.hasSuffix("/") ? "\(path)\(file)" : "\(path)/\(file)"
    return error
  }

  /// Whether it is what is wrong with a base.
  public var isOfWrongBase: Bool { check == ofWrongBase.check }
}
