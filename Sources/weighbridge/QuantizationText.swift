import CheckpointComparison
import CheckpointConversion
import Foundation
import Quantization
import TensorModel

/// What `quantize` says to people.
enum QuantizationText {
  /// What would be done.
  static func plan(
    _ report: QuantizationReport, listsTensors: Bool, evenParts: String?
  ) -> String {
    var lines = listsTensors ? tensors(report) + [""] : []
    lines += types(report) + reused(report) + [size(report)]
    if let evenParts { lines.append("even parts: \(evenParts)") }
    lines += report.findings.map(\.line)
    return lines.joined(separator: "\n")
  }

  /// A line for each tensor.
  private static func tensors(_ report: QuantizationReport) -> [String] {
    let names = column(report.tensors.map(\.name))
    let substitutions = Dictionary(
      report.substitutions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    return report.tensors.map { tensor in
      let reason =
        substitutions[tensor.name].map(reason) ?? reason(tensor, report.scheme)
      return
        "\(names.padded(tensor.name))  \(padded(tensor.dtype.name, 6)) \(padded("\(tensor.shape)", 16)) \(reason)"
    }
  }

  /// What came of it.
  ///
  /// - Parameters:
  ///   - report: of the run.
  ///   - destination: as the user has named it.
  ///   - labels: what source and result choose; nil if they weren't asked.
  ///   - listsSchemes: whether other schemes that were measured are listed.
  /// - Returns: lines.
  static func outcome(
    _ report: QuantizationReport, _ destination: String, labels: LabelComparison?,
    listsSchemes: Bool
  ) -> String {
    var lines = types(report) + reused(report)
    if let target = report.target { lines += ["", Self.target(target)] }
    let gains = [gain(report), outputGain(report)].compactMap { $0 }
    if !gains.isEmpty { lines += [""] + gains }
    if listsSchemes, let curve = report.curve { lines += [""] + Self.curve(curve) }
    if !report.worstTensors.isEmpty { lines += ["", "largest relative errors"] + worst(report) }
    lines += ["", size(report)]
    if let validation = report.validation { lines.append(self.validation(validation)) }
    if let labels { lines += LabelText(labels).lines }
    lines += report.exceeded.map { "\(Paint.text("EXCEEDED", .error)): \(excess($0))" }
    if let root = report.root {
      lines.append(
        "root \(root); check it again with: \(shellCommand("weighbridge verify", destination))"
      )
    }
    return lines.joined(separator: "\n")
  }

  private static func types(_ report: QuantizationReport) -> [String] {
    let rows = report.types.map { type in
      [
        type.dtype.name, grouped(type.tensorCount), grouped(type.parameterCount),
        humanSize(type.byteCount),
        type.largestRelativeRmse.map { String(format: "%.3g", $0) } ?? "",
      ]
    }
    return figureTable([["type", "tensors", "weights", "size", "worst relative error"]] + rows)
  }

  /// What of the source is moved or kept, by what it is there.
  private static func reused(_ report: QuantizationReport) -> [String] {
    func line(_ reuse: QuantizationReport.Tensor.Reuse, _ text: String) -> String? {
      let tensors = report.tensors.filter { $0.reuse == reuse }
      guard !tensors.isEmpty else { return nil }
      let types = Set(tensors.map(\.sourceType)).sorted().joined(separator: ", ")
      return "\(counted(tensors.count, "tensor")) of \(types) \(text), bit for bit"
    }
    return [line(.repacked, "repacked"), line(.kept, "kept as stored")].compactMap { $0 }
  }

  private static func worst(_ report: QuantizationReport) -> [String] {
    let tensors = report.worstTensors.compactMap { name in
      report.tensors.first { $0.name == name }
    }
    let names = column(tensors.map(\.name))
    return tensors.compactMap { tensor in
      guard let errors = tensor.errors else { return nil }
      let index = errors.largestErrorIndex.map(String.init).joined(separator: ", ")
      var line =
        "  \(names.padded(tensor.name))  \(padded(tensor.dtype.name, 6)) \(String(format: "%.3g", errors.relativeRmse))"
      if let plain = errors.defaultRelativeRmse { line += String(format: ", plain %.3g", plain) }
      if let output = errors.outputRelativeError, let best = errors.bestOutputRelativeError {
        line += String(format: ", outputs %.3g, best %.3g", output, best)
      }
      if let ratio = errors.signalToNoiseDb { line += String(format: ", %.1f dB", ratio) }
      line += String(
        format: ", cosine %.5f, at most %.3g at [\(index)]", errors.cosine, errors.largestError)
      if errors.flushedBlockCount > 0 {
        line += ", \(counted(errors.flushedBlockCount, "block")) became zero"
      }
      return line
    }
  }

  /// Schemes beside the result, the smallest first.
  private static func curve(_ curve: SizeCurve) -> [String] {
    let points = curve.points.filter { $0.role != .choice }.sorted {
      ($0.byteCount, $0.scheme ?? "") < ($1.byteCount, $1.scheme ?? "")
    }
    let isRun = points.contains { $0.klDivergence != nil }
    let rows = points.map { point in
      let name =
        switch point.role {
        case .result: [point.scheme, "(written)"].compactMap { $0 }.joined(separator: " ")
        case .preset: "\(point.scheme ?? "") (plain preset)"
        case .scheme, .choice: point.scheme ?? ""
        }
      return [
        name, humanSize(point.byteCount), String(format: "%.3f", point.bitsPerWeight),
        threeDigitsInColumn(point.relativeRmse),
      ] + (isRun ? [point.klDivergence.map(threeDigitsInColumn) ?? ""] : [])
    }
    let head = ["scheme", "size", "bits per weight", "relative error"]
    return figureTable([head + (isRun ? ["KL divergence"] : [])] + rows)
  }

  /// What the result is called: its scheme, or what types were chosen for.
  static func kind(_ report: QuantizationReport) -> String {
    guard let target = report.target, !target.isPresetTaken else { return report.scheme.name }
    return "a mix for \(wanted(target))"
  }

  /// What was asked for.
  static func wanted(_ target: SizeTargetRecord) -> String {
    if let count = target.wantedByteCount { return humanSize(count) }
    return String(format: "%g bits per weight", target.wantedBitsPerWeight ?? 0)
  }

  /// What a target for the size comes to, and the scheme beside it.
  static func target(_ record: SizeTargetRecord) -> String {
    func text(_ figures: SizeTargetRecord.Figures) -> String {
      String(
        format: "%.4f bits per weight, \(humanSize(figures.byteCount)), relative error %.4g",
        figures.bitsPerWeight, figures.relativeRmse)
    }
    var lines = ["target       \(text(record.predicted)) expected"]
    if let measured = record.measured { lines.append("measured     \(text(measured))") }
    if let preset = record.preset {
      let cost =
        record.trials == nil
        ? preset.relativeCost.map { ", expected to cost \(threeDigits($0)) × as much" } : nil
      lines.append("preset       \(preset.scheme): \(text(preset.figures))\(cost ?? "")")
    }
    if let sensitivities = record.sensitivities { lines += Self.sensitivities(sensitivities) }
    if let trials = record.trials { lines += Self.trials(trials) }
    let costsLess = record.trials == nil ? "is expected to cost less" : "costs less"
    if record.isPresetTaken {
      lines.append(
        "the preset \(costsLess), and is taken"
          + (record.excessByteCount.map { ": \(humanSize($0)) more than was asked for" } ?? ""))
    } else if let preset = record.preset, record.isPresetBetter {
      lines.append(
        "the preset is larger by \(humanSize(preset.figures.byteCount - record.predicted.byteCount)) and \(costsLess): --fallback preset takes it"
      )
    }
    return lines.joined(separator: "\n")
  }

  /// Which kinds of weight cost more and less than was expected.
  private static func sensitivities(_ kinds: [SizeTargetRecord.Sensitivity]) -> [String] {
    func text(_ kind: SizeTargetRecord.Sensitivity?) -> String {
      guard let kind else { return "" }
      var name = kind.kind
      if let first = kind.firstLayer, let last = kind.lastLayer {
        name += first == last ? " of layer \(first)" : " of layers \(first) to \(last)"
      }
      return "\(threeDigits(kind.factor)) (\(name))"
    }
    let least = kinds.min { $0.factor < $1.factor }
    let most = kinds.max { $0.factor < $1.factor }
    return [
      "ran alone    \(counted(kinds.count, "kind")) of weight: cost over what was expected from \(text(least)) to \(text(most))"
    ]
  }

  /// What choices of types cost where they were run.
  private static func trials(_ trials: [SizeTargetRecord.Trial]) -> [String] {
    let own = trials.filter { $0.scheme == nil }
    let texts = own.map { trial in
      (trial.klDivergence.map(threeDigits) ?? "no numbers")
        + (trial.isBest && own.count > 1 ? " (the best)" : "")
    }
    let presets = trials.compactMap { trial in
      trial.scheme.map { "; \($0) \(trial.klDivergence.map(threeDigits) ?? "no numbers")" }
    }
    return [
      "tried        \(counted(own.count, "choice")) of types: KL divergence \(texts.joined(separator: ", "))\(presets.joined())"
    ]
  }

  /// What the search for scales came to; nil where there was none.
  static func gain(_ report: QuantizationReport) -> String? {
    guard let (error, plain) = report.errorsOfAll else { return nil }
    return String(
      format:
        "root mean square of relative errors %.4g; plain quantization has %.4g (%+.1f %%)",
      error, plain, plain > 0 ? 100 * (error / plain - 1) : 0)
  }

  /// What making up for errors came to in layers' outputs; nil where that wasn't done.
  static func outputGain(_ report: QuantizationReport) -> String? {
    guard let (error, best, rows, rowsOfAll) = report.outputErrorsOfAll else { return nil }
    return String(
      format:
        "root mean square of outputs' relative errors %.4g; --quality best has %.4g (%+.1f %%); \(grouped(rows)) of \(grouped(rowsOfAll)) rows are nearer by that, the others as --quality best has them",
      error, best, best > 0 ? 100 * (error / best - 1) : 0)
  }

  private static func size(_ report: QuantizationReport) -> String {
    String(
      format:
        "%.3f bits per weight (source %.3g): \(humanSize(report.byteCount)) for \(counted(report.parameterCount, "weight"))",
      report.bitsPerWeight, report.source.bitsPerWeight)
  }

  private static func validation(_ figures: Certificate.Validation) -> String {
    guard let mean = figures.meanKlDivergence, let median = figures.medianKlDivergence,
      let p99 = figures.p99KlDivergence, let max = figures.maxKlDivergence
    else { return "SOURCE OR RESULT COMPUTES NO NUMBERS on the \(figures.tokenCount) tokens" }
    var line = String(
      format:
        "KL divergence mean %.3g, median %.3g, 99 %% %.3g, max %.3g nats; same likeliest token at %.1f %% of %d positions",
      mean, median, p99, max, 100 * figures.sameTopFraction, figures.tokenCount)
    if let increase = figures.negativeLogLikelihoodIncrease {
      line += String(format: "; negative log-likelihood %+.3g", increase)
    }
    return line
  }

  /// A limit, and by what it is exceeded.
  static func excess(_ excess: QuantizationReport.Excess) -> String {
    let found = excess.found.map(threeDigits) ?? "no number"
    switch excess.limit {
    case "max_flips":
      let found =
        excess.found.map { $0 == 1 ? "1 choice differs" : "\(counted(Int($0), "choice")) differ" }
        ?? "nothing was chosen"
      return "\(found), --max-flips allows \(Int(excess.allowed))"
    case "min_agreement":
      return
        "agreement is \(found), --min-agreement asks for \(threeDigits(excess.allowed))"
    default: break
    }
    let what =
      excess.limit == "max_kl"
      ? "the mean KL divergence" : "the relative error of \(ColumnWidth.shown(excess.tensor ?? ""))"
    return
      "\(what) is \(found), --\(excess.limit.replacing("_", with: "-")) allows \(threeDigits(excess.allowed))"
  }

  private static func reason(_ substitution: QuantizationReport.Substitution) -> String {
    "instead of \(substitution.wanted.name): \(substitution.columns) columns don't fill blocks of \(substitution.wanted.groupSize ?? 1)"
  }

  /// Where a tensor's codes are from if they aren't made, else why it gets its type; nothing for the type of most.
  static func reason(
    _ tensor: QuantizationReport.Tensor, _ scheme: QuantizationScheme
  ) -> String {
    switch tensor.reuse {
    case .repacked: return "repacked from \(tensor.sourceType)"
    case .kept: return "kept as it is"
    case nil: break
    }
    return switch tensor.reason {
    case .unquantized: "isn't quantized"
    case .scheme: ""
    case .rule: "\(scheme.name)'s rule for this tensor"
    case .head: "makes the logits"
    case .requested: "as requested"
    }
  }

  // MARK: Columns

  private static func column(_ names: [String]) -> ColumnWidth {
    var column = ColumnWidth(limit: 48)
    for name in names { column.add(name) }
    return column
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}
