import FileContainers
import ModelArchitectures
import TensorModel

/// Whether a model's head has weights of its own, told in three ways: by the configuration, by absence and by equality.
struct TiedWeights {
  /// A stored head that is the embedding once more, in the same storage.
  private(set) var repeated: ExactName?
  /// What is said where the three disagree.
  private(set) var findings: [Finding] = []

  /// Compares head and embedding.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - tensors: under canonical names.
  ///   - architecture: the family.
  ///   - isTied: what the configuration says.
  /// - Throws: what reading throws.
  init(
    _ reader: any CheckpointReader, _ tensors: [ExactName: CanonicalTensor],
    _ architecture: Architecture, isTied: Bool
  ) throws(CheckpointError) {
    guard let head = Self.stored(.weight(.head), architecture, tensors, reader),
      let embedding = Self.stored(.tokenEmbedding, architecture, tensors, reader)
    else { return }
    let infos = (reader.checkpoint.tensors[head], reader.checkpoint.tensors[embedding])
    let sharesStorage =
      (infos.0.sharesStorageWith ?? infos.0.name) == (infos.1.sharesStorageWith ?? infos.1.name)
    var isEqual = infos.0.dtype == infos.1.dtype && infos.0.shape == infos.1.shape
    if isEqual {
      isEqual = try StoredRun(reader, head).isEqual(to: StoredRun(reader, embedding))
    }
    if isTied && isEqual && sharesStorage { repeated = ExactName(infos.0.name) }
    guard
      let message = Self.message(
        isTied: isTied, isEqual: isEqual, isRepeated: repeated != nil, infos.1.name)
    else { return }
    findings = [
      Finding(
        isTied && !isEqual ? .warning : .note, "tied-weights", message, file: infos.0.file,
        tensor: infos.0.name)
    ]
  }

  /// What is said of a stored head; nil if there is nothing to say.
  private static func message(
    isTied: Bool, isEqual: Bool, isRepeated: Bool, _ embedding: String
  ) -> String? {
    switch (isTied, isEqual) {
    case (true, true) where isRepeated:
      "left out: the same weights as '\(embedding)', to which the configuration ties it"
    case (true, true): "equal to '\(embedding)', to which the configuration ties it: stored twice"
    case (true, false):
      "the configuration ties it to '\(embedding)', but its values differ: those stored here count, and other software may ignore them"
    case (false, true): "equal to '\(embedding)', although the configuration doesn't tie them"
    case (false, false): nil
    }
  }

  /// The place of the stored tensor that has a role, if it is stored as it is.
  private static func stored(
    _ role: DecoderRole, _ architecture: Architecture, _ tensors: [ExactName: CanonicalTensor],
    _ reader: any CheckpointReader
  ) -> Int? {
    guard let row = architecture.rows.first(where: { $0.role == role }),
      let tensor = architecture.spellings(of: row.name).lazy
        .compactMap({ tensors[ExactName($0)] }).first,
      case .stored(let name) = tensor.expression
    else { return nil }
    return reader.checkpoint.position(of: name)
  }
}
