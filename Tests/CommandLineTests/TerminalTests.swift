import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// Widths, lines and colours.
@Suite struct TerminalTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let escape = "\u{1b}["

  @Test(arguments: [
    ("", 0), ("abc", 3), ("äöü", 3), ("a\u{308}", 1), ("日本語", 6), ("カ", 2), ("ｶ", 1), ("한국", 4),
    ("\u{1112}\u{1161}\u{11ab}", 2), ("🚀", 2), ("👍🏽", 2), ("🇩🇪", 2), ("❤️", 2), ("❤", 1), ("，", 2),
    ("×", 1),
    ("…", 1), ("𠀀", 2), ("\\u{1b}", 6),
  ])
  func widthsAreThoseOfTerminals(text: String, columns: Int) {
    #expect(displayWidth(text) == columns)
  }

  @Test func textsBreakBetweenWords() {
    #expect(wrapped("a bc def", to: 8) == ["a bc def"])
    #expect(wrapped("a bc def", to: 7) == ["a bc", "def"])
    #expect(wrapped("a bc def", to: 7, indent: 2) == ["a bc", "  def"])
    #expect(wrapped("日本 日本", to: 8) == ["日本", "日本"])
    #expect(wrapped("long a", to: 2) == ["long", "a"])
    #expect(wrapped("  a b", to: 4) == ["  a", "b"])
  }

  @Test(arguments: [
    (0.004, "0.00 s"), (0.41, "0.41 s"), (12, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"),
  ])
  func timesAreSaidAsPeopleSayThem(seconds: Double, text: String) {
    #expect(duration(seconds) == text)
  }

  @Test func columnsAreAsWideAsTheyLook() throws {
    let names = ["重み", "w", "e\u{301}", "🚀.weight"]
    let sample = SafetensorsSample(names.map { SampleTensor($0, "U8", [1], Data([0])) })
    let path = try workspace.write("wide.safetensors", sample.fileContents)
    let lines = try Weighbridge.run("inspect", path, "--tensors").text.split(separator: "\n")
      .filter { $0.hasPrefix("  ") && $0.contains(" U8 ") }
    #expect(lines.count == 4)
    let starts = lines.compactMap { line in
      line.firstRange(of: " U8 ").map { displayWidth(String(line[..<$0.lowerBound])) }
    }
    #expect(Set(starts).count == 1, "\(starts)")
  }

  @Test func coloursAreOnlyWhereTheyAreWanted() throws {
    for arguments in [
      ["verify", Self.gptj], ["inspect", "/nowhere"], ["compare", Self.gptj, Self.gptj],
      ["inspect", Self.gptj, Self.gptj], ["checks", "nan"], ["checks"],
    ] {
      for more in [[], ["--color", "never"], ["--color=auto"]] {
        let outcome = try Weighbridge.run(arguments + more)
        #expect(!(outcome.text + outcome.errors).contains(Self.escape), "\(arguments + more)")
      }
      for more in [["--color", "always"], ["--color=always"]] {
        let outcome = try Weighbridge.run(arguments + more, shell: "export NO_COLOR=1")
        #expect((outcome.text + outcome.errors).contains(Self.escape), "\(arguments + more)")
        let plain = try Weighbridge.run(arguments)
        #expect(outcome.text.replacing(/\u{1b}\[[\d;]*m/, with: "") == plain.text)
        #expect(outcome.errors.replacing(/\u{1b}\[[\d;]*m/, with: "") == plain.errors)
        #expect(outcome.code == plain.code)
      }
    }
    let wrong = try Weighbridge.run("inspect", Self.gptj, "--color", "blue")
    #expect(wrong.code == 2 && wrong.errors.contains("'auto', 'always' or 'never'"))
    let document = try Weighbridge.run("inspect", Self.gptj, "--json", "--color=always")
    #expect(!document.text.contains(Self.escape))
  }

  @Test func whatComesFromFilesIsNotPainted() {
    Paint.choose(from: ["--color=always"])
    defer { Paint.choose(from: ["--color=auto"]) }
    let report = "error: model.passed: 'x   passed': y\nvalues        passed  z\nokay passed\n"
    let painted = String(decoding: Paint.report(Array(report.utf8)), as: UTF8.self)
    let lines = painted.split(separator: "\n")
    #expect(lines[0] == "\u{1b}[1;31merror:\u{1b}[0m model.passed: 'x   passed': y")
    #expect(lines[1] == "values        \u{1b}[32mpassed\u{1b}[0m  z")
    #expect(Paint.message("x error: y\nhint: z") == "x error: y\n\u{1b}[36mhint:\u{1b}[0m z")
  }

  @Test func conversionsSayWhatTheyTook() throws {
    let path = workspace.path("a.npz")
    let outcome = try Weighbridge.run("convert", Self.gptj, path)
    let size = try Data(contentsOf: URL(filePath: path)).count
    #expect(outcome.errors.contains(/\nwritten      (.*) in 1 file, in \d/))
    #expect(size > 0)
    #expect(try Weighbridge.run("convert", Self.gptj, path, "--force", "-q").errors.isEmpty)
  }
}
