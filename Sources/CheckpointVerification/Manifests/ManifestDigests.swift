public import CheckpointFormats
import FileContainers
import ModelSigning
import Synchronization
public import TensorEvaluation
public import TensorModel

/// Digests of files and of the tensors in them: where tensors lie in a file as they are, its bytes are read once for both, and hashed for
/// both side by side.
struct ManifestDigests {
  /// Of the files, by their places in the list.
  private(set) var files: [(byteCount: Int, digest: Digest)] = []
  /// Of the stored tensors, in their order.
  private(set) var tensors: [Digest] = []

  /// What one thread does: a run through a file, for its own digest, and for those of tensors.
  private struct Piece {
    let file: InputFile
    /// The file's place in the list, where its own digest is wanted.
    let place: Int?
    let tensors: [Run]
    var byteCount: Int { place == nil ? tensors.reduce(0) { $0 + $1.bytes.count } : file.byteCount }
  }

  /// A tensor's bytes in a file.
  private struct Run {
    let position: Int
    let bytes: Range<Int>
  }

  private enum Outcome {
    case file(Int, byteCount: Int, Digest)
    case tensor(Int, Digest)
  }

  /// Digests all.
  ///
  /// - Parameters:
  ///   - listed: the files.
  ///   - source: the checkpoint.
  ///   - resources: threads, and whether to go on.
  ///   - progress: told of bytes as they are read.
  ///   - isPaired: whether a file's bytes are hashed for the file and for its tensors in the time of one.
  /// - Throws: what reading throws.
  init(
    _ listed: ListedFiles, _ source: Source, _ resources: EvaluationResources,
    _ progress: WorkProgress, isPaired: Bool = PairedDigest.isAccelerated
  ) throws(CheckpointError) {
    let placed = source.reader as? any PlacedTensorReader
    var runs: [FileIdentity: [Run]] = [:]
    var others: [Int] = []
    for position in source.reader.checkpoint.tensors.indices {
      if let region = placed?.place(of: position) {
        let bytes = region.offset..<region.offset + region.byteCount
        runs[region.file.identity, default: []].append(Run(position: position, bytes: bytes))
      } else {
        others.append(position)
      }
    }
    var pieces: [Piece] = []
    var opened: [InputFile] = []
    for name in listed.names { opened.append(try InputFile(path: listed.path(name))) }
    // A file is gone through by one thread for its own digest. Where tensors take time of their own, others take a large file's.
    let total = opened.reduce(0) { $0 + $1.byteCount }
    for (place, file) in opened.enumerated() {
      let tensors = (runs.removeValue(forKey: file.identity) ?? [])
        .sorted { ($0.bytes.lowerBound, $0.position) < ($1.bytes.lowerBound, $1.position) }
      if isPaired || file.byteCount * resources.threads <= total + total / 8 {
        pieces.append(Piece(file: file, place: place, tensors: tensors))
      } else {
        pieces.append(Piece(file: file, place: place, tensors: []))
        pieces += tensors.map { Piece(file: file, place: nil, tensors: [$0]) }
      }
    }
    others += runs.values.flatMap { $0.map(\.position) }
    pieces.sort { $0.byteCount > $1.byteCount }
    let work = pieces
    let decoded = others.reduce(0) { $0 + source.reader.checkpoint.tensors[$1].byteCount }
    progress.begin("hashing", work.reduce(decoded) { $0 + $1.byteCount })
    let outcomes = try ParallelPieces.map(work.count) { (number) throws(CheckpointError) in
      try Self.outcomes(work[number], resources, progress.add)
    }
    var files: [Int: (byteCount: Int, digest: Digest)] = [:]
    var tensors: [Int: Digest] = [:]
    for outcome in outcomes.joined() {
      switch outcome {
      case .file(let place, let byteCount, let digest): files[place] = (byteCount, digest)
      case .tensor(let position, let digest): tensors[position] = digest
      }
    }
    for (position, digest) in try Self.decoded(
      others.sorted(), source, resources, progress.add)
    {
      tensors[position] = digest
    }
    for file in opened { try file.confirm() }
    self.files = opened.indices.compactMap { files[$0] }
    self.tensors = source.checkpoint.tensors.indices.compactMap { tensors[$0] }
  }

  /// Tensors that have to be decoded, or that lie in files which aren't listed.
  private static func decoded(
    _ positions: [Int], _ source: Source, _ resources: EvaluationResources,
    _ progress: @escaping @Sendable (Int) -> Void
  ) throws(CheckpointError) -> [(Int, Digest)] {
    let checkpoint = source.reader.checkpoint
    var found: [(Int, Digest)] = []
    for run in EvaluationTask.runs(of: checkpoint.tensors.count) {
      let wanted = positions.filter(run.contains)
      guard !wanted.isEmpty else { continue }
      let collector = DigestCollector(progress: progress)
      let tasks = wanted.map { EvaluationTask.stored(in: checkpoint, $0..<$0 + 1)[0] }
      try EvaluationPipeline(source.reader, resources).run(tasks, collector)
      for (place, position) in wanted.enumerated() {
        if let digest = collector[place]?.digest { found.append((position, digest)) }
      }
    }
    return found
  }

  private static func outcomes(
    _ piece: Piece, _ resources: EvaluationResources, _ progress: (Int) -> Void
  ) throws(CheckpointError) -> [Outcome] {
    var outcomes: [Outcome] = []
    var own = PairedDigest()
    var waiting = piece.tensors[...]
    var running: [(run: Run, digest: PairedDigest)] = []
    let whole = piece.place != nil
    var offset = whole ? 0 : piece.tensors.first?.bytes.lowerBound ?? 0
    let end = whole ? piece.file.byteCount : piece.tensors.last?.bytes.upperBound ?? 0
    repeat {
      try resources.checkCancellation()
      let step = offset..<min(offset + InputFile.mappedByteCount, end)
      try piece.file.withBytes(step) { (stepBytes) throws(CheckpointError) in
        var ownBytes = UnsafeRawBufferPointer(rebasing: stepBytes[..<(whole ? step.count : 0)])
        while let next = waiting.first, next.bytes.lowerBound < max(step.upperBound, end) {
          guard next.bytes.lowerBound < step.upperBound || step.upperBound == end else { break }
          running.append((next, PairedDigest()))
          waiting.removeFirst()
        }
        for place in running.indices {
          let bytes = running[place].run.bytes.clamped(to: step)
          let (start, stop) = (bytes.lowerBound - offset, bytes.upperBound - offset)
          let together = min(bytes.count, ownBytes.count)
          own.update(
            UnsafeRawBufferPointer(rebasing: ownBytes[..<together]), with: &running[place].digest,
            UnsafeRawBufferPointer(rebasing: stepBytes[start..<stop]))
          ownBytes = UnsafeRawBufferPointer(rebasing: ownBytes[together...])
        }
        own.update(ownBytes)
      }
      for (run, digest) in running where run.bytes.upperBound <= step.upperBound {
        outcomes.append(.tensor(run.position, digest.digest))
      }
      running.removeAll { $0.run.bytes.upperBound <= step.upperBound }
      progress(step.count)
      offset = step.upperBound
    } while offset < end
    // Those without bytes at the very end.
    for run in waiting { outcomes.append(.tensor(run.position, PairedDigest().digest)) }
    if let place = piece.place {
      outcomes.append(.file(place, byteCount: piece.file.byteCount, own.digest))
    }
    return outcomes
  }
}

extension CheckpointManifest {
  /// The manifest of a checkpoint as it lies there.
  ///
  /// - Parameters:
  ///   - source: the checkpoint.
  ///   - resources: memory, threads and whether to go on.
  ///   - progress: told of bytes as they are read.
  /// - Throws: what reading throws.
  public init(
    of source: Source, _ resources: EvaluationResources,
    progress: WorkProgress = .none
  ) throws(CheckpointError) {
    let listed = try ListedFiles(of: source.place)
    if let obstacle = listed.obstacles.first {
      throw CheckpointError(
        .unsupported, "no manifest can list it", file: obstacle.name,
        expected: "a regular file", found: obstacle.kind,
        hint: "move it out of the checkpoint's folder, or rename it")
    }
    let seen = try SeenFiles(listed.paths, withChangeTimes: false)
    let digests = try ManifestDigests(listed, source, resources, progress)
    try source.confirm()
    try seen.confirm(ListedFiles(of: source.place).paths, "and the manifest isn't written")
    self.init(
      format: source.checkpoint.format,
      files: zip(listed.names, digests.files).map {
        File(name: $0, byteCount: $1.byteCount, digest: $1.digest)
      },
      tensors: zip(source.checkpoint.tensors, digests.tensors).map { tensor, digest in
        Tensor(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, byteCount: tensor.byteCount,
          digest: digest, file: tensor.file)
      })
  }
}
