import CheckpointComparison
import Foundation
import TensorModel

/// What the page of a comparison says before everything else.
struct ComparisonPageSummary {
  let verdict: Verdict
  let alerts: [PageAlert]
  let figures: [PageFigure]

  /// A summary.
  ///
  /// - Parameters:
  ///   - comparison: of two checkpoints.
  ///   - verdict: what comes of it.
  ///   - forward: what both compute; nil if they didn't run.
  ///   - first: the name of the one.
  ///   - second: the name of the other.
  ///   - tolerance: of the logits; nil without one.
  ///   - gate: what labels were judged by; nil without limits.
  init(
    _ comparison: CheckpointComparison, _ verdict: ComparisonReport.Verdict,
    _ forward: ForwardComparison?, _ first: String, _ second: String, tolerance: Double?,
    gate: ComparisonReport.Gate?
  ) {
    let exceeded = gate?.exceeded ?? []
    let ofLogits = forward.flatMap { forward in tolerance.map { Self.verdict(forward, $0) } }
    let own = ofLogits ?? Self.verdict(comparison, verdict, forward, first, second)
    // Limits of labels come before the logits' for the exit code, too.
    self.verdict =
      if !exceeded.isEmpty {
        Verdict(level: "bad", title: "Limit exceeded", text: own.text)
      } else if gate != nil, ofLogits == nil {
        Verdict(level: "good", title: "Within limits", text: own.text)
      } else { own }
    alerts =
      exceeded.map {
        PageAlert(level: "bad", title: "Limit exceeded", text: QuantizationText.excess($0))
      } + Self.alerts(comparison, forward)
    figures = Self.figures(comparison, forward)
  }

  private static func verdict(
    _ comparison: CheckpointComparison, _ verdict: ComparisonReport.Verdict,
    _ forward: ForwardComparison?, _ first: String, _ second: String
  ) -> Verdict {
    let (level, title) =
      switch verdict {
      case .identical: ("good", "Identical")
      case .equalValues: ("good", "Equal values")
      case .equalWithinRounding: ("plain", "Equal within rounding")
      case .differentAttention: ("bad", "Different attention")
      case .different: ("warning", "Different")
      }
    let all = comparison.summary.all
    let tensors = all.tensorCount == 0 ? "no tensor" : counted(all.tensorCount, "tensor")
    var text = "\(first) and \(second) have \(tensors) in common"
    if all.tensorCount == 0 {
      text += ", by name and shape"
    } else if comparison.isIdentical {
      text += ", the same bit for bit"
    } else {
      text += "; \(grouped(all.equalCount)) of them have the same values"
      if all.roundedCount > 0 {
        text += ", \(grouped(all.roundedCount)) the same after rounding"
      }
      if let movement = all.movement, movement.relativeL2.isFinite {
        text +=
          ", and all together are moved by \(threeDigits(movement.relativeL2)) of their norm"
      }
    }
    if let forward {
      text +=
        "; on \(counted(forward.tokenCount, "token")) the mean KL divergence is \(number(forward.klDivergence.mean)) nats, with the same likeliest token at \(percent(forward.sameTopFraction)) of the positions"
    }
    return Verdict(level: level, title: title, text: text + ".")
  }

  /// Where logits may differ, that decides.
  private static func verdict(_ forward: ForwardComparison, _ tolerance: Double) -> Verdict {
    let isWithin = forward.maxAbsLogitDifference <= tolerance
    return Verdict(
      level: isWithin ? "good" : "bad", title: isWithin ? "Within tolerance" : "Over tolerance",
      text:
        "On \(counted(forward.tokenCount, "token")) logits differ by \(number(forward.maxAbsLogitDifference)) at most, and --tolerance allows \(threeDigits(tolerance)); the mean KL divergence is \(number(forward.klDivergence.mean)) nats, with the same likeliest token at \(percent(forward.sameTopFraction)) of the positions."
    )
  }

  private static func alerts(
    _ comparison: CheckpointComparison, _ forward: ForwardComparison?
  ) -> [PageAlert] {
    var alerts: [PageAlert] = []
    if Set(comparison.attentions).count > 1 {
      alerts.append(
        PageAlert(
          level: "bad", title: "Attention",
          text:
            "the first has \(comparison.attentions[0].rawValue) attention, the second \(comparison.attentions[1].rawValue)"
        ))
    }
    let relations = comparison.differences.map(\.relation)
    for (relation, title) in [
      (TensorDifference.Relation.missingInSecond, "Only in the first"),
      (.missingInFirst, "Only in the second"), (.shape, "Other shapes"),
    ] {
      let count = relations.count { $0 == relation }
      if count > 0 {
        alerts.append(
          PageAlert(
            level: "warning", title: title,
            text: "\(counted(count, "tensor")); see the table of differences"))
      }
    }
    if let divergence = forward?.firstDivergence {
      let place = divergence.layer.map { "layer \($0), " } ?? ""
      alerts.append(
        PageAlert(
          level: "warning", title: "They part",
          text:
            "in \(place)\(divergence.sublayer)\(divergence.cause.map { ": \($0.rawValue)" } ?? "")")
      )
    }
    return alerts
  }

  private static func figures(
    _ comparison: CheckpointComparison, _ forward: ForwardComparison?
  ) -> [PageFigure] {
    let all = comparison.summary.all
    var figures = [
      PageFigure(
        name: "Tensors in both", value: grouped(all.tensorCount),
        note: all.tensorCount == 0
          ? ""
          : "\(grouped(all.equalCount)) with the same values (\(percent(all.equalFraction)))")
    ]
    if let movement = all.movement {
      figures.append(
        PageFigure(
          name: "Relative change of all", value: number(movement.relativeL2), note: "‖Δ‖ / ‖a‖"))
      figures.append(
        PageFigure(
          name: "Largest change", value: number(movement.maxAbsolute),
          note: "of one value; root mean square \(number(movement.rms))"))
    }
    if let ranks = all.ranks, let median = ranks.median, let maximum = ranks.maximum {
      figures.append(
        PageFigure(
          name: "Rank of changes, median", value: "\(median)",
          note: "at most \(maximum), in \(grouped(ranks.count)) changed matrices"
            + (ranks.overLimitCount > 0
              ? "; \(grouped(ranks.overLimitCount)) over \(ChangeRank.limit)" : "")))
    }
    guard let forward else { return figures }
    let divergence = forward.klDivergence
    figures += [
      PageFigure(
        name: "KL divergence, mean", value: "\(number(divergence.mean)) nats",
        note:
          "median\u{a0}\(number(divergence.median)), 99\u{a0}%\u{a0}\(number(divergence.p99)), max\u{a0}\(number(divergence.max))"
      ),
      PageFigure(
        name: "Same likeliest token", value: percent(forward.sameTopFraction),
        note: "of \(counted(forward.tokenCount, "position"))"),
      PageFigure(
        name: "Largest difference of a logit", value: number(forward.maxAbsLogitDifference),
        note: ""),
    ]
    if let increase = forward.negativeLogLikelihoodIncrease {
      figures.append(
        PageFigure(
          name: "Negative log-likelihood",
          value: increase.isFinite ? String(format: "%+.3g nats", increase) : "no number",
          note: "a token, in the second"))
    }
    return figures
  }

  private static func number(_ value: Double) -> String {
    value.isFinite ? threeDigits(value) : "no number"
  }
}
