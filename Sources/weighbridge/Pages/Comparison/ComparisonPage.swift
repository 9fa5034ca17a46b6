import CheckpointComparison
import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// What `compare --report` shows: the values of `Templates/comparison.html`.
///
/// Equal runs give equal pages: no times, no absolute paths.
struct ComparisonPage {
  let frame: Page.Frame
  let first: String
  let second: String
  let verdict: Verdict
  let alerts: [PageAlert]
  let figures: [PageFigure]
  let panels: LayerPanels?
  /// What isn't drawn because nothing moved there.
  let stillText: String?
  let findings: [FindingRow]
  let hasFindings: Bool
  let kinds: [GroupRow]
  let hasKinds: Bool
  /// Whether the table of kinds is folded away.
  let isLongByKind: Bool
  let kindCount: String
  let layers: [GroupRow]
  let hasLayers: Bool
  let hasStacks: Bool
  /// Whether the table of layers is folded away.
  let isLongByLayer: Bool
  let layerCount: String
  let hasRanks: Bool
  let largest: [ChangeRow]
  let hasLargest: Bool
  let forward: ForwardPart?
  let labels: LabelPart?
  let differences: [ChangeRow]
  /// Whether any is listed.
  let hasListed: Bool
  /// Whether there is any.
  let hasDifferences: Bool
  let differenceTitle: String
  let differenceOrder: String
  /// What the list leaves out; nil if nothing.
  let leftOutText: String?
  let differenceCount: String
  /// Whether the table of differences is folded away.
  let isLong: Bool
  let provenance: Provenance

  /// How the run was asked for, which a comparison doesn't say.
  struct Run {
    /// The checkpoints, as the user has named them.
    let first: String
    let second: String
    /// The command line.
    var command = ""
    /// What was found in either.
    var findings: [Finding] = []
    /// What `--tolerance` allows; nil without it.
    var tolerance: Double?
    /// The ids that both ran on, and where they are from; nil if they didn't run.
    var tokens: (ids: [Int], origin: String)?
    /// What both choose of labels; nil if they weren't asked.
    var labels: LabelComparison?
  }

  /// A longer table is folded away.
  private static let longCount = 200
  private static let longGroupCount = 48
  private static let largestCount = 20

  /// A page.
  ///
  /// - Parameters:
  ///   - report: what it shows, of which as much is listed as the user asked for.
  ///   - run: how it came about.
  init(_ report: ComparisonReport, _ run: Run) {
    let (comparison, forward) = (report.comparison, report.forward)
    first = Self.name(run.first)
    second = Self.name(run.second)
    let summary = ComparisonPageSummary(
      comparison, report.verdict, forward, first, second, tolerance: run.tolerance,
      gate: report.gate)
    self.verdict = summary.verdict
    alerts = summary.alerts
    figures = summary.figures
    frame = Page.Frame(title: "\(first) and \(second): \(summary.verdict.title.lowercased())")

    let charts = MovementCharts(comparison.tensors, ofChanges: report.selection.isOfChanges)
    panels = charts.panels
    stillText = charts.stillText
    findings = run.findings.map(FindingRow.init)
    hasFindings = !findings.isEmpty
    hasRanks = comparison.summary.all.ranks != nil
    kinds = report.summary.kinds.map { GroupRow($0.kind, $0.group) }
    hasKinds = !kinds.isEmpty
    isLongByKind = kinds.count > Self.longGroupCount
    kindCount = counted(kinds.count, "kind")
    layers = report.summary.layers.map {
      GroupRow($0.layer.map(String.init) ?? "none", $0.group, stack: $0.stack ?? "")
    }
    hasLayers = layers.count > 1
    hasStacks = report.summary.layers.contains { $0.stack != nil }
    isLongByLayer = layers.count > Self.longGroupCount
    layerCount = counted(layers.count, "row")

    let wanted = report.selection.wanted(comparison.differences)
    let changed = wanted.filter { ($0.values?.relativeL2 ?? 0) > 0 }
    let ranked = changed.enumerated().sorted {
      let (a, b) = ($0.element.values?.relativeL2 ?? 0, $1.element.values?.relativeL2 ?? 0)
      return a == b ? $0.offset < $1.offset : a > b
    }
    largest = ranked.prefix(Self.largestCount).map { ChangeRow($0.element) }
    hasLargest = !largest.isEmpty
    self.forward = forward.map(ForwardPart.init)
    labels = run.labels.map { LabelPart($0, command: "compare") }
    differences = report.listed.map(ChangeRow.init)
    hasListed = !differences.isEmpty
    hasDifferences = !comparison.differences.isEmpty
    let list = DifferenceListText(report)
    (differenceTitle, differenceOrder, leftOutText) = (list.title, list.order, list.leftOut)
    differenceCount = "\(counted(differences.count, "tensor")) that aren’t identical"
    isLong = differences.count > Self.longCount
    provenance = Self.provenance(run)
  }

  /// The page as a file has it.
  ///
  /// - Throws: `inputOutput` if a template isn't one.
  func html() throws(CheckpointError) -> [UInt8] {
    try Page.html(self, PackageResources.comparison_html)
  }

  private static func name(_ path: String) -> String {
    path == "-" ? "standard input" : Directories.split(path).name
  }

  private static func provenance(_ run: Run) -> Provenance {
    var lines: [Provenance.Line] = []
    if !run.command.isEmpty {
      lines.append(Provenance.Line(name: "Command", text: run.command, isCode: true))
    }
    if let tokens = run.tokens {
      lines.append(
        Provenance.Line(
          name: "Tokens", text: "\(counted(tokens.ids.count, "token")): \(tokens.origin)",
          isCode: false))
    }
    lines += Provenance.versions(hasRun: run.tokens != nil)
    return Provenance(lines, tokens: run.tokens?.ids)
  }
}
