import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// What people see: colours, lines that fit, progress, and an end by Ctrl-C.
@Suite(.timeLimit(.minutes(2))) struct PseudoTerminalTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// A file that ends too early.
  private func broken() throws -> String {
    try workspace.write(
      "model.safetensors", Data(Fixtures.bytes("huggingface/llama/model.safetensors").dropLast(99)))
  }

  /// Lines as they stand on the screen in the end, without colours.
  private func lines(_ terminal: PseudoTerminal) -> [String] {
    terminal.text.replacing("\r\n", with: "\n").split(separator: "\n").map {
      String($0.split(separator: "\r").last ?? "").replacing(/\u{1b}\[[\d;]*[mK]/, with: "")
    }
  }

  @Test(arguments: [40, 60, 132]) func reportsFitTheScreen(width: Int) throws {
    for (path, code) in [(try broken(), Int32(1)), (fixture("huggingface/llama"), 0)] {
      let terminal = try PseudoTerminal(["verify", path], width: width)
      #expect(terminal.exitCode() == code)
      let lines = lines(terminal)
      #expect(lines.count > 5)
      for line in lines where !line.hasPrefix("hint:") {
        // A word that is longer than a line stays whole.
        let isWord = !line.drop { $0 == " " }.contains(" ")
        #expect(displayWidth(line) <= width || isWord, "\(line)")
      }
      #expect(lines.contains { displayWidth($0) > width / 2 })
    }
  }

  @Test func coloursSayWhatIsWhat() throws {
    let path = try broken()
    let terminal = try PseudoTerminal(["verify", path], width: 80)
    #expect(terminal.exitCode() == 1)
    for part in ["1;31merror:", "1;31mfailed", "1;31mFAILED"] {
      #expect(terminal.text.contains("\u{1b}[\(part)\u{1b}[0m"), "\(part)")
    }
    let fine = try PseudoTerminal(["verify", fixture("huggingface/llama")], width: 80)
    #expect(fine.exitCode() == 0)
    #expect(fine.text.contains("\u{1b}[32mpassed\u{1b}[0m"))
    for environment in [["NO_COLOR": "1"], ["TERM": "dumb"]] {
      let plain = try PseudoTerminal(["verify", path], width: 80, environment: environment)
      #expect(plain.exitCode() == 1)
      #expect(!plain.text.contains(/\u{1b}\[[\d;]*m/), "\(environment)")
      #expect(plain.text.contains("error:"))
    }
  }

  @Test func progressIsOneLineThatGoesAway() throws {
    let source = try workspace.sparseCheckpoint(1 << 30)
    let terminal = try PseudoTerminal(
      ["inspect", source, "--digests", "--threads", "1"], width: 50)
    #expect(terminal.exitCode() == 0)
    let drawn = terminal.text.matches(of: /\r\u{1b}\[K(reading [^\r\n\u{1b}]*)/).map { "\($0.1)" }
    #expect(!drawn.isEmpty)
    for line in drawn {
      #expect(displayWidth(line) < 50)
      #expect(line.contains(/^reading  [\d.]+ [kKMG]?B of 1.07 GB \(\d+ %\)/), "\(line)")
    }
    // The report begins on a clean line, and nothing of the progress stays.
    #expect(terminal.text.contains("\r\u{1b}[Kformat "))
    #expect(!lines(terminal).contains { $0.hasPrefix("reading ") })
  }

  @Test func controlCIsALineOfItsOwn() throws {
    let source = try workspace.sparseCheckpoint(16 << 30)
    let terminal = try PseudoTerminal(
      ["inspect", source, "--digests", "--threads", "1"], width: 70)
    while terminal.isRunning && !terminal.text.contains("reading ") { usleep(1000) }
    terminal.interrupt()
    #expect(terminal.exitCode() == 130)
    let lines = lines(terminal)
    #expect(lines.contains("stopping; once more to stop at once"), "\(lines)")
    #expect(lines.contains("stopped by SIGINT"), "\(lines)")
    #expect(!terminal.text.contains("error:") && !terminal.text.contains("layer."))
  }
}
