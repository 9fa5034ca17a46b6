import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// What `compare --report` writes, as a user runs it.
@Suite struct ComparisonPageTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func compare(
    _ first: String, _ second: String, _ more: String...
  ) throws -> (outcome: Weighbridge.Outcome, html: [UInt8]) {
    let page = workspace.path("page.html")
    let outcome = try Weighbridge.run(["compare", first, second, "--report", page] + more)
    return (outcome, outcome.code == 2 ? [] : Array(try workspace.contents("page.html")))
  }

  /// GPT-J with one matrix of layer 1 changed.
  private func edited(_ change: (inout [Float]) -> Void) throws -> String {
    var model = try ModelSample("gptj")
    model.edit("transformer.h.1.attn.k_proj.weight", change)
    return try model.write(workspace, "edited")
  }

  @Test func showsWhatMoved() throws {
    let other = try edited { for index in $0.indices { $0[index] *= 1.5 } }
    let (outcome, html) = try compare(fixture("huggingface/gptj"), other, "--forward")
    #expect(outcome.code == 1)
    try requireWellMade(html)
    let elements = try PageElements(html)
    for expected in [
      "Different. gptj and edited have 35 tensors in common; 34 of them have the same values",
      "‖Δ‖ / ‖a‖", "Nothing moved in 32 tensors", "32 tokens: fixed ones", "KL divergence, mean",
      "They part in layer 1, attention",
      "weighbridge compare gptj edited --report page.html --forward",
      VersionText.libraries.joined(separator: ", "), VersionText.products,
    ] {
      #expect(elements.text.contains(expected), "\(expected)")
    }
    #expect(!elements.text.contains(workspace.path))
    #expect(!elements.text.contains(Fixtures.packageRoot.path))
    #expect(elements.rows("largest") == 2)
    #expect(elements.rows("differences") == 2)
    #expect(elements.rows("by-layer") == 5)
    #expect(elements.text.contains("0.500"))
  }

  /// The list of the page is that of the text: sorted, ended and narrowed by the options, which the page says.
  @Test func optionsOrderAndNarrowTheList() throws {
    var model = try ModelSample("gptj")
    for (layer, factor) in [(0, Float(1.01)), (1, 3), (2, 1.5)] {
      model.edit("transformer.h.\(layer).attn.k_proj.weight") { values in
        for index in values.indices { values[index] *= factor }
      }
    }
    model.cast(to: "BF16")
    let (one, other) = (fixture("huggingface/gptj"), try model.write(workspace, "other"))
    let all = try PageElements(compare(one, other).html)
    #expect(all.rows("differences") == 36)
    #expect(all.text.contains("All differences"))

    let narrowed = try compare(one, other, "--changed-only", "--sort", "change", "--top", "2").html
    try requireWellMade(narrowed)
    let elements = try PageElements(narrowed)
    #expect(elements.rows("differences") == 3 && elements.rows("largest") == 4)
    #expect(elements.rows("kinds") == 2 && elements.rows("by-layer") == 4)
    for expected in [
      "--changed-only leaves out 32 tensors that differ by no more than their dtypes explain.",
      "--top lists 2 of 3 differences.", "The largest relative change first",
      "Nothing but dtypes changed in 32 tensors",
    ] {
      #expect(elements.text.contains(expected), "\(expected)")
    }
    #expect(!elements.text.contains("All differences"))
    let text = String(decoding: narrowed, as: UTF8.self)
    let list = try #require(text.range(of: "<section id=\"differences\">")?.upperBound)
    let names = text[list...].matches(of: /<th scope="row"><code>(.*?)<\/code>/).map { "\($0.1)" }
    #expect(names == [1, 2].map { "transformer.h.\($0).attn.k_proj.weight" })

    // Where everything is left out, the page says so.
    let equal = try compare(other, other, "--changed-only").html
    #expect(!(try PageElements(equal)).ids.contains("differences"))
    let path = workspace.path("wide.safetensors")
    #expect(try Weighbridge.run("convert", other, path, "--dtype", "f32").code == 0)
    let empty = try PageElements(compare(other, path, "--equal-values").html)
    #expect(empty.rows("differences") == 0 && empty.ids.contains("differences"))
    #expect(
      empty.text.contains(
        "--equal-values leaves out 35 tensors that have the same values in other dtypes."))
  }

  @Test func isTheSameWithAnyNumberOfThreads() throws {
    let other = try edited { $0[7] = 4 }
    let one = try compare(fixture("huggingface/gptj"), other, "--forward", "--threads", "1").html
    let two = try compare(fixture("huggingface/gptj"), other, "--forward", "--threads", "2").html
    #expect(!one.isEmpty && one == two)
  }

  @Test func identicalCheckpointsHaveNothingToDraw() throws {
    let (outcome, html) = try compare(
      fixture("huggingface/llama"), fixture("huggingface/llama"))
    #expect(outcome.code == 0)
    try requireWellMade(html)
    let elements = try PageElements(html)
    #expect(elements.text.contains("Identical. llama and llama have"))
    #expect(elements.text.contains("No value is moved"))
    #expect(!elements.names.contains("figure"))
    #expect(!elements.ids.contains("differences"))
    #expect(elements.text.contains("The models were not run"))
  }

  @Test func toleranceDecides() throws {
    let other = try edited { $0[7] += 0.001 }
    for (tolerance, code, title) in [("10", 0, "Within tolerance"), ("0", 1, "Over tolerance")] {
      let (outcome, html) = try compare(
        fixture("huggingface/gptj"), other, "--forward", "--tolerance", tolerance)
      #expect(Int(outcome.code) == code)
      #expect(try PageElements(html).text.contains("\(title). On 32 tokens logits differ by"))
    }
  }

  @Test func namesAreOnlyText() throws {
    func file(_ name: String, _ names: [String], _ number: UInt8) throws -> String {
      try workspace.write(
        name,
        SafetensorsSample(
          names.map { SampleTensor($0, "F32", [1, 2], Data(repeating: number, count: 8)) }
        ).fileContents)
    }
    // A NUL is refused where the file is read.
    let evil = QuantizationPageTests.names.filter { !$0.isEmpty }.map {
      $0.replacing("\u{0}", with: "")
    }
    let (outcome, html) = try compare(
      file("<title>&amp;'.safetensors", evil, 1), file("b.safetensors", Array(evil.dropLast()), 2))
    #expect(outcome.code == 1)
    try requireWellMade(html)
    let plain = evil.indices.map { "other\($0)" }
    let expected = try PageElements(
      compare(
        file("p.safetensors", plain, 1), file("q.safetensors", Array(plain.dropLast()), 2)
      ).html)
    let elements = try PageElements(html)
    #expect(Set(elements.names).subtracting(expected.names).isSubset(of: ["line", "option"]))
    #expect(elements.rows("differences") == expected.rows("differences"))
    let text = String(decoding: html, as: UTF8.self)
    #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" || $0 == "\u{202e}" })
  }

  /// A page may replace a page, and nothing else.
  @Test func replacesOnlyPages() throws {
    let model = fixture("huggingface/gptj")
    #expect(try compare(model, model).outcome.code == 0)
    #expect(try compare(model, model).outcome.code == 0)
    try workspace.write("page.html", Data("<html>mine</html>".utf8))
    let refused = try compare(model, model).outcome
    #expect(refused.code == 2 && refused.errors.contains("in the way"))
    #expect(try workspace.contents("page.html") == Data("<html>mine</html>".utf8))
    let input = try workspace.write(
      "input.html", Data(Fixtures.bytes("huggingface/gpt2/model.safetensors")))
    let outcome = try Weighbridge.run(["compare", input, model, "--report", input])
    #expect(outcome.code == 2)
    let named = try Weighbridge.run(["compare", model, model, "--report", "page.txt"])
    #expect(named.code == 2 && named.errors.contains(".html"))
  }
}
