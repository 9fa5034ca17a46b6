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
  let differences: [ChangeRow]
  let hasDifferences: Bool
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
  }

  /// A longer table is folded away.
  private static let longCount = 200
  private static let longGroupCount = 48
  private static let largestCount = 20

  /// A page.
  ///
  /// - Parameters:
  ///   - comparison: what it shows.
  ///   - verdict: what comes of it.
  ///   - forward: what both compute; nil if they didn't run.
  ///   - run: how it came about.
  init(
    _ comparison: CheckpointComparison, _ verdict: ComparisonReport.Verdict,
    _ forward: ForwardComparison?, _ run: Run
  ) {
    first = Self.name(run.first)
    second = Self.name(run.second)
    let summary = ComparisonPageSummary(
      comparison, verdict, forward, first, second, tolerance: run.tolerance)
    self.verdict = summary.verdict
    alerts = summary.alerts
    figures = summary.figures
    frame = Page.Frame(title: "\(first) and \(second): \(summary.verdict.title.lowercased())")

    let charts = MovementCharts(comparison.tensors)
    panels = charts.panels
    stillText = charts.stillText
    findings = run.findings.map(FindingRow.init)
    hasFindings = !findings.isEmpty
    hasRanks = comparison.summary.all.ranks != nil
    kinds = comparison.summary.kinds.map { GroupRow($0.kind, $0.group) }
    hasKinds = !kinds.isEmpty
    isLongByKind = kinds.count > Self.longGroupCount
    kindCount = counted(kinds.count, "kind")
    layers = comparison.summary.layers.map {
      GroupRow($0.layer.map(String.init) ?? "none", $0.group, stack: $0.stack ?? "")
    }
    hasLayers = layers.count > 1
    hasStacks = comparison.summary.layers.contains { $0.stack != nil }
    isLongByLayer = layers.count > Self.longGroupCount
    layerCount = counted(layers.count, "row")

    let changed = comparison.differences.filter { ($0.values?.relativeL2 ?? 0) > 0 }
    let ranked = changed.enumerated().sorted {
      let (a, b) = ($0.element.values?.relativeL2 ?? 0, $1.element.values?.relativeL2 ?? 0)
      return a == b ? $0.offset < $1.offset : a > b
    }
    largest = ranked.prefix(Self.largestCount).map { ChangeRow($0.element) }
    hasLargest = !largest.isEmpty
    self.forward = forward.map(ForwardPart.init)
    differences = comparison.differences.map(ChangeRow.init)
    hasDifferences = !differences.isEmpty
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
    let tool = Certificate.Tool.current
    lines.append(
      Provenance.Line(name: "Version", text: "\(tool.name) \(tool.version)", isCode: false))
    return Provenance(lines, tokens: run.tokens?.ids)
  }
}
