public import CheckpointConversion
public import CheckpointFormats
import FileContainers
import Foundation
public import TensorEvaluation
public import TensorModel

/// All parts of a verification together.
public struct VerificationMerge: Sendable {
  private let folder: String
  private let resources: EvaluationResources
  private let catalogues: CatalogueProcess?
  private let datasets: DatasetProcess?

  /// Whether a folder is of parts of a verification.
  public static func isOne(_ folder: String) -> Bool {
    FileKind(ofEntry: "\(folder)/\(VerificationDescription.fileName)") == .file
  }

  /// A merge.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - resources: memory and threads.
  ///   - catalogues: lists what libhdf5 sees in a store's volumes.
  ///   - datasets: opens HDF5 files of others.
  public init(
    _ folder: String, _ resources: EvaluationResources, catalogues: CatalogueProcess?,
    datasets: DatasetProcess?
  ) {
    self.folder = folder
    self.resources = resources
    self.catalogues = catalogues
    self.datasets = datasets
  }

  /// How far the parts in a folder are.
  ///
  /// - Parameter folder: of the parts.
  /// - Returns: the status.
  /// - Throws: `missing` if there are none, `malformed`, `inputOutput`.
  public static func status(of folder: String) throws(CheckpointError) -> PartsStatus {
    guard let description = try VerificationDescription(of: folder) else {
      throw CheckpointError(.missing, "no parts of a verification", file: folder)
    }
    let missing = Set(try description.missing(in: folder))
    return PartsStatus(
      (1...max(1, description.partCount)).map { number in
        let byteCount =
          description.byteCounts.indices.contains(number - 1)
          ? description.byteCounts[number - 1] : 0
        let isMissing = missing.contains(number)
        return PartsStatus.Part(
          part: number, state: isMissing ? .absent : .complete, byteCount: byteCount,
          doneByteCount: isMissing ? 0 : byteCount)
      })
  }

  /// The report, as a single run would have it.
  ///
  /// - Parameter wait: for how many seconds parts that aren't seen are looked for again.
  /// - Returns: the report.
  /// - Throws: `missing` where parts are, `conflict` if the checkpoint has changed since, what keeps the checks from running.
  public func run(wait: Double = 0) throws(CheckpointError) -> VerificationReport {
    guard let description = try VerificationDescription(of: folder) else {
      throw CheckpointError(.missing, "no parts of a verification", file: folder)
    }
    try waitForAll(description, wait)
    var parts: [VerificationReading] = []
    for number in 1...max(1, description.partCount) {
      guard let part = PartNumber(number, of: description.partCount) else { break }
      let path = "\(folder)/\(VerificationShare.fileName(part))"
      let share = try VerificationShare.parsed(VerificationShare.self, path)
      guard share.catalogue == description.catalogue else {
        throw CheckpointError(
          .conflict, "is a part of another verification", file: path,
          hint: "remove it, and do this part again")
      }
      parts.append(share.reading)
    }
    return try verified(description, parts)
  }

  private func waitForAll(
    _ description: VerificationDescription, _ wait: Double
  ) throws(CheckpointError) {
    let end = ContinuousClock.now + .seconds(wait)
    while true {
      let missing = try description.missing(in: folder)
      if missing.isEmpty { return }
      try resources.checkCancellation()
      guard ContinuousClock.now < end else {
        throw CheckpointError(
          .missing, "not all parts are complete", file: folder,
          expected: counted(description.partCount, "part"),
          found: "without \(NumberRanges.text(missing))",
          hint:
            "do these, then merge again; where a file system still hides them from this machine, --wait 90s looks again"
        )
      }
      Thread.sleep(forTimeInterval: 0.5)
    }
  }

  private func verified(
    _ description: VerificationDescription, _ parts: [VerificationReading]
  ) throws(CheckpointError) -> VerificationReport {
    let request = description.request
    var options = OpenOptions(checkCancellation: resources.checkCancellation)
    options.datasets = datasets
    options.configuration = request.configuration
    options.configurationName = request.configurationName
    if !request.bases.isEmpty {
      options.bases = GivenBases(request.bases.map(\.here), resources, progress: .none)
    }
    let inputs = try VerificationInputs(request, options)
    let verifier = inputs.verifier(resources, catalogues, .none)
    let source = try ifUsable { () throws(CheckpointError) in
      try OpenedCheckpoint(request.checkpoint.here, verifier.openOptions).source
    }
    guard try VerificationPart.catalogue(source, inputs) == description.catalogue else {
      throw CheckpointError(
        .conflict, "a checkpoint has changed since its parts were verified",
        file: request.checkpoint.here,
        hint: "verify it again, with another folder for the parts")
    }
    if let source, !source.lacksBase { try requireWhole(parts, source) }
    return try inputs.verified(resources, catalogues, .none, parts: parts)
  }

  /// Makes sure that parts have read every tensor, if any.
  private func requireWhole(
    _ parts: [VerificationReading], _ source: Source
  ) throws(CheckpointError) {
    let tensors = source.checkpoint.tensors
    let reading = VerificationReading.contents(of: parts)
    let identities = reading.contents.identities
    let isWhole =
      identities.count == tensors.count
      && zip(identities, tensors).allSatisfy { ExactName($0.name) == ExactName($1.name) }
    guard
      !reading.errors.isEmpty
        || (isWhole || identities.isEmpty)
          && [0, tensors.count].contains(reading.contents.census.count)
    else {
      throw CheckpointError(
        .malformed, "the parts don't say of every tensor what came of it", file: folder,
        hint: "remove the folder, and do all parts again with one version of weighbridge")
    }
  }
}
