public import CheckpointConversion
public import CheckpointFormats
import FileContainers
import Quantization
public import TensorEvaluation
public import TensorModel

/// A part of a verification: reads its share.
public struct VerificationPart: Sendable {
  private let request: VerificationRequest
  private let options: OpenOptions
  private let resources: EvaluationResources
  private let progress: WorkProgress

  /// A part.
  ///
  /// - Parameters:
  ///   - request: what was asked for.
  ///   - options: how checkpoints are opened.
  ///   - resources: memory and threads.
  ///   - progress: told of each step, and of bytes as they are read.
  public init(
    _ request: VerificationRequest, _ options: OpenOptions, _ resources: EvaluationResources,
    progress: WorkProgress
  ) {
    self.request = request
    self.options = options
    self.resources = resources
    self.progress = progress
  }

  /// How many parts a folder is for; nil where it doesn't say.
  ///
  /// - Throws: `malformed`, `inputOutput`.
  public static func partCount(in folder: String) throws(CheckpointError) -> Int? {
    try VerificationDescription(of: folder)?.partCount
  }

  /// What came of it.
  public struct Outcome: Sendable {
    /// Tensors that were read.
    public let tensorCount: Int
    /// What is wrong with them, for whoever looks on: the merge judges it, with what is wrong with the whole.
    public let findings: [Finding]
    /// Whether it was complete before.
    public let wasComplete: Bool
  }

  /// Reads the share, and says in the folder what came of it.
  ///
  /// - Parameters:
  ///   - part: which.
  ///   - folder: of all parts.
  /// - Returns: what came of it; a part that is complete is left as it is.
  /// - Throws: `usage` for what every part would unpack, `conflict` if parts of other work are there; what keeps the check from running.
  public func run(
    _ part: PartNumber, in folder: String
  ) throws(CheckpointError) -> Outcome {
    let path = request.checkpoint.here
    guard FileKind(of: path) != nil else { throw PathObstacle.error(path) }
    try refuseWholes()
    try refuseInside(folder)
    let inputs = try VerificationInputs(request, options)
    let verifier = inputs.verifier(resources, nil, progress)
    let source = try ifUsable { () throws(CheckpointError) in
      try OpenedCheckpoint(path, verifier.openOptions).source
    }
    let catalogue = try Self.catalogue(source, inputs)
    try VerificationDescription(request, part, catalogue, source).claim(folder)
    let name = VerificationShare.fileName(part)
    let file = "\(folder)/\(name)"
    if fileExists(file) {
      let share = try VerificationShare.parsed(VerificationShare.self, file)
      guard share.catalogue == catalogue else {
        throw CheckpointError(
          .conflict, "is a part of another verification", file: file,
          hint: "remove it, and do this part again")
      }
      return outcome(share.reading, wasComplete: true)
    }
    var reading = VerificationReading()
    if let source {
      reading = try verifier.read(
        ReadingShare(part: part), source, against: inputs.other, statistics: inputs.statistics,
        request.selection)
    }
    try SharedFolder.writeOnce(
      name, in: folder,
      VerificationShare.text(VerificationShare(catalogue: catalogue, reading: reading)))
    try Directories.synchronise(folder)
    return outcome(reading, wasComplete: false)
  }

  /// Refuses what every part would have to unpack.
  private func refuseWholes() throws(CheckpointError) {
    for place in [request.checkpoint, request.against, request.replay].compactMap({ $0 }) {
      let path = place.path == "-" ? "-" : place.here
      if path == "-" || !CheckpointManifest.isOne(path) { try WholeArchive.refuse(path) }
    }
  }

  /// Refuses a folder for parts where its files would be taken for the checkpoint's.
  private func refuseInside(_ folder: String) throws(CheckpointError) {
    let places = [request.checkpoint, request.against, request.replay].compactMap { $0 }
    for place in places where FileKind(of: place.here) == .directory {
      let (outer, inner) = (Directories.resolved(place.here), Directories.resolved(folder))
      guard inner == outer || inner.hasPrefix("\(outer)/") else { continue }
      throw CheckpointError(
        .usage, "--parts is in a checkpoint that is read, whose files would be others then",
        file: folder, hint: "name a folder outside of \(place.path)")
    }
  }

  private func outcome(_ reading: VerificationReading, wasComplete: Bool) -> Outcome {
    let contents = reading.contents
    return Outcome(
      tensorCount: contents.contents.identities.count,
      findings: contents.errors + contents.values + (reading.agreement?.findings ?? []),
      wasComplete: wasComplete)
  }

  /// What tells whether two processes have opened the same checkpoints; one that can't be opened is like others.
  static func catalogue(
    _ source: Source?, _ inputs: VerificationInputs
  ) throws(CheckpointError) -> Digest {
    var digest = StreamingDigest()
    func add(_ text: String) {
      Array("\(text)\n".utf8).withUnsafeBytes { digest.update($0) }
    }
    func add(_ source: Source?) {
      guard let source else { return add("none") }
      for tensor in source.checkpoint.tensors {
        add("\(tensor.dtype.rawValue) \(tensor.shape) \(tensor.file) \(tensor.name)")
      }
      for input in source.inputs {
        add("\(input.byteCount ?? 0) \(input.modificationTime ?? 0) \(input.name)")
      }
    }
    add(source)
    add(inputs.other)
    let replayed = try inputs.replay.map { (replay) throws(CheckpointError) in
      try Source(replay.path, replay.openOptions)
    }
    add(replayed)
    if let manifest = inputs.manifest { add("\(manifest.manifest.root)") }
    if let importance = inputs.statistics.importance { add("\(importance.digest)") }
    if let moments = inputs.statistics.moments { add("\(moments.digest)") }
    if let source {
      let names = source.checkpoint.files.map(\.name)
      let place = try CertificatePlace(of: source.place, files: names)
      let folder =
        FileKind(of: source.place) == .directory
        ? source.place : Directories.split(source.place).parent
      let path = "\(folder)/\(place.name)"
      if fileExists(path) {
        let file = try InputFile(path: path)
        add("\(file.byteCount) \(file.modificationTime) \(place.name)")
      }
    }
    return digest.digest
  }
}
