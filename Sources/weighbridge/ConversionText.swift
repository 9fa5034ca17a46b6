import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel

/// What `convert` says to people.
enum ConversionText {
  /// The line that says what gives way.
  static func replacing(_ replaced: ConversionJob.Observer.Replaced) -> String {
    "replaces     what is there: \(counted(replaced.fileCount, "file")), \(humanSize(replaced.byteCount))"
  }

  /// The three lines before the work: what was recognised, what will be written, what it needs.
  static func opening(
    _ plan: ConversionPlan, _ source: Source, _ destination: String, _ shared: SharedOptions
  ) -> String {
    let parent = Directories.split(destination).parent
    let free = freeByteCount(at: parent).map { " of \(humanSize($0)) free" } ?? ""
    let resources = shared.resources
    let memory = resources.bufferByteCount + min(plan.factorByteCount, resources.factorByteCount)
    return """
      source       \(sourceLine(source))
      destination  \(destinationLine(plan, destination))\(baseLine(plan).map { "\n" + $0 } ?? "")
      needs        \(plan.knowsSizes ? "" : "at most ")\(humanSize(plan.byteCount))\(free) on disk, up to \(humanSize(memory)) of memory, \(counted(resources.threads, "thread"))
      """
  }

  private static func sourceLine(_ source: Source) -> String {
    let checkpoint = source.checkpoint
    let family = source.architectureName.map { ", family \(printable($0))" } ?? ""
    return
      "\(printable(source.path)): \(checkpoint.format), \(printable(checkpoint.layout))\(family), \(counted(checkpoint.tensors.count, "tensor")), \(humanSize(checkpoint.byteCount))"
  }

  private static func destinationLine(_ plan: ConversionPlan, _ destination: String) -> String {
    let dtypes = Set(plan.tensors.map(\.type.dtype.rawValue)).sorted().joined(separator: ", ")
    let form = dtypes.isEmpty ? plan.format : "\(plan.format) \(dtypes)"
    return
      "\(printable(destination)): \(form), \(counted(plan.tensors.count, "tensor")) in \(counted(plan.weightFiles.count, "file"))"
  }

  /// What a difference is a difference to, and how many tensors are what; nil for complete checkpoints.
  private static func baseLine(_ plan: ConversionPlan) -> String? {
    guard let base = plan.base else { return nil }
    let counts = plan.relationCounts
    return
      "base         \(printable(base.hint)), root \(base.root): \(counted(counts.same, "tensor")) the same, \(grouped(counts.difference)) differ, \(grouped(counts.plain)) by themselves"
  }

  /// The line after the work.
  ///
  /// - Parameters:
  ///   - certificate: of what was written.
  ///   - destination: as the user has named it.
  ///   - resumedTensorCount: tensors that were taken over from an interrupted run.
  ///   - base: where the base lies that it is a difference to; nil for a complete one.
  /// - Returns: what is exact, and what to do next.
  static func closing(
    _ certificate: Certificate, _ destination: String, resumedTensorCount: Int = 0,
    base: String? = nil
  ) -> String {
    let tensors = certificate.tensors
    let rounded = tensors.filter { $0.exactness == .rounded }
    let largest = rounded.map(\.largestErrorUlp).max() ?? 0
    let overflowed = tensors.reduce(0) { $0 + $1.overflowCount }
    var text =
      "\(counted(tensors.count, "tensor")): \(grouped(tensors.count - rounded.count)) exact"
    if !rounded.isEmpty {
      text += ", \(grouped(rounded.count)) rounded by at most \(ulp(largest)) ulp"
    }
    if let validation = certificate.validation {
      text +=
        validation.maxAbsLogitDifference.map {
          String(format: "; logits differ by at most %.3g, ", $0)
        } ?? "; LOGITS ARE NO NUMBERS, "
      text += String(
        format: "same likeliest token at %.1f %% of %d positions",
        100 * validation.sameTopFraction, validation.tokenCount)
    }
    if overflowed > 0 { text += ", \(counted(overflowed, "value")) became infinite" }
    if resumedTensorCount > 0 {
      text += "; \(grouped(resumedTensorCount)) taken over from the interrupted run"
    }
    let option = base.map { " --base \(shellQuoted($0))" } ?? ""
    return text
      + "; root \(certificate.root); check it again with: \(shellCommand("weighbridge verify\(option)", result(certificate, destination)))"
  }

  /// What can be opened: of a file that was cut into parts, the first.
  private static func result(_ certificate: Certificate, _ destination: String) -> String {
    let (parent, name) = Directories.split(destination)
    guard let first = certificate.files.first?.name,
      GGUFSplit.partCount(of: first, cutFrom: name) != nil
    else { return destination }
    return parent == "." ? first : "\(parent)/\(first)"
  }

  private static func ulp(_ value: Double) -> String {
    String(format: "%.3g", value)
  }

  /// The plan for `--dry-run`.
  static func print(
    _ plan: ConversionPlan, _ source: Source, _ destination: String, line: (String) -> Void
  ) {
    line("source       \(sourceLine(source))")
    line("destination  \(destinationLine(plan, destination))")
    if let base = baseLine(plan) { line(base) }
    line(
      "needs        \(plan.knowsSizes ? "" : "at most ")\(humanSize(plan.byteCount)) on disk")
    if let counts = plan.evenPartCounts { line("even parts   \(counts)") }
    line("")
    // Plans list tensors in canonical order, which need not be that of the files.
    var tensors = [[Int]](repeating: [], count: plan.weightFiles.count)
    for (place, tensor) in plan.tensors.enumerated() { tensors[tensor.file].append(place) }
    for (file, places) in zip(plan.weightFiles, tensors) {
      line("\(printable(file.name))  \(humanSize(file.byteCount))")
      var names = ColumnWidth(limit: 48)
      for place in places { names.add(plan.tensors[place].name) }
      for place in places {
        let tensor = plan.tensors[place]
        let expression = ColumnWidth.shown(tensor.expression.description)
        line(
          "  \(names.padded(tensor.name))  \(tensor.type.dtype.rawValue) \(tensor.type.shape) = \(expression)"
        )
      }
    }
    for sidecar in plan.sidecars {
      line("\(printable(sidecar.name))  \(humanSize(sidecar.byteCount))")
    }
    if !plan.leftOut.isEmpty {
      line("left out: \(printable(plan.leftOut.joined(separator: ", ")))")
    }
    for finding in plan.findings { line(finding.line) }
  }
}

/// `convert --json`: the certificate, and what may differ from run to run.
struct ConversionDocument: Encodable {
  private let certificate: Certificate
  private let path: String
  private let resumedTensorCount: Int
  private let seconds: Double

  init(
    _ certificate: Certificate, _ path: String, resumedTensorCount: Int = 0, seconds: Double
  ) {
    self.certificate = certificate
    self.path = JSONDocument.path(path)
    self.resumedTensorCount = resumedTensorCount
    self.seconds = seconds
  }

  private struct Timing: Encodable { let seconds: Double }

  private enum CodingKeys: String, CodingKey { case schema, path, resumedTensors, timing }

  func encode(to encoder: any Encoder) throws {
    try certificate.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("conversion/v1", forKey: .schema)
    try container.encode(path, forKey: .path)
    try container.encode(resumedTensorCount, forKey: .resumedTensors)
    try container.encode(Timing(seconds: (seconds * 1000).rounded() / 1000), forKey: .timing)
  }
}
