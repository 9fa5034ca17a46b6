import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

@testable import weighbridge

/// Command lines that can't be carried out.
@Suite struct UsageTests {
  static let source = fixture("huggingface/gpt2")

  static let wrong: [[String]] = [
    ["convert"], ["convert", source], ["inspect"], ["verify"], ["nonsense"], ["--nonsense"],
    ["verify", source, source], ["inspect", source, "--nonsense"],
    ["convert", source, "/nowhere/x", "--dtype", "f99"], ["convert", source, "x", "--dtype"],
    ["convert", source, "x", "--max-shard-size", "lots"],
    ["convert", source, "x", "--max-shard-size", "-5MB"],
    ["convert", source, "x", "--max-shard-size", "0"],
    ["convert", source, "x", "--max-shard-size", "1GB", "--shards", "2"],
    ["convert", source, "x", "--shards", "0"], ["convert", source, "x", "--shards", "two"],
    ["inspect", source, "--threads", "0"],
    ["inspect", source, "--memory", "1KB"], ["inspect", source, "--memory", "9999999999GB"],
    ["inspect", source, "--spool", "/nowhere"], ["verify", source, "--fail-on", "note"],
    ["inspect", source, "--config", "/nowhere/config.json"],
    ["convert", source, "/nowhere/x", "--to", "papyrus"], ["convert", source, "/nowhere/x"],
    ["convert", source, ""], ["convert", source, ".."], ["convert", source, "/"],
    ["inspect", ""], ["inspect", "/nowhere/model"], ["verify", "/nowhere/model"],
    ["verify", source, "--against", "/nowhere/model"], ["inspect", "/dev/null"],
  ]

  @Test(arguments: wrong)
  func exitsWith2AndSaysWhy(arguments: [String]) throws {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2, "\(arguments)")
    #expect(outcome.output.isEmpty, "\(arguments)")
    #expect(outcome.errors.hasPrefix("Error: ") || outcome.errors.hasPrefix("error: "))
    #expect(outcome.errors.count > 20)
    #expect(!FileManager.default.fileExists(atPath: "x"))
  }

  static let absent = NSTemporaryDirectory() + "weighbridge-that-is-never-written"

  /// What is said, and what must be in it.
  @Test(arguments: [
    (["inspekt", "x"], "hint: did you mean 'inspect'? weighbridge --help"),
    (["papyrus"], "hint: weighbridge --help"),
    (["convert", "a", "b", "--dtype", "f61"], "Did you mean 'f16'?"),
    (["convert", "a", "b", "--dtype", "papyrus"], "one of 'keep', 'f32', 'f16' or 'bf16'"),
    (["convert", source, absent, "--to", "safetensor"], "hint: did you mean 'safetensors'?"),
    (["convert", source, absent, "--to", "papyrus"], "expected safetensors, store, "),
    (["quantize", "a", "b", "--scheme", "q4km"], "Did you mean 'q4_k_m'?"),
    (["quantize", "a", "b", "--scheme", "papyrus"], "There are q8_0, q6_k, "),
    (
      ["quantize", source, absent + ".gguf", "--scheme", "q8_0", "--output-type", "q8_o"],
      "hint: did you mean 'q8_0'"
    ),
    (["verify", "a", "--skip", "vlaues"], "Did you mean 'values'?"),
    (["verify", "a", "--report", "jsn"], "Did you mean 'json'?"),
    (["inspect", "a", "--tensor"], "Did you mean '--tensors'?"),
    (["inspect", "a", "--papyrus"], "error: Unknown option '--papyrus'\n"),
    (["convert", "a", "b", "--zz"], "error: Unknown option '--zz'\n"),
  ])
  func saysWhatMayHaveBeenMeant(arguments: [String], text: String) throws {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains(text), "\(outcome.errors)")
    #expect(outcome.errors.contains("id you mean") == text.contains("id you mean"))
  }

  @Test(arguments: [
    (["convert", "a", "b", "--to", "hf", "--to=npz"], "--to is given twice"),
    (["inspect", "a", "--threads", "1", "--threads", "1"], "found '1' and '1'"),
    (["verify", "a", "--against", "\u{1b}", "--against", "b"], "found '\\u{1b}' and 'b'"),
  ])
  func refusesOptionsGivenTwice(arguments: [String], text: String) throws {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains(text), "\(outcome.errors)")
  }

  @Test func takesFlagsListsAndFilesTwice() throws {
    for arguments in [
      ["inspect", Self.source, "--json", "--json"],
      ["verify", Self.source, "--report", "json", "--report", "text=/dev/null/x"],
      ["inspect", Self.source, "--", "--to", "--to"],
    ] {
      #expect(try !Weighbridge.run(arguments).errors.contains("given twice"), "\(arguments)")
    }
  }

  @Test(arguments: ["fp16", "float16", "F16", "half"]) func dtypesHaveOtherNames(name: String) {
    #expect(DTypeChoice(argument: name) == .f16)
    #expect(SchemeChoice(argument: name)?.scheme.name == "f16")
    #expect(SchemeChoice(argument: "q8_0")?.scheme.container.type(named: name)?.name == "F16")
  }

  @Test(arguments: ["HF", "Safetensors", "GGUF"]) func formatsAreNamedInEitherCase(name: String)
    throws
  {
    let outcome = try Weighbridge.run(
      "convert", Self.source, "/nowhere/x\(name == "GGUF" ? ".gguf" : "")", "--to", name,
      "--dry-run", "-q")
    #expect(outcome.code == 0 || !outcome.errors.contains("--to"), "\(outcome.errors)")
  }

  @Test func sizesAreWrittenInPowersOf1000And1024() {
    let sizes = [
      ("5", 5), ("5B", 5), ("500KB", 500_000), ("500kb", 500_000), ("5GB", 5_000_000_000),
      ("1.5MB", 1_500_000), ("64KiB", 65_536), ("2GiB", 2_147_483_648), ("1TB", 1_000_000_000_000),
      ("1G", 1_000_000_000), ("1g", 1_000_000_000), ("2Gi", 2_147_483_648), ("500K", 500_000),
    ]
    for (text, count) in sizes { #expect(ByteSize(argument: text)?.byteCount == count, "\(text)") }
  }

  @Test(arguments: [
    "", "B", "GB", "-1", "0", "0.1", "1e3", "5 GB", "5XB", "1.2.3MB", "nan", "inf", "0x10",
    "99999999999TB", "\u{661}KB", "+5", "5BB", "5IB", "G", "5GG",
  ])
  func refusesWhatIsNoSize(text: String) { #expect(ByteSize(argument: text) == nil) }

  @Test func showsSizesWithThreeDigits() {
    let sizes = [
      (0, "0 bytes"), (999, "999 bytes"), (1000, "1.00 KB"), (9_994, "9.99 KB"),
      (9_995, "10.0 KB"), (99_949, "99.9 KB"), (99_950, "100 KB"), (999_499, "999 KB"),
      (999_500, "1.00 MB"), (12_000_000_000, "12.0 GB"),
    ]
    for (count, text) in sizes { #expect(humanSize(count) == text) }
    #expect(grouped(1_234_567) == "1,234,567")
    #expect(counted(1, "tensor") == "1 tensor")
    #expect(counted(1000, "tensor") == "1,000 tensors")
  }
}
