import Foundation
import TensorModel
import TestSupport
import Testing

@testable import weighbridge

/// Command lines that can't be carried out.
@Suite struct UsageTests {
  static let source = fixture("huggingface/gpt2")

  static let wrong: [[String]] = [
    ["convert"], ["convert", source], ["inspect"], ["verify"], ["nonsense"], ["--nonsense"],
    ["inspect", source, source], ["inspect", source, "--nonsense"],
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

  @Test func sizesAreWrittenInPowersOf1000And1024() {
    let sizes = [
      ("5", 5), ("5B", 5), ("500KB", 500_000), ("500kb", 500_000), ("5GB", 5_000_000_000),
      ("1.5MB", 1_500_000), ("64KiB", 65_536), ("2GiB", 2_147_483_648), ("1TB", 1_000_000_000_000),
    ]
    for (text, count) in sizes { #expect(ByteSize(argument: text)?.byteCount == count, "\(text)") }
  }

  @Test(arguments: [
    "", "B", "GB", "-1", "0", "0.1", "1e3", "5 GB", "5XB", "1.2.3MB", "nan", "inf", "0x10",
    "99999999999TB", "\u{661}KB", "+5",
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
