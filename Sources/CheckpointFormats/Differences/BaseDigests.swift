public import FileContainers
public import TensorEvaluation
public import TensorModel

/// The digests of all of a base's tensors.
public struct BaseDigests: Sendable {
  private let tensors: [StoreManifest.BaseTensor]
  /// The root of all.
  public let root: Digest

  /// Reads the base.
  ///
  /// - Parameters:
  ///   - base: is read as a whole.
  ///   - resources: memory and threads.
  /// - Throws: what reading throws.
  public init(
    _ base: BaseCheckpoint, _ resources: EvaluationResources
  ) throws(CheckpointError) {
    let infos = base.checkpoint.tensors
    base.progress.begin("reading the base", base.checkpoint.byteCount)
    var tensors: [StoreManifest.BaseTensor] = []
    tensors.reserveCapacity(infos.count)
    for run in EvaluationTask.runs(of: infos.count) {
      let collector = DigestCollector(progress: base.progress.add)
      try EvaluationPipeline(base, resources).run(
        EvaluationTask.stored(in: base.checkpoint, run), collector)
      for (place, info) in infos[run].enumerated() {
        guard let digest = collector[place]?.digest else { continue }
        tensors.append(.init(name: info.name, dtype: info.dtype, digest: digest))
      }
    }
    self.tensors = tensors
    root = rootDigest(ofTensors: tensors.count, named: { infos[$0].name }) {
      TensorIdentity(
        name: infos[$0].name, dtype: infos[$0].dtype, shape: infos[$0].shape,
        digest: tensors[$0].digest)
    }
  }

  /// What is known of the tensor at a place.
  public func tensor(_ position: Int) -> StoreManifest.BaseTensor { tensors[position] }
}
