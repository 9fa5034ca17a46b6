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
  ///   - placed: the tensors by their places.
  ///   - isTied: what the configuration says.
  /// - Throws: what reading throws.
  init(
    _ reader: any CheckpointReader, _ placed: [DecoderPlace: CanonicalTensor], isTied: Bool
  ) throws(CheckpointError) {
    func stored(_ role: DecoderRole) -> Int? {
      guard case .stored(let name) = placed[DecoderPlace(role)]?.expression else { return nil }
      return reader.checkpoint.position(of: name)
    }
    guard let head = stored(.weight(.head)), let embedding = stored(.tokenEmbedding) else { return }
    let infos = (reader.checkpoint.tensors[head], reader.checkpoint.tensors[embedding])
    let sharesStorage =
      (infos.0.sharesStorageWith ?? infos.0.name) == (infos.1.sharesStorageWith ?? infos.1.name)
    var isEqual = infos.0.dtype == infos.1.dtype && infos.0.shape == infos.1.shape
    if isEqual, let digests = Self.recorded(infos) {
      isEqual = digests.0 == digests.1
    } else if isEqual {
      isEqual = try StoredRun(reader, head).isEqual(to: StoredRun(reader, embedding))
    }
    // GGUF files repeat it for graphs that ask for a head.
    let isRepetition = sharesStorage || reader.checkpoint.format == GGUFFormat.name
    if isTied && isEqual && isRepetition { repeated = ExactName(infos.0.name) }
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

  /// The digests of both, where the checkpoint says them.
  private static func recorded(_ infos: (TensorInfo, TensorInfo)) -> (String, String)? {
    guard let first = infos.0.recordedDigest, let second = infos.1.recordedDigest else {
      return nil
    }
    return (first, second)
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
}
