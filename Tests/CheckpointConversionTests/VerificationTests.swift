import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// What `verify` makes of a checkpoint that was damaged after its conversion.
@Suite struct VerificationTests {
  private let workspace: Workspace

  init() throws {
    workspace = try Workspace()
    try convert(Fixtures.path("huggingface/gptj"), workspace.path("out"), dtype: .bf16) {
      $0.settings.sharding = .maximumByteCount(150_000)
    }
  }

  private static let firstShard = "out/model-00001-of-00003.safetensors"
  private static let index = "out/model.safetensors.index.json"
  private static let certificate = "out/weighbridge-certificate.json"

  private func verify(
    _ name: String = "out", against other: Source? = nil
  ) throws(CheckpointError) -> VerificationReport {
    try Verifier(workspace.path(name), OpenOptions(), smallResources).run(against: other)
  }

  private func status(
    _ report: VerificationReport, _ name: VerificationReport.Name
  ) -> VerificationReport.Status? { report.checks.first { $0.name == name }?.status }

  @Test func findsNothingInWhatWasConverted() throws {
    let report = try verify()
    #expect(report.findings.isEmpty)
    #expect(
      report.checks.filter { $0.status == .passed }.map(\.name) == [
        .structure, .configuration, .contents, .values, .certificate,
      ])
    #expect(
      report.checks.filter { $0.status == .skipped }.map(\.reason) == [
        .absent, .absent, .absent, .notAsked, .notAsked,
      ])
    #expect(report.isComplete && report.verdict == .ok)
    #expect(report.tensorCount == 35)
    #expect(report.format == "safetensors")
    let certificate = try JSONDocument.parse(
      Certificate.self, [UInt8](workspace.contents(Self.certificate)), file: "")
    #expect(report.root == certificate.root)
  }

  @Test func findsNothingInTheOriginal() throws {
    let report = try Verifier(
      Fixtures.path("huggingface/gptj"), OpenOptions(), smallResources
    ).run(against: nil)
    #expect(report.findings.isEmpty)
    #expect(status(report, .certificate) == .skipped)
  }

  @Test func findsNothingInOneFile() throws {
    try convert(workspace.path("out"), workspace.path("one.safetensors"))
    let report = try verify("one.safetensors")
    #expect(report.findings.isEmpty)
    #expect(status(report, .configuration) == .skipped)
    #expect(status(report, .certificate) == .passed)
    try workspace.edit("one.safetensors") { $0[$0.count - 1] ^= 1 }
    #expect(try verify("one.safetensors").findings.map(\.check) == ["certificate-digest"])
  }

  @Test(arguments: [0, 7]) func findsAFlippedBit(bit: Int) throws {
    try workspace.edit(Self.firstShard) { $0[$0.count - 100] ^= 1 << bit }
    let report = try verify()
    #expect(report.findings.count == 1)
    let finding = try #require(report.findings.first)
    #expect(finding.check == "certificate-digest")
    #expect(finding.severity == .error)
    #expect(finding.file == "model-00001-of-00003.safetensors")
    let sample = try SafetensorsSample(parsing: workspace.contents(Self.firstShard))
    #expect(finding.tensor == sample.tensors.last { $0.data.count > 0 }?.name)
    #expect(status(report, .structure) == .passed)
    #expect(status(report, .configuration) == .passed)
    #expect(status(report, .contents) == .passed)
    #expect(status(report, .certificate) == .failed)
  }

  @Test func findsATruncatedAndAnExtendedFileAtOnce() throws {
    try workspace.edit(Self.firstShard) { $0.removeLast(8) }
    try workspace.edit("out/model-00003-of-00003.safetensors") { $0 += Data(count: 8) }
    let report = try verify()
    #expect(status(report, .structure) == .failed)
    #expect(
      Set(report.findings.compactMap(\.file)) == [
        "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors",
      ])
    #expect(status(report, .contents) == .skipped)
    #expect(status(report, .certificate) == .skipped)
  }

  @Test func findsAMissingShard() throws {
    try workspace.remove("out/model-00002-of-00003.safetensors")
    let report = try verify()
    #expect(report.findings.map(\.file) == ["model-00002-of-00003.safetensors"])
  }

  @Test func findsATensorThatTheIndexDoesntName() throws {
    let name = "transformer.h.0.ln_1.weight"
    try workspace.edit(Self.index) { data in
      var text = String(decoding: data, as: UTF8.self)
      let line = try #require(text.split(separator: "\n").first { $0.contains(name) })
      text = text.replacingOccurrences(of: "\(line)\n", with: "")
      data = Data(text.utf8)
    }
    let report = try verify()
    #expect(report.findings.map(\.tensor) == [name])
    #expect(report.findings.map(\.check) == ["index-unlisted-tensor"])
    #expect(report.findings.map(\.file) == ["model-00001-of-00003.safetensors"])
  }

  @Test func findsATensorThatOnlyTheIndexNames() throws {
    try workspace.edit(Self.index) { data in
      let text = String(decoding: data, as: UTF8.self)
      data = Data(
        text.replacingOccurrences(
          of: "\"weight_map\": {",
          with: "\"weight_map\": {\"ghost\": \"model-00001-of-00003.safetensors\","
        ).utf8)
    }
    #expect(try verify().findings.map(\.tensor) == ["ghost"])
  }

  /// One finding each, whatever kinds there are.
  @Test func findsEveryDefectOfAnIndex() throws {
    let text = String(decoding: try workspace.contents(Self.index), as: UTF8.self)
    let map = #/"(transformer\.[^"]*)": "(model-0000[123]-of-00003\.safetensors)"/#
    let entries = text.matches(of: map).map { (name: String($0.1), shard: String($0.2)) }
    var changed = text
    for entry in entries.prefix(2) {
      let other = try #require(entries.first { $0.shard != entry.shard }).shard
      changed = changed.replacingOccurrences(
        of: "\"\(entry.name)\": \"\(entry.shard)\"", with: "\"\(entry.name)\": \"\(other)\"")
    }
    for (place, entry) in entries.dropFirst(2).prefix(3).enumerated() {
      changed = changed.replacingOccurrences(
        of: "\"\(entry.name)\"", with: "\"\(entry.name).ghost\(place)\"")
    }
    try workspace.write(Self.index, Data(changed.utf8))
    let findings = try verify().findings
    #expect(
      Dictionary(grouping: findings, by: \.check).mapValues(\.count) == [
        "index-stale-tensor": 2, "index-unlisted-tensor": 3, "index-missing-tensor": 3,
      ])
    #expect(Set(findings.compactMap(\.tensor)).count == 8)
    #expect(findings.allSatisfy { !$0.message.contains("more") })
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path("out")) }
    #expect(error?.summary.contains("(and 7 more: weighbridge verify lists all)") == true)
  }

  @Test func warnsOfAWrongTotalSize() throws {
    try workspace.edit(Self.index) { data in
      let text = String(decoding: data, as: UTF8.self)
      data = Data(text.replacingOccurrences(of: "\"total_size\": ", with: "\"total_size\": 1").utf8)
    }
    #expect(try verify().findings.map(\.check) == ["index-total-size", "certificate-file-changed"])
    try workspace.remove(Self.certificate)
    let report = try verify()
    #expect(report.findings.map(\.severity) == [.warning])
    #expect(report.findings.map(\.file) == ["model.safetensors.index.json"])
    #expect(report.hasFindings(.warning))
    #expect(!report.hasFindings(.error))
  }

  @Test func findsShapesThatTheConfigurationDoesntAskFor() throws {
    try workspace.edit("out/config.json") { data in
      let text = String(decoding: data, as: UTF8.self)
      #expect(text.contains("\"vocab_size\": 400"))
      data = Data(
        text.replacingOccurrences(of: "\"vocab_size\": 400", with: "\"vocab_size\": 401").utf8)
    }
    let report = try verify()
    #expect(status(report, .configuration) == .failed)
    #expect(status(report, .contents) == .passed)
    #expect(status(report, .certificate) == .failed)
    let findings = report.findings.filter { $0.check == "tensor-shape" }
    #expect(
      Set(findings.compactMap(\.tensor)) == [
        "transformer.wte.weight", "lm_head.weight", "lm_head.bias",
      ])
    #expect(findings.allSatisfy { $0.message.contains("401") && $0.message.contains("400") })
    // config.json itself has changed, too.
    #expect(report.findings.count == 4)
  }

  @Test func findsTensorsThatTheConfigurationMisses() throws {
    try workspace.edit("out/config.json") { data in
      let text = String(decoding: data, as: UTF8.self)
      data = Data(text.replacingOccurrences(of: "\"n_layer\": 3", with: "\"n_layer\": 4").utf8)
    }
    let missing = try verify().findings.filter { $0.check == "tensor-missing" }
    #expect(missing.count == 10)
    #expect(missing.allSatisfy { $0.tensor?.hasPrefix("transformer.h.3.") == true })
  }

  @Test func findsAChangedSidecar() throws {
    try workspace.edit("out/tokenizer.json") { $0.append(0x20) }
    try workspace.remove("out/vocab.json")
    let report = try verify()
    #expect(
      report.findings.map(\.file).sorted { ($0 ?? "") < ($1 ?? "") } == [
        "tokenizer.json", "vocab.json",
      ])
    #expect(
      Set(report.findings.map(\.check)) == ["certificate-file-changed", "certificate-file-missing"])
    #expect(report.findings.allSatisfy { $0.severity == .error })
  }

  @Test func findsAChangedRoot() throws {
    try workspace.edit(Self.certificate) { data in
      var text = String(decoding: data, as: UTF8.self)
      let root = try #require(text.range(of: "\"root\" : \"sha256:"))
      let digit = text[root.upperBound]
      text.replaceSubrange(root.upperBound...root.upperBound, with: digit == "0" ? "1" : "0")
      data = Data(text.utf8)
    }
    let report = try verify()
    #expect(report.findings.map(\.check) == ["certificate-root"])
    #expect(report.findings.first?.message.contains("root") == true)
    #expect(report.findings.first?.file == "weighbridge-certificate.json")
  }

  /// A tensor twice, in another's stead: the root is that of what is written, not of what is there.
  @Test func findsATensorThatIsCertifiedTwice() throws {
    try workspace.edit(Self.certificate) { data in
      var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      var tensors = try #require(object["tensors"] as? [[String: Any]])
      tensors[1] = tensors[0]
      object["tensors"] = tensors
      data = try JSONSerialization.data(withJSONObject: object)
    }
    let checks = Set(try verify().findings.map(\.check))
    #expect(checks == ["certificate-tensor-extra", "certificate-root"])
  }

  @Test(arguments: ["{}", "", "[]", #"{"schema": "certificate/v9"}"#])
  func findsACertificateThatIsNone(text: String) throws {
    try workspace.write(Self.certificate, Data(text.utf8))
    let report = try verify()
    #expect(status(report, .certificate) == .failed)
    #expect(report.findings.map(\.file) == ["weighbridge-certificate.json"])
    #expect(status(report, .contents) == .passed)
  }

  /// A certificate comes with the checkpoint, so it is no more to be trusted.
  @Test func readsNoFilesElsewhereForACertificate() throws {
    let secret = Data("secret".utf8)
    try workspace.write("outside.json", secret)
    try workspace.edit(Self.certificate) { data in
      let text = String(decoding: data, as: UTF8.self)
      #expect(text.contains(#""name" : "merges.txt""#))
      data = Data(
        text.replacingOccurrences(
          of: #""name" : "merges.txt""#, with: #""name" : "../outside.json""#
        ).utf8)
    }
    let report = try verify()
    #expect(status(report, .certificate) == .failed)
    #expect(report.findings.allSatisfy { !$0.message.contains(secret.digest) })
  }

  @Test func findsAGitLFSPointer() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n"
    try workspace.write(Self.firstShard, Data(pointer.utf8))
    let report = try verify()
    #expect(report.findings.allSatisfy { $0.file == "model-00001-of-00003.safetensors" })
    #expect(status(report, .structure) == .failed)
    #expect(report.findings.contains { $0.message.contains("LFS") })
  }

  @Test func warnsOfBooleansThatAreNone() throws {
    let sample = SafetensorsSample([
      SampleTensor("fine", "BOOL", [2], Data([0, 1])),
      SampleTensor("mask", "BOOL", [3], Data([0, 2, 1])),
    ])
    try workspace.write("bool.safetensors", sample.fileContents)
    let report = try verify("bool.safetensors")
    #expect(report.findings.map(\.check) == ["bool-value"])
    #expect(report.findings.map(\.tensor) == ["mask"])
    #expect(report.findings.map(\.severity) == [.warning])
    #expect(status(report, .contents) == .passed)
  }

  @Test func needsSomethingToVerify() {
    let error = #expect(throws: CheckpointError.self) { try verify("nothing") }
    #expect(error?.code == .missing)
  }

  // MARK: Against another checkpoint

  private func original() throws -> Source { try Source(Fixtures.path("huggingface/gptj")) }

  @Test func agreesWithWhatItWasConvertedFrom() throws {
    let report = try verify(against: original())
    #expect(report.findings.isEmpty)
    #expect(status(report, .against) == .passed)
  }

  @Test func agreesWithTheArchiveItWasConvertedFrom() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s8_trained_slim" })
    _ = try fixture.convert(to: workspace.path("mesh"), dtype: .f16)
    let options = OpenOptions(
      configuration: try fixture.configuration, temporaryDirectory: workspace.path)
    let archive = try Source(fixture.archive, options)
    #expect(try verify("mesh", against: archive).findings.isEmpty)

    // One bit of one element of a tensor that is concatenated and transposed.
    try workspace.remove("mesh/weighbridge-certificate.json")
    let name = "transformer.h.3.attn.k_proj.weight"
    let place = 64 * 17 + 5
    let plan = try ConversionJob(
      request(workspace.path("mesh"), workspace.path("unused"))
    ).plan().1
    let tensor = try #require(plan.tensors.first { $0.name == name })
    let offset = try #require(tensor.place).byteOffset
    try workspace.edit("mesh/model.safetensors") { $0[offset + 2 * place] ^= 1 }
    let report = try verify("mesh", against: archive)
    #expect(report.findings.count == 1)
    let finding = try #require(report.findings.first)
    #expect(finding.check == "against-difference")
    #expect(finding.tensor == name)
    #expect(finding.message.contains("1 of 4096 elements"))
    #expect(finding.message.hasSuffix("place \(place)"))
    #expect(status(report, .structure) == .passed)
  }

  @Test func differsFromAnotherCheckpointInNamesShapesAndValues() throws {
    let ours = SafetensorsSample([
      SampleTensor("same", [2], floats: [1, 2]), SampleTensor("value", [3], floats: [1, 2, 3]),
      SampleTensor("shape", [2, 1], floats: [1, 2]), SampleTensor("extra", [1], floats: [1]),
    ])
    let theirs = SafetensorsSample([
      SampleTensor("same", [2], floats: [1, 2]), SampleTensor("value", [3], floats: [1, 0, 0]),
      SampleTensor("shape", [1, 2], floats: [1, 2]), SampleTensor("lost", [1], floats: [1]),
    ])
    try workspace.write("ours.safetensors", ours.fileContents)
    try workspace.write("theirs.safetensors", theirs.fileContents)
    let report = try verify(
      "ours.safetensors", against: Source(workspace.path("theirs.safetensors")))
    let findings = report.findings.filter { $0.check.hasPrefix("against-") }
    #expect(Set(findings.compactMap(\.tensor)) == ["value", "shape", "extra", "lost"])
    #expect(findings.count == 4)
    #expect(
      findings.first { $0.tensor == "value" }?.message.contains("2 of 3 elements") == true)
  }

  /// Two zeros that compare equal as numbers, and NaNs that don't even equal themselves, are compared as bits.
  @Test func comparesBitsNotNumbers() throws {
    func sample(_ floats: [Float]) throws -> Data {
      try SafetensorsSample([SampleTensor("x", [2], floats: floats)]).fileContents
    }
    try workspace.write("a.safetensors", sample([0, .nan]))
    try workspace.write("b.safetensors", sample([-0.0, .nan]))
    let same = try verify("a.safetensors", against: Source(workspace.path("a.safetensors")))
    #expect(same.findings.map(\.check) == ["nan"])
    let other = try verify("a.safetensors", against: Source(workspace.path("b.safetensors")))
    #expect(other.findings.last?.message.contains("1 of 2 elements") == true)
  }
}
