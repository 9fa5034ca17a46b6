import Foundation
import TestSupport
import Testing

/// Every broken file has its verdict, and none a crash.
@Suite struct HostileFileTests {
  struct Verdict: Decodable {
    let verdict: String
    let why: String
  }

  /// A folder's files in parts, so that they run side by side.
  static let parts: [[String]] = [
    "safetensors", "npz", "tarzst", "torchbin", "gguf", "h5", "msgpack", "tfbundle", "neox",
  ].flatMap { folder in
    let names = Fixtures.names(in: "bad/\(folder)").filter { $0 != "expected.json" }
    return stride(from: 0, to: names.count, by: 16).map { start in
      names[start..<min(start + 16, names.count)].map { "\(folder)/\($0)" }
    }
  }

  /// What its folder's list says of a file.
  private func verdict(
    of file: String
  ) throws -> (folder: String, name: String, entry: Verdict) {
    let folder = String(file.prefix { $0 != "/" })
    let name = String(file.dropFirst(folder.count + 1))
    let expected = try JSONDecoder().decode(
      [String: Verdict].self,
      from: Data(contentsOf: URL(filePath: fixture("bad/\(folder)/expected.json"))))
    return (folder, name, try #require(expected[name], "\(file)"))
  }

  @Test(arguments: parts) func getItsVerdict(files: [String]) throws {
    for file in files {
      let (folder, _, entry) = try verdict(of: file)
      let outcome = try Weighbridge.run("inspect", fixture("bad/\(file)"), "--digests")
      // The archives hold no checkpoint, so that sound ones can't be inspected either.
      let allowed: [Int32] =
        entry.verdict == "reject" ? [2] : folder == "tarzst" ? [0, 2] : [0]
      #expect(allowed.contains(outcome.code), "\(file): \(entry.why): \(outcome.errors)")
      if outcome.code == 2 {
        #expect(outcome.errors.hasPrefix("error: "), "\(file)")
        #expect(outcome.errors.count > 30, "\(file)")
        #expect(outcome.output.isEmpty, "\(file)")
      }
    }
  }

  /// Soundness of their values apart: those of some are NaN.
  @Test(arguments: parts) func getItsVerdictFromVerify(files: [String]) throws {
    struct Report: Decodable {
      struct Finding: Decodable {
        let check: String
        let severity: String
      }
      let findings: [Finding]
    }
    for file in files {
      let (folder, name, entry) = try verdict(of: file)
      // Opens, and its contents aren't there.
      let verdict = name == "ok_meta_tensor.bin" ? "reject" : entry.verdict
      let outcome = try Weighbridge.run(
        "verify", fixture("bad/\(file)"), "--skip", "values", "--fail-on", "warning", "--json")
      var findings = try JSONDecoder().decode(Report.self, from: outcome.output).findings
      // The archives hold no checkpoint, which is found as well.
      if folder == "tarzst", verdict != "reject" {
        #expect(findings.first?.severity == "error", "\(file)")
        findings.removeFirst()
      } else {
        let codes: [Int32] = ["accept": [0], "warn": [1]][verdict] ?? [1, 2]
        #expect(codes.contains(outcome.code), "\(file): \(entry.why)")
      }
      let worst =
        outcome.code == 2 || findings.contains { $0.severity == "error" }
        ? "reject" : findings.contains { $0.severity == "warning" } ? "warn" : "accept"
      #expect(worst == verdict, "\(file): \(entry.why): \(findings)")
    }
  }

  /// Tensors without elements, the product of whose other extents is more than 2^63 bytes.
  @Test(arguments: [
    "[0,4611686018427387904]", "[0,2147483648,2147483648]", "[4611686018427387904,0]",
  ])
  func emptyTensorsOfHugeShapesNeverCrash(shape: String) throws {
    let workspace = try Workspace()
    let header = #"{"x":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,0]}}"#
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    let file = try workspace.write("in.safetensors", length + Data(header.utf8))
    for arguments in [
      ["inspect", file, "--digests", "--statistics"], ["verify", file],
      ["convert", file, workspace.path("out"), "--dtype", "bf16"],
    ] {
      let outcome = try Weighbridge.run(arguments, shell: "export SWIFT_BACKTRACE=enable=no")
      #expect((0...2).contains(outcome.code), "\(arguments): \(outcome.code)")
    }
  }

  @Test func areAllThere() { #expect(Self.parts.joined().count > 200) }
}
