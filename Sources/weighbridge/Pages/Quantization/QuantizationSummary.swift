import CheckpointConversion
import Foundation
import Quantization
import TensorModel

/// What the page of a quantization says before everything else.
struct QuantizationSummary {
  let verdict: Verdict
  let alerts: [PageAlert]
  let figures: [PageFigure]

  /// A summary.
  ///
  /// - Parameters:
  ///   - report: of the quantization.
  ///   - source: the name of what was quantized.
  init(_ report: QuantizationReport, source: String) {
    verdict = Self.verdict(report, source)
    alerts = Self.alerts(report)
    figures = Self.figures(report)
  }

  private static func verdict(_ report: QuantizationReport, _ source: String) -> Verdict {
    let isNumberless = report.validation.map { $0.meanKlDivergence == nil } ?? false
    let isLimited = !report.limits.areNone
    let (level, title) =
      !report.exceeded.isEmpty
      ? ("bad", "Limit exceeded")
      : isNumberless
        ? ("bad", "No numbers") : isLimited ? ("good", "Within limits") : ("plain", "Quantized")
    var size = "\(source) became \(QuantizationText.kind(report))"
    if let before = sourceByteCount(report) {
      size +=
        ": \(humanSize(before)) are \(humanSize(report.byteCount)) now (\(percent(Double(report.byteCount) / Double(before))))"
    } else {
      size += ": \(humanSize(report.byteCount))"
    }
    size += String(format: ", %.3f bits per weight", report.bitsPerWeight)
    var sentences = [size]
    if let error = worst(report)?.errors?.relativeRmse {
      sentences.append(
        "the largest relative error of a tensor is \(threeDigits(error))"
          + allowed("--max-rmse", report.limits.maxRmse))
    }
    if let validation = report.validation {
      let divergence = validation.meanKlDivergence.map { "\(threeDigits($0)) nats" } ?? "no number"
      sentences.append(
        "the mean KL divergence is \(divergence)\(allowed("--max-kl", report.limits.maxKl)), with the same likeliest token at \(percent(validation.sameTopFraction)) of \(counted(validation.tokenCount, "position"))"
      )
    }
    let limits = report.limits
    if let most = limits.maxFlips { sentences.append("--max-flips allows \(grouped(most))") }
    if let least = limits.minAgreement {
      sentences.append("--min-agreement asks for \(threeDigits(least))")
    }
    if !isLimited { sentences.append("no limits were given") }
    return Verdict(level: level, title: title, text: sentences.joined(separator: "; ") + ".")
  }

  private static func allowed(_ option: String, _ limit: Double?) -> String {
    limit.map { ", and \(option) allows \(threeDigits($0))" } ?? ""
  }

  private static func worst(_ report: QuantizationReport) -> QuantizationReport.Tensor? {
    report.worstTensors.first.flatMap { worst in report.tensors.first { $0.name == worst } }
  }

  /// Bytes of the source's tensors; nil if there are none.
  private static func sourceByteCount(_ report: QuantizationReport) -> Int? {
    let count = (report.source.bitsPerWeight * Double(report.parameterCount) / 8).rounded()
    return count > 0 ? Int(exactly: count) : nil
  }

  private static func alerts(_ report: QuantizationReport) -> [PageAlert] {
    var alerts = report.exceeded.map {
      PageAlert(level: "bad", title: "Limit exceeded", text: QuantizationText.excess($0))
    }
    if let validation = report.validation, validation.meanKlDivergence == nil {
      alerts.append(
        PageAlert(
          level: "bad", title: "No numbers",
          text: "the result computes no numbers on the \(counted(validation.tokenCount, "token"))"))
    }
    if let target = report.target, target.isPresetTaken, let preset = target.preset {
      let excess = target.excessByteCount.map { ", \(humanSize($0)) more than was asked for" } ?? ""
      alerts.append(
        PageAlert(
          level: target.excessByteCount == nil ? "good" : "warning", title: "The preset was taken",
          text:
            "\(QuantizationText.wanted(target)) were asked for; \(preset.scheme) \(target.trials == nil ? "is expected to cost" : "costs") predictions less than the best mix and has \(humanSize(preset.figures.byteCount))\(excess)"
        ))
    }
    let flushed = report.tensors.reduce(0) { $0 + ($1.errors?.flushedBlockCount ?? 0) }
    if flushed > 0 {
      alerts.append(
        PageAlert(
          level: "warning", title: "Blocks became zero",
          text:
            "\(counted(flushed, "block")) of small values \(flushed == 1 ? "is" : "are") all zero now"
        ))
    }
    for severity in [Finding.Severity.error, .warning] {
      let count = report.findings.count { $0.severity == severity }
      if count > 0 {
        alerts.append(
          PageAlert(
            level: severity == .error ? "bad" : "warning",
            title: counted(count, severity == .error ? "error" : "warning"), text: "see Findings"))
      }
    }
    return alerts
  }

  private static func figures(_ report: QuantizationReport) -> [PageFigure] {
    var figures = [
      PageFigure(
        name: "Bits per weight", value: String(format: "%.3f", report.bitsPerWeight),
        note: "source \(String(format: "%.4g", report.source.bitsPerWeight))"),
      PageFigure(
        name: "Size of the tensors", value: humanSize(report.byteCount),
        note: sourceByteCount(report).map {
          "\(percent(Double(report.byteCount) / Double($0))) of \(humanSize($0))"
        } ?? ""),
      PageFigure(
        name: "Weights", value: grouped(report.parameterCount),
        note: "in \(counted(report.tensors.count, "tensor"))"),
    ]
    if let worst = worst(report), let errors = worst.errors {
      figures.append(
        PageFigure(
          name: "Largest relative error", value: threeDigits(errors.relativeRmse),
          note: "\(worst.name), \(worst.dtype.name)"))
    }
    return figures + choices(report) + (report.validation.map(Self.figures) ?? [])
  }

  /// What better scales and chosen types come to, beside what would have been without.
  private static func choices(_ report: QuantizationReport) -> [PageFigure] {
    var figures: [PageFigure] = []
    if let (error, plain) = report.errorsOfAll {
      figures.append(
        PageFigure(
          name: "Mean relative error", value: threeDigits(error),
          note: "plain quantization has \(threeDigits(plain))"))
    }
    if let target = report.target {
      let found = target.measured ?? target.predicted
      figures.append(
        PageFigure(
          name: "Error at the target size", value: threeDigits(found.relativeRmse),
          note: target.preset.map {
            String(
              format: "\($0.scheme) has \(threeDigits($0.figures.relativeRmse)) at %.3f bits",
              $0.figures.bitsPerWeight)
          } ?? "expected \(threeDigits(target.predicted.relativeRmse))"))
    }
    return figures
  }

  private static func figures(_ validation: Certificate.Validation) -> [PageFigure] {
    func number(_ value: Double?) -> String { value.map(threeDigits) ?? "no number" }
    var figures = [
      PageFigure(
        name: "KL divergence, mean",
        value: validation.meanKlDivergence.map { "\(threeDigits($0)) nats" } ?? "no number",
        note:
          "median\u{a0}\(number(validation.medianKlDivergence)), 99\u{a0}%\u{a0}\(number(validation.p99KlDivergence)), max\u{a0}\(number(validation.maxKlDivergence))"
      ),
      PageFigure(
        name: "Same likeliest token", value: percent(validation.sameTopFraction),
        note: "of \(counted(validation.tokenCount, "position"))"),
    ]
    if let increase = validation.negativeLogLikelihoodIncrease {
      figures.append(
        PageFigure(
          name: "Negative log-likelihood", value: String(format: "%+.3g nats", increase),
          note: "a token; perplexity × \(String(format: "%.4f", exp(increase)))"))
    }
    figures.append(
      PageFigure(
        name: "Largest difference of a logit", value: number(validation.maxAbsLogitDifference),
        note: ""))
    return figures
  }
}
