public import FileContainers
public import TensorEvaluation
public import TensorModel

extension DifferenceReader {
  /// The root of all of the base's tensors, where those that are needed were found to be the ones that the store names.
  ///
  /// - Parameters:
  ///   - resources: memory and threads.
  ///   - progress: told of bytes as the base's other tensors are read.
  /// - Returns: the root, which is another than the store's where the base has other tensors beside those that are needed.
  /// - Throws: what reading throws.
  public func baseRoot(
    _ resources: EvaluationResources, progress: WorkProgress = .none
  ) throws(CheckpointError) -> Digest {
    let infos = base.checkpoint.tensors
    var digests = [Digest?](repeating: nil, count: infos.count)
    for needed in store.manifest.tensors.compactMap(\.base) {
      if let position = base.checkpoint.position(of: needed.name) {
        digests[position] = needed.digest
      }
    }
    let others = digests.indices.filter { digests[$0] == nil }
    progress.begin("reading the base", others.reduce(0) { $0 + infos[$1].byteCount })
    for run in EvaluationTask.runs(of: others.count) {
      let places = others[run]
      let collector = DigestCollector(progress: progress.add)
      try EvaluationPipeline(base, resources).run(
        places.flatMap { EvaluationTask.stored(in: base.checkpoint, $0..<$0 + 1) }, collector)
      for (task, place) in places.enumerated() { digests[place] = collector[task]?.digest }
    }
    return rootDigest(
      of: zip(infos, digests).compactMap { info, digest in
        digest.map {
          TensorIdentity(name: info.name, dtype: info.dtype, shape: info.shape, digest: $0)
        }
      })
  }
}
