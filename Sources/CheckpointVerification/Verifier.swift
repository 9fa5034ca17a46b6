public import CheckpointFormats
import FileContainers
public import Quantization
public import TensorEvaluation
public import TensorModel

/// Checks a checkpoint without stopping at the first thing that is wrong.
public struct Verifier: Sendable {
  private let path: String
  private let openOptions: OpenOptions
  private let resources: EvaluationResources
  private let catalogues: CatalogueProcess?
  private let progress: @Sendable (Int) -> Void

  /// A verifier.
  ///
  /// - Parameters:
  ///   - path: the checkpoint's.
  ///   - openOptions: how to open it.
  ///   - resources: memory and threads.
  ///   - catalogues: lists what libhdf5 sees in a store's volumes; without it that isn't compared.
  ///   - progress: told of bytes as they are read.
  public init(
    _ path: String, _ openOptions: OpenOptions, _ resources: EvaluationResources,
    catalogues: CatalogueProcess? = nil,
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.path = path
    self.openOptions = openOptions
    self.resources = resources
    self.catalogues = catalogues
    self.progress = progress
  }

  /// Runs all checks.
  ///
  /// - Parameters:
  ///   - other: another checkpoint to compare every tensor with.
  ///   - importance: the matrix that the checkpoint was quantized with, if there was one.
  /// - Returns: checks and findings.
  /// - Throws: only what keeps the checks from running: `missing` if there is no such path, `inputOutput`, `noSpace`, `interrupted`, and anything that is wrong with
  ///   `other`. What is wrong with the checkpoint is in the report.
  public func run(
    against other: Source?, importance: ImportanceMatrix? = nil
  ) throws(CheckpointError) -> VerificationReport {
    var report = VerificationReport()
    guard FileKind(of: path) != nil || path == "-" else {
      throw PathObstacle.error(path)
    }
    let source: Source
    do throws(CheckpointError) { source = try Source(path, openOptions) } catch {
      if error.code.isTransient || error.code == .usage { throw error }
      let place = try ifUsable { () throws(CheckpointError) in try NamedPath(path).place } ?? path
      let findings = try StructureCheck(place).findings(after: error)
      report.record(.structure, findings, "the checkpoint can't be opened")
      for name in [
        VerificationReport.Name.configuration, .contents, .certificate, .against,
      ] where name != .against || other != nil {
        report.skip(name, "needs a checkpoint that opens")
      }
      return report
    }
    report.format = source.checkpoint.format
    let files = source.checkpoint.files.count
    report.record(
      .structure, source.checkpoint.findings,
      "\(counted(source.checkpoint.tensors.count, "tensor")) in \(counted(files, "file")), every byte accounted for"
    )
    if let store = source.reader as? StoreReader {
      try StoreCheck(store, source.place, catalogues).run(&report)
    }
    try ConfigurationCheck(source).run(&report)
    let contents = try ContentsCheck(source, resources, progress).run(&report)
    let certificate = try CertificateCheck(source, source.place).run(&report, contents)
    if let other {
      try AgreementCheck(source, other, importance, resources, progress)
        .run(&report, certificate)
      try other.confirm()
    }
    try source.confirm()
    return report
  }
}
