import CheckpointConversion
import Foundation
import Quantization
import TensorModel
import Testing

@testable import weighbridge

/// What the page of a quantization makes of measured errors: outliers, and where more bits would help.
@Suite struct QuantizationBudgetTests {
  private static let apart = [
    "blk.3.attn_k.weight": 0.2, "blk.11.attn_k.weight": 0.11, "blk.7.ffn_up.weight": 0.03,
  ]

  @Test func outliersAreRankedWithinTheirKindAndType() throws {
    let report = try ReportSample.report(layers: 20, errors: Self.apart)
    let outliers = Outliers(report.tensors)
    #expect(
      outliers.all.map { report.tensors[$0.place].name } == [
        "blk.3.attn_k.weight", "blk.7.ffn_up.weight", "blk.11.attn_k.weight",
      ])
    // Q6_K's error is a quarter of the others', and stands apart from none of its own kind.
    #expect(outliers.all.map { $0.score > 0 } == [true, false, true])
    #expect(outliers.unjudgedCount == 2)
    #expect(outliers.judgedCount == 160)
    #expect(outliers.text.contains("3 of 160 tensors are farther"))
    #expect(!outliers.text.contains("are listed"))
    // By hand for one: the score of ln 0.2 among the twenty of its kind.
    let logs = report.tensors.filter { $0.name.contains("attn_k.") }.compactMap {
      $0.errors.map { log($0.relativeRmse) }
    }
    let median = logs.sorted()[9...10].reduce(0, +) / 2
    let distances = logs.map { abs($0 - median) }.sorted()
    let scale = 1.4826 * (distances[9] + distances[10]) / 2
    #expect(abs(outliers.all[0].score - (log(0.2) - median) / scale) < 1e-9)
    #expect(abs(outliers.all[0].typical - exp(median)) < 1e-12)
  }

  @Test func longListsSayThatTheyAreCut() throws {
    let errors = Dictionary(
      uniqueKeysWithValues: (0..<60).map { ("blk.\($0 * 4).attn_k.weight", 0.2) })
    let report = try ReportSample.report(layers: 240, errors: errors)
    #expect(Outliers(report.tensors).text.contains("The 50 farthest are listed"))
    let page = QuantizationPage(report, QuantizationPage.Run(source: "a", destination: "b.gguf"))
    #expect(page.outliers.count == 50)
  }

  @Test func equalErrorsHaveNoOutliers() throws {
    let names = (0..<20).map { "blk.\($0).attn_k.weight" }
    let even = Dictionary(uniqueKeysWithValues: names.map { ($0, 0.07) })
    let outliers = Outliers(try ReportSample.report(layers: 20, errors: even).tensors)
    #expect(outliers.all.isEmpty)
    // A thousandth more is no outlier either, though all the others are the same; a tenth is.
    for (error, count) in [(0.0701, 0), (0.077, 1), (0, 0)] {
      let one = even.merging([names[4]: error]) { $1 }
      let found = Outliers(try ReportSample.report(layers: 20, errors: one).tensors)
      #expect(found.all.count == count, "\(error)")
    }
    #expect(Outliers(try ReportSample.report(layers: 2).tensors).judgedCount == 0)
  }

  @Test func thePartsAreTheWhole() throws {
    let report = try ReportSample.report(layers: 20, errors: Self.apart)
    let budget = try #require(ErrorBudget(report))
    let measured = report.tensors.filter { $0.errors != nil }
    let squared = measured.reduce(0.0) {
      $0 + Double($1.shape.elementCount) * pow($1.errors?.relativeRmse ?? 0, 2)
    }
    let count = measured.reduce(0) { $0 + $1.shape.elementCount }
    #expect(abs(budget.error - (squared / Double(count)).squareRoot()) < 1e-12)
    #expect(budget.parts.flatMap(\.members).count == measured.count)
    #expect(budget.byteCount == measured.reduce(0) { $0 + $1.byteCount })
    // What takes off most for each byte is first.
    let gains = budget.parts.compactMap { part in
      part.raise.map { (part.squaredError - $0.squaredError) / Double($0.byteCount) }
    }
    #expect(gains.count > 3 && zip(gains, gains.dropFirst()).allSatisfy { $0 >= $1 })
    for part in budget.parts {
      let raise = try #require(part.raise)
      #expect(raise.squaredError < part.squaredError)
      // Sizes are exact: those of the same tensors in the larger type.
      let larger = try #require(raise.types.first)
      let bytes = Double(part.weightCount) * larger.bitsPerWeight / 8
      #expect(part.byteCount + raise.byteCount == Int(bytes.rounded()), "\(part.kind)")
    }
  }

  @Test func estimatesAreMeasuredWhereTheyCanBe() throws {
    let budget = try #require(ErrorBudget(try ReportSample.report(layers: 4)))
    // Q4_K becomes Q5_K, which nothing here has; Q5_0 in rows of 256 becomes Q6_K, which two other kinds have.
    let key = try #require(budget.parts.first { $0.kind == "attn_k" })
    #expect(key.raise?.types.map(\.name) == ["Q5_K"])
    #expect(key.raise?.basis == .rule)
    #expect(abs((key.raise?.squaredError ?? 0) - key.squaredError / 4) < 1e-9 * key.squaredError)
    let query = try #require(budget.parts.first { $0.kind == "attn_q" })
    #expect(query.raise?.types.map(\.name) == ["Q6_K"])
    #expect(query.raise?.basis == .sameType)
    #expect(ErrorBudget(try ReportSample.report(layers: 2, isQuantized: false)) == nil)
  }

  @Test func raisingAllOfAPartIsItsRow() throws {
    let report = try ReportSample.report(layers: 20, errors: Self.apart)
    let budget = try #require(ErrorBudget(report))
    let part = budget.parts[0]
    let raise = try #require(part.raise)
    let raised = try #require(budget.raising(part.members))
    #expect(raised.raise.byteCount == raise.byteCount)
    #expect(
      abs(raised.reduction - budget.reduction(part.squaredError, to: raise.squaredError)) < 1e-12)
    #expect(raised.reduction > 0 && raised.reduction < budget.error)
    #expect(budget.raising([]) == nil)
    let row = try #require(BudgetTable(budget, report).rows.first)
    #expect(row.cost == humanSize(raise.byteCount))
    #expect(row.tensors == "\(part.members.count)")
  }

  /// The option matches the tensors that it is for, and no others.
  @Test(
    arguments: [
      (["blk.0.ffn_up.weight", "blk.7.ffn_up.weight"], false), (["blk.3.ffn_up.weight"], false),
      ((0..<12).map { "blk.\($0).ffn_up.weight" }, true), (["output.weight"], true),
      (["model.layers.2.mlp.up_proj.weight", "model.layers.4.mlp.up_proj.weight"], false),
    ])
  func optionsSayWhichTensors(names: [String], isWhole: Bool) throws {
    let option = try #require(TypeOption(names, .dtype(.q5K), isWholeKind: isWhole)).text
    #expect(option.hasPrefix("--tensor-type "))
    let argument = option.dropFirst("--tensor-type ".count).trimmingPrefix("'")
    let override = try TensorTypeOverride(
      String(argument.hasSuffix("'") ? argument.dropLast() : argument),
      QuantizationScheme.q4KM.container)
    #expect(override.type == .dtype(.q5K))
    for name in names { #expect(try override.pattern.matches(name), "\(name)") }
    let others =
      (isWhole ? [] : (0..<12).map { "blk.\($0).ffn_up.weight" })
      + [
        "blk.0.ffn_up_exps.weight", "blk.3.ffn_up.bias", "output.weight.x", "blk.70.ffn_up.weights",
      ]
    for name in others where !names.contains(name) {
      #expect(try !override.pattern.matches(name), "\(name)")
    }
  }

  @Test func namesThatNoPatternSaysHaveNoOption() {
    let type = WeightType.dtype(.q5K)
    #expect(TypeOption([], type, isWholeKind: true) == nil)
    #expect(TypeOption(["a.weight", "b.weight"], type, isWholeKind: true) == nil)
    #expect(TypeOption(["blk.0.a(b.weight"], type, isWholeKind: false) == nil)
    #expect(TypeOption(["blk.0.a'b.weight"], type, isWholeKind: false) == nil)
    #expect(TypeOption(["blk.0.a.weight", "blk.1.b.weight"], type, isWholeKind: false) == nil)
    let many = (0..<900).map { "blk.\($0).a.weight" }
    #expect(TypeOption(many, type, isWholeKind: false) == nil)
  }

  @Test(
    arguments: [
      (
        ["quantize", "a b", "/x/y.gguf", "--scheme", "q8_0"], "quantize 'a b' y.gguf --scheme q8_0"
      ),
      (["quantize", "a", "--threads", "3", "--memory=1GB", "-q", "--force"], "quantize a"),
      (
        ["compare", "a", "b", "--tokens-file=/tmp/t.npy", "--color", "always"],
        "compare a b '--tokens-file=t.npy'"
      ),
      (["compare", "--", "--force", "/x/-q"], "compare -- --force -q"),
      (["quantize", "a\u{1b}[31m", "--threads"], "quantize $'a\\033[31m'"),
    ])
  func commandsAreToldWithoutWhatChangesNothing(arguments: [String], expected: String) {
    #expect(PageCommandLine(arguments).text == "weighbridge \(expected)")
  }
}
