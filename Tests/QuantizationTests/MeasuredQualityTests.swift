import Foundation
import TestSupport
import Testing

/// What `scripts/benchmarks/quality` measured of trained models, and what docs/guide/quality.md says of it.
@Suite struct MeasuredQualityTests {
  private let results: Results
  private let page: String

  init() throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    results = try decoder.decode(
      Results.self, from: Data(Fixtures.bytes("quality/results.json")))
    page = try String(
      contentsOf: Fixtures.packageRoot.appending(path: "docs/guide/quality.md"), encoding: .utf8)
  }

  private struct Results: Decodable {
    let qualities: [Row]
    let budgets: [Choices]

    struct Row: Decodable {
      let model: String
      let container: String
      let bits: Int
      let scheme: String
      let qualities: [String: Figures?]
    }

    struct Figures: Decodable {
      let klDivergence: Double
    }

    struct Choices: Decodable {
      let model: String
      let container: String
      let presets: [String: Sized]
      let budgets: [Target]
    }

    struct Sized: Decodable {
      let bitsPerWeight: Double
      let klDivergence: Double
    }

    struct Target: Decodable {
      let target: Double
      let klDivergence: Double
    }
  }

  /// From the least effort to the most.
  private static let steps = [
    "gguf": ["plain", "importance", "best", "max"], "mlx": ["plain", "search", "best", "max"],
    "compressed-tensors": ["plain", "search", "best", "max"],
  ]

  /// The geometric means of a container's rows, by quality; of rows that have all of them.
  private func means(_ container: String, bits: Int? = nil) -> [Double] {
    let steps = Self.steps[container] ?? []
    let rows = results.qualities.filter {
      $0.container == container && (bits == nil || $0.bits == bits)
    }
    let present = steps.filter { step in
      rows.contains { $0.qualities[step].flatMap { $0 } != nil }
    }
    let whole = rows.filter { row in
      present.allSatisfy { row.qualities[$0].flatMap { $0 } != nil }
    }
    return present.map { step in
      let logarithms = whole.compactMap { row in
        row.qualities[step].flatMap { $0 }.map { log($0.klDivergence) }
      }
      return exp(logarithms.reduce(0, +) / Double(logarithms.count))
    }
  }

  @Test(arguments: ["gguf", "mlx", "compressed-tensors"])
  func everyStepTakesDivergenceAway(_ container: String) {
    let means = means(container)
    #expect(means.count >= 3)
    for (before, after) in zip(means, means.dropFirst()) {
      #expect(after < before, "\(container): \(means)")
    }
  }

  /// The presets beside it are the largest ones that don't exceed the targets, or the smallest where none is so small.
  @Test func targetsAreAsGoodAsPresetsNineTimesOfTen() {
    #expect(results.budgets.count == 6, "three containers, two models")
    for row in results.budgets {
      #expect(row.budgets.count == 10)
      let presets = row.presets.sorted {
        ($0.value.bitsPerWeight, $0.key) < ($1.value.bitsPerWeight, $1.key)
      }
      let good = row.budgets.count { budget in
        let preset = presets.last { $0.value.bitsPerWeight <= budget.target } ?? presets.first
        return budget.klDivergence <= (preset?.value.klDivergence ?? 0)
      }
      #expect(good >= 9, "\(row.model), \(row.container): \(good)")
    }
  }

  @Test(arguments: ["gguf", "mlx", "compressed-tensors"])
  func thePageSaysWhatWasMeasured(_ container: String) throws {
    for bits in Set(results.qualities.filter { $0.container == container }.map(\.bits)) {
      let line =
        "| \(bits) | \(means(container, bits: bits).map(Self.digits).joined(separator: " | ")) |"
      #expect(page.contains(line), "run scripts/benchmarks/quality tables")
    }
  }

  /// Three digits, as the page has them.
  private static func digits(_ value: Double) -> String {
    let text = String(format: "%.3g", value)
    guard text.contains("e") else { return text }
    var long = String(format: "%.8f", value)
    while long.hasSuffix("0") { long.removeLast() }
    return long
  }
}
