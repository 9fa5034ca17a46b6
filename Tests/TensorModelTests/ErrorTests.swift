import TensorModel
import Testing

@Suite struct ErrorTests {
  @Test func saysWhereWhatExpectedFoundAndWhatToDo() {
    let error = CheckpointError(
      .malformed, "wrong shape", file: "step_1/shard_3/4.npz", tensor: "layer_7/~/linear/w",
      byteOffset: 80, expected: "[4096, 512]", found: "[4096, 1024]", hint: "pass --shards 4")
    #expect(
      error.description
        == """
        step_1/shard_3/4.npz: tensor 'layer_7/~/linear/w': wrong shape, expected [4096, 512], \
        found [4096, 1024] (byte 80)
        hint: pass --shards 4
        """)
    #expect(!error.summary.contains("hint"))
  }

  @Test func leavesOutWhatItDoesNotKnow() {
    #expect(CheckpointError(.missing, "nothing there").summary == "nothing there")
    #expect(CheckpointError(.missing, "gone", found: "x").summary == "gone, found x")
    #expect(CheckpointError(.missing, "gone", byteOffset: 0).summary == "gone (byte 0)")
    let error = CheckpointError(.missing, "gone", hint: "a", hintLines: ["b", "c\nd"])
    #expect(error.description == "gone\nhint: a\nb\nc\\u{a}d")
  }

  /// A command that the hint announces goes along; a document to complete doesn't.
  @Test func findingsHaveTheirHintsCommand() {
    func message(_ lines: [String]) -> String {
      Finding("a", CheckpointError(.missing, "gone", hint: "do:", hintLines: lines)).message
    }
    #expect(message(["rm -r x"]) == "gone; do: rm -r x")
    #expect(message([]) == "gone; do:")
    #expect(message(["{", "}"]) == "gone; do:")
  }

  @Test func neverPrintsControlCharactersOfFiles() {
    let evil = "a\u{1b}[2J\nb"
    let error = CheckpointError(
      .malformed, "bad", file: evil, tensor: evil, expected: evil, found: evil, hint: evil)
    #expect(error.summary.count { $0 == "\n" } == 0)
    #expect(!error.description.contains("\u{1b}"))
    #expect(error.summary.hasPrefix("a\\u{1b}[2J\\u{a}b: tensor 'a\\u{1b}"))
  }

  @Test func fillsInItsPlaceOnce() {
    let error = CheckpointError(.corrupt, "wrong checksum")
    let placed = error.in(file: "f", tensor: "t")
    #expect(placed.file == "f" && placed.tensor == "t" && placed.code == .corrupt)
    #expect(placed.in(file: "g", tensor: "u") == placed)
    #expect(error.in(tensor: "t").in(file: "f") == placed)
  }

  @Test func knowsWhatMayPassByItself() {
    #expect(CheckpointError.Code.noSpace.isTransient)
    #expect(CheckpointError.Code.interrupted.isTransient)
    #expect(CheckpointError.Code.inputOutput.isTransient)
    #expect(!CheckpointError.Code.malformed.isTransient)
    #expect(!CheckpointError.Code.conflict.isTransient)
  }

  @Test func becomesAFindingWithItsPlaceApart() {
    let error = CheckpointError(.corrupt, "wrong", file: "f", tensor: "t", found: "7")
    let finding = Finding("digests", error)
    #expect(finding.severity == .error && finding.file == "f" && finding.tensor == "t")
    #expect(finding.message == "wrong, found 7")
    #expect(finding.line == "error: f: 't': wrong, found 7 [digests]")
    #expect(Finding(.note, "c", "m").line == "note: m [c]")
    #expect(Finding.Severity.note < .warning && Finding.Severity.warning < .error)
  }
}
