import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion
@testable import weighbridge

/// What `quantize --report` writes.
@Suite struct QuantizationPageTests {
  /// Names that end elements, attributes or lines, or combine with what should be escaped.
  static let names = [
    "</code></th><script>alert(1)</script>", "\" onload=\"alert(1)", "' onload='alert(1)",
    "&lt;b&amp;",
    "\u{d4e}<img src=x onerror=alert(1)>", "<\u{301}b>", "]]><!--", "{{{source}}}{{#tensors}}",
    "a\u{0}b\u{1b}[31m", "\u{202e}reversed", "\u{fffe}\u{ffff}",
    "blk.99999999999999999999.attn_q.weight",
    "blk.-1.attn_q.weight", "blk..weight", ".", "", String(repeating: "long", count: 200),
  ]

  private func text(_ page: QuantizationPage) throws -> String {
    String(decoding: try page.html(), as: UTF8.self)
  }

  private func parsed(_ page: QuantizationPage) throws -> PageElements {
    try PageElements(try page.html())
  }

  @Test func showsTheFigures() throws {
    let report = try ReportSample.report(
      layers: 2, limits: .init(maxKl: 0.001, maxRmse: 1), exceeding: true)
    let page = QuantizationPage(
      report,
      QuantizationPage.Run(
        source: "/some/where/model/", destination: "out/q.gguf",
        command: PageCommandLine([
          "quantize", "/some/where/model", "out/q.gguf", "--scheme", "q4_k_m", "--threads", "3",
        ]).text, tokens: ([17, 4, 42], "given by --tokens")))
    let elements = try parsed(page)
    let words = elements.text
    for expected in [
      "model as q4_k_m", "q.gguf", "weighbridge \(Certificate.Tool.current.version)",
      VersionText.libraries.joined(separator: ", "), VersionText.products,
      "Limit exceeded. model became q4_k_m",
      "the mean KL divergence is 0.00565 nats, and --max-kl allows 0.001",
      "weighbridge quantize model out/q.gguf --scheme q4_k_m", "3 tokens: given by --tokens",
      "17,4,42",
      "Limit exceeded: the mean KL divergence is 0.00565, --max-kl allows 0.001",
      "0.00565 nats", "85.9 %", "of 64 positions", "+0.00196 nats", "median\u{a0}0.00479",
      "blk.1.attn_q.weight", "instead of Q4_K", "\(ReportSample.digest)",
      "a warning about it", "weighbridge verify q.gguf",
    ] {
      #expect(words.contains(expected), "\(expected)")
    }
    #expect(!words.contains("/some/where"))
    #expect(elements.rows("tensors") == report.tensors.count + 1)
    #expect(elements.rows("worst") == report.worstTensors.count + 1)
    #expect(elements.rows("types") == report.types.count + 1)
  }

  @Test func isTheSameTwice() throws {
    let pages = try (0..<2).map { _ in
      try text(
        QuantizationPage(
          ReportSample.report(layers: 3), QuantizationPage.Run(source: "a", destination: "b.gguf")))
    }
    #expect(pages[0] == pages[1])
  }

  @Test(arguments: [2, 100]) func isAPageByItself(layers: Int) throws {
    let page = QuantizationPage(
      try ReportSample.report(layers: layers),
      QuantizationPage.Run(source: "a", destination: "b.gguf", tokens: ([1, 2], "fixed ones")))
    try requireWellMade(page.html())
    let elements = try parsed(page)
    // Long lists are folded away; short ones aren't.
    #expect(elements.names.count { $0 == "details" } == (layers == 100 ? 2 : 1))
    #expect(elements.names.count { $0 == "section" } == 11)
    #expect(elements.sections.first == "layers")
  }

  @Test func namesAreOnlyText() throws {
    let report = try ReportSample.report(layers: 1, names: Self.names)
    let plain = try parsed(
      QuantizationPage(
        ReportSample.report(layers: 1, names: Self.names.indices.map { "other\($0)" }),
        QuantizationPage.Run(
          source: "a", destination: "b.gguf", command: "weighbridge", tokens: ([1], "fixed ones"))))
    let page = QuantizationPage(
      report,
      QuantizationPage.Run(
        source: "</title><b>", destination: "x'\"<y>.gguf",
        command: PageCommandLine(["quantize", "</title><b>", "]]>", "--text=</script>"]).text,
        tokens: ([1], "the beginning of </code>")))
    let elements = try parsed(page)
    #expect(Set(elements.names) == Set(plain.names))
    #expect(elements.rows("tensors") == plain.rows("tensors"))
    #expect(elements.attributes.subtracting(plain.attributes).isEmpty)
    let html = try text(page)
    #expect(html.ranges(of: "<script").count == 1)
    #expect(elements.text == elements.text.filter { $0 != "\u{202e}" })
    try requireWellMade(page.html())
    #expect(!html.unicodeScalars.contains { $0.value < 32 && $0 != "\n" || $0 == "\u{202e}" })
    // By scalars: a character may begin with a letter that combines with a bracket.
    #expect(!Array(html.unicodeScalars).contains(subsequence: Array("<img".unicodeScalars)))
    #expect(elements.text.contains("{{{source}}}{{#tensors}}"))
  }

  @Test func withoutBlocksThereAreNoCharts() throws {
    let report = try ReportSample.report(layers: 2, isQuantized: false)
    let elements = try parsed(
      QuantizationPage(report, QuantizationPage.Run(source: "a", destination: "b.gguf")))
    #expect(elements.text.contains("nothing to draw"))
    #expect(elements.text.contains("0.5 ulp"))
    #expect(!elements.names.contains("figure"))
    #expect(!elements.ids.contains("worst"))
    #expect(elements.text.contains("were not run side by side"))
  }

  @Test func staysSmallForHundredsOfLayers() throws {
    let report = try ReportSample.report(layers: 300)
    #expect(report.tensors.count >= 3000)
    let page = QuantizationPage(report, QuantizationPage.Run(source: "a", destination: "b.gguf"))
    #expect(try page.html().count < 3_000_000)
    #expect(page.substitutions.map(\.layers).contains("0–299"))
  }
}
