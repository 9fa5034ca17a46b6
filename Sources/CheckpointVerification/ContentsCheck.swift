import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// Reads every stored tensor: checksums of the container are checked on the way, values that a dtype doesn't have are found.
struct ContentsCheck {
  private let source: Source
  private let resources: EvaluationResources
  private let progress: @Sendable (Int) -> Void
  /// Tensors of MXFP4's scales.
  private let scales: Set<ExactName>
  /// Those of quantized weights, and how their elements are looked at.
  private let partScales: [ExactName: DType]

  /// The scale that stands for no number (OCP Microscaling Formats 1.0, 5.4.1, E8M0).
  private static let scaleOfNoNumber = 255.0

  init(
    _ source: Source, _ resources: EvaluationResources,
    _ progress: @escaping @Sendable (Int) -> Void
  ) {
    self.source = source
    self.resources = resources
    self.progress = progress
    let places = (try? source.model().placed) ?? [:]
    let blockScales = Set<ExactName>(
      places.compactMap { place, tensor in
        guard case .mxfp4Scales(_) = place.role, tensor.dtype == .u8 else { return nil }
        return ExactName(tensor.name)
      })
    scales = blockScales
    let parts = (try? source.model().quantized?.parts) ?? []
    var partScales: [ExactName: DType] = [:]
    for tensor in source.checkpoint.tensors {
      let name = ExactName(tensor.name)
      guard parts.contains(name), !blockScales.contains(name) else { continue }
      partScales[name] = Self.looked(at: tensor)
    }
    self.partScales = partScales
  }

  /// The dtype by which a part's elements are looked at for what makes NaN; nil for codes and what else isn't a factor.
  private static func looked(at tensor: TensorInfo) -> DType? {
    switch tensor.dtype {
    case .f32, .f16, .bf16: tensor.name.hasSuffix(".weight") ? nil : tensor.dtype
    case .f8e4m3, .f8e8m0, .u8:
      ["scale", "scales", "scale_inv"].contains(where: tensor.name.hasSuffix) ? .u8 : nil
    default: nil
    }
  }

  /// Whether scales have one that makes NaN or infinities: in bytes the largest, which no other scale has (E4M3, E8M0).
  private static func isBroken(_ scales: TensorStatistics, _ dtype: DType) -> Bool {
    switch dtype {
    case .f8e4m3: [127, 255].contains(scales.maximum)
    case .u8, .f8e8m0: scales.maximum == scaleOfNoNumber
    default: scales.nanCount + scales.infinityCount > 0
    }
  }

  /// Identities of the stored tensors; nil if one couldn't be read.
  func run(_ report: inout VerificationReport) throws(CheckpointError) -> [TensorIdentity]? {
    let tensors = source.checkpoint.tensors
    var (errors, values): ([Finding], [Finding]) = ([], [])
    var identities: [TensorIdentity] = []
    identities.reserveCapacity(tensors.count)
    for run in EvaluationTask.runs(of: source.reader.checkpoint) {
      try read(run, &identities, &errors, &values)
    }
    var findings = errors
    guard findings.isEmpty else {
      report.record(
        .contents, findings,
        "\(findings.count) of \(tensors.count) tensors can't be read as they were written")
      return nil
    }
    do throws(CheckpointError) {
      findings = try source.reader.contentFindings()
      try source.reader.confirmUnlisted()
    } catch {
      if error.code.isTransient { throw error }
      report.record(.contents, [Finding("contents", error)], "not every tensor can be read")
      return nil
    }
    findings += values
    let sidecars = try SidecarSoundness.findings(of: source.checkpoint)
    findings += sidecars
    report.tensorCount = identities.count
    report.byteCount = source.checkpoint.byteCount
    report.root = rootDigest(of: identities)
    report.record(
      .contents, findings,
      "\(counted(identities.count, "tensor")) read"
        + (sidecars.isEmpty ? "" : "; not all files beside them are what their names say"))
    return identities
  }

  /// Reads some of the tensors, one after the other in the order of the source.
  private func read(
    _ run: Range<Int>, _ identities: inout [TensorIdentity], _ errors: inout [Finding],
    _ values: inout [Finding]
  ) throws(CheckpointError) {
    let tensors = source.checkpoint.tensors[run]
    let statistics = StatisticsCollector(
      tensors.map { tensor in
        let isScale = !scales.isEmpty && scales.contains(ExactName(tensor.name))
        if tensor.dtype == .bool || isScale { return .u8 }
        return partScales.isEmpty ? .c64 : partScales[ExactName(tensor.name)] ?? .c64
      })
    let collector = DigestCollector(
      statistics: statistics, goesOnAfterErrors: true, progress: progress)
    try EvaluationPipeline(source.reader, resources).run(
      EvaluationTask.stored(in: source.reader.checkpoint, run), collector)
    errors += collector.errors.map { Finding("contents", $0) }
    for (place, tensor) in tensors.enumerated() {
      guard let result = collector[place] else { continue }
      identities.append(
        TensorIdentity(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: result.digest))
      let isScale = !scales.isEmpty && scales.contains(ExactName(tensor.name))
      let isPartScale = !partScales.isEmpty && partScales[ExactName(tensor.name)] != nil
      guard isScale || isPartScale || tensor.dtype == .bool else { continue }
      let maximum = statistics.statistics(of: place)?.maximum ?? 0
      if isScale, maximum == Self.scaleOfNoNumber {
        values.append(
          Finding(
            .warning, "mxfp4-scale",
            "a scale of MXFP4 is \(Int(Self.scaleOfNoNumber)), which makes NaN of 32 weights",
            file: tensor.file, tensor: tensor.name))
      }
      if isPartScale,
        let found = statistics.statistics(of: place), Self.isBroken(found, tensor.dtype)
      {
        values.append(
          Finding(
            .warning, "scale-not-finite",
            "a scale of a quantized weight is NaN or infinite, and so are the values that have it",
            file: tensor.file, tensor: tensor.name))
      }
      if tensor.dtype == .bool, maximum > 1 {
        values.append(
          Finding(
            .warning, "bool-value", "a BOOL that is neither 0 nor 1", file: tensor.file,
            tensor: tensor.name))
      }
    }
  }
}
