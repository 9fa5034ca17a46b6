import Foundation
import TensorModel
import Testing

/// Whatever is printed is data.
@Suite struct PrintingTests {
  static let controls = [
    "\u{0}", "\u{7}", "\u{1b}[31m", "\n", "\r", "\t", "\u{7f}", "\u{85}", "\u{9b}31m", "\u{200b}",
    "\u{200e}", "\u{202e}", "\u{2028}", "\u{2066}", "\u{feff}", "\u{e0041}",
  ]

  @Test(arguments: controls) func nothingThatControlsIsPrinted(control: String) {
    let text = printable("a\(control)b")
    #expect(text.hasPrefix("a\\u{") && text.hasSuffix("b"))
    #expect(text.unicodeScalars.allSatisfy { (0x20..<0x7f).contains($0.value) })
    #expect(printable(text) == text)
  }

  @Test func whatOnlyLooksForeignStays() {
    for text in ["", "plain", "é", "e\u{301}", "名前", "😀", "a\\b", "\u{a0}"] {
      #expect(printable(text) == text)
    }
    #expect(printable("a\nb\u{85}", keepingLines: true) == "a\nb\\u{85}")
  }

  @Test(arguments: controls) func documentsKeepTheirMeaning(control: String) throws {
    let text = "é\(control)😀\"\\"
    let document = try JSONEncoder().encode([text])
    let shown = printableJSON([UInt8](document))
    let scalars = String(decoding: shown, as: UTF8.self).unicodeScalars
    #expect(scalars.allSatisfy { printable("\($0)") == "\($0)" })
    #expect(try JSONDecoder().decode([String].self, from: Data(shown)) == [text])
  }

  @Test(arguments: [
    ("::error::x", "\\u{3a}:error::x"), ("a\n \t::add-mask::b", "a\n \t\\u{3a}:add-mask::b"),
    ("a\r\n\u{a0}::x", "a\r\n\u{a0}\\u{3a}:x"), ("a##[group]b", "a#\\u{23}[group]b"),
    ("###[error]", "##\\u{23}[error]"), ("x ##vso[task.x]", "x #\\u{23}vso[task.x]"),
  ])
  func noLineIsACommandOfARunner(text: String, shown: String) {
    #expect(inert(text) == shown)
    #expect(inert(shown) == shown)
  }

  @Test(arguments: [
    "", "a::b", "std::vector\nx ::y", "# [x]", "## x[1]", "##", "a:\n:", "#[", "é::",
  ])
  func otherTextStays(text: String) { #expect(inert(text) == text) }

  @Test func noStringOfADocumentIsACommandOfARunner() throws {
    let text = "##[error]é##[group]##vso[x]"
    let shown = printableJSON([UInt8](try JSONEncoder().encode([text])))
    #expect(!String(decoding: shown, as: UTF8.self).contains("##"))
    #expect(try JSONDecoder().decode([String].self, from: Data(shown)) == [text])
  }

  @Test func longTextsAreClipped() {
    #expect(clipped("abcde", to: 5) == "abcde")
    #expect(clipped("abcdef", to: 5) == "abcd…")
    #expect(clipped("ééééé", to: 5) == "ééééé")
    #expect(clipped(String(repeating: "é", count: 1_000_000), to: 5) == "éééé…")
  }

  @Test func namesInErrorsAreClippedAndHintsAreThereAlways() {
    let long = String(repeating: "n", count: 1_000_000)
    let error = CheckpointError(
      .malformed, "bad \(long)", file: long, tensor: long, expected: long, found: long)
    #expect(error.description.utf8.count < 10_000)
    let finding = Finding(.warning, "c", long, file: long, tensor: long)
    #expect(finding.line.utf8.count < 10_000)
    let codes: [CheckpointError.Code] = [
      .malformed, .unsupported, .corrupt, .missing, .overflow, .usage, .conflict, .inputOutput,
      .noSpace, .interrupted,
    ]
    for code in codes {
      let lines = CheckpointError(code, "x\ny").description.split(separator: "\n")
      #expect(lines.count == 2 && lines[1].hasPrefix("hint: ") && lines[1].count > 20)
    }
  }

  @Test func commandsAreQuotedForAShell() {
    #expect(shellCommand("rm -r", "a/b.c-1_2") == "rm -r a/b.c-1_2")
    #expect(shellCommand("rm -r", "it's; touch Q") == #"rm -r 'it'\''s; touch Q'"#)
    #expect(shellCommand("rm -r", "") == "rm -r ''")
    #expect(shellCommand("rm -r", "-x") == "rm -r -- -x")
    #expect(shellCommand("convert", "-", "x y") == "convert - 'x y'")
    #expect(shellCommand("rm -r", "a\n\u{1b}'\\\u{85}") == #"rm -r $'a\012\033\'\\\302\205'"#)
  }
}
