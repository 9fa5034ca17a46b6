import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// SentencePiece's vocabularies in GGUF files; `fixtures/gguf/sentencepiece` has what llama.cpp's converter writes of its own.
@Suite struct GGUFSentencePieceTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let fixture = "gguf/sentencepiece"

  /// Llama's fixture with as many rows as the converter was told of.
  private func model(rows: Int = 384) throws -> String {
    var sample = try ModelSample("llama")
    sample.configuration["vocab_size"] = rows
    for index in sample.tensors.tensors.indices {
      let tensor = sample.tensors.tensors[index]
      guard ["model.embed_tokens.weight", "lm_head.weight"].contains(tensor.name) else { continue }
      sample.tensors.tensors[index].shape[0] = rows
      sample.tensors.tensors[index].data = Data(count: rows * tensor.shape[1] * 4)
    }
    return try sample.write(workspace, "model")
  }

  private func request(rows: Int = 384, _ assets: String) throws -> ConversionRequest {
    CheckpointConversionTests.request(try model(rows: rows), workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = assets
    }
  }

  private func assets(_ files: [String: Data]) throws -> String {
    for (name, contents) in files { try workspace.write("assets/\(name)", contents) }
    return workspace.path("assets")
  }

  private func header() throws -> GGUFHeader {
    try GGUFHeader(InputFile(path: workspace.path("x.gguf")).region)
  }

  private func golden() throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(
      with: Data(Fixtures.bytes("\(Self.fixture)/converted.json")))
    return try #require(object as? [String: Any])
  }

  private func texts(_ value: GGUFValue) -> [String] {
    value.array.map { $0.texts ?? $0.values?.map(\.description) ?? [] } ?? [value.description]
  }

  @Test func keysAreThoseOfTheReference() throws {
    let outcome = try convert(request(Fixtures.path(Self.fixture)))
    let header = try header()
    for (key, value) in try golden() {
      let found = try #require(header[key], "\(key)")
      if let numbers = value as? [Double] {
        #expect(found.array?.values?.map(\.number) == numbers, "\(key)")
      } else if let flag = value as? Bool, found.flag != nil {
        #expect(found.flag == flag, "\(key)")
      } else {
        #expect(texts(found) == (value as? [String] ?? ["\(value)"]), "\(key)")
      }
    }
    #expect(header["tokenizer.ggml.unknown_token_id"]?.integer == 0)
    #expect(header["tokenizer.ggml.add_space_prefix"] == .bool(true))
    let left = outcome.certificate.findings.filter { $0.message.contains("tokenizer") }
    #expect(left.isEmpty, "\(left)")
  }

  /// Scores are gone; what merges first is the same.
  @Test func documentsOfModelsGiveTheSame() throws {
    try convert(request(Fixtures.path("\(Self.fixture)/document")))
    let header = try header()
    let golden = try golden()
    let scores = try #require(golden["tokenizer.ggml.scores"] as? [Double])
    let values = try #require(header["tokenizer.ggml.scores"]?.array?.values)
    let found = values.map { $0.number ?? .nan }
    let merged = scores.indices.filter { (259..<340).contains($0) }.sorted {
      scores[$0] > scores[$1]
    }
    #expect(merged == merged.sorted { found[$0] > found[$1] })
    for key in ["tokens", "token_type"] {
      let found = try #require(header["tokenizer.ggml.\(key)"])
      let expected = try #require(golden["tokenizer.ggml.\(key)"] as? [Any])
      #expect(texts(found) == expected.map { "\($0)" }, "\(key)")
    }
    #expect(header["tokenizer.ggml.add_space_prefix"] == .bool(true))
  }

  @Test func mergesHaveToBeAll() throws {
    let text = String(
      decoding: try Fixtures.bytes("\(Self.fixture)/document/tokenizer.json"), as: UTF8.self)
    let merge = try #require(text.firstMatch(of: #/"merges": \["[^"]*", /#))
    var fewer = text
    fewer.replaceSubrange(merge.range, with: #""merges": ["#)
    for (document, reason) in [
      (fewer, "in every way"),
      (text.replacing(#""Replace""#, with: #""Lowercase""#), "normalizer"),
      (
        text.replacing(#""pre_tokenizer": null"#, with: #""pre_tokenizer": {"type": "Digits"}"#),
        "Digits"
      ),
    ] {
      #expect(document != text)
      let error = failure(
        of: try request(assets(["tokenizer.json": Data(document.utf8)])))
      #expect(error?.code == .unsupported, "\(error?.description ?? "")")
      #expect(error?.found?.contains(reason) == true)
    }
  }

  @Test func tokensOutsideAreLeftOutAndPiecesHaveToFit() throws {
    let outcome = try convert(request(rows: 341, Fixtures.path(Self.fixture)))
    let finding = outcome.certificate.findings.first { $0.check == "token-left-out" }
    #expect(finding?.message.contains("4 added tokens") == true, "\(finding?.message ?? "")")
    #expect(try header()["tokenizer.ggml.tokens"]?.array?.count == 341)
    try workspace.remove("x.gguf")
    try workspace.remove("x.certificate.json")
    let error = failure(of: try request(rows: 339, Fixtures.path(Self.fixture)))
    #expect(error?.code == .malformed && error?.found == "340")
  }

  // MARK: Models of other kinds

  /// The model with a field more in one of its messages; of fields that stand twice the last counts.
  private func model(appending field: [UInt8], to message: UInt8) throws -> Data {
    let bytes = try Fixtures.bytes("\(Self.fixture)/tokenizer.model")
    return Data(bytes + [message << 3 | 2, UInt8(field.count)] + field)
  }

  @Test(
    arguments: [
      ([3 << 3, 1], 2, "unigram"), ([3 << 3, 3], 2, "word"),
      ([0xc0, 0x01, 1], 2, "ends of words"),  // 24: treat_whitespace_as_suffix
    ] as [([UInt8], UInt8, String)])
  func otherKindsAreRefused(_ field: [UInt8], _ message: UInt8, _ reason: String) throws {
    let model = try model(appending: field, to: message)
    let error = failure(of: try request(assets(["tokenizer.model": model])))
    #expect(error?.code == .unsupported && error?.found?.contains(reason) == true)
  }

  @Test func changedTextsAreAFinding() throws {
    let model = try model(appending: [2 << 3 | 2, 1, 0], to: 3)  // precompiled_charsmap
    let outcome = try convert(request(assets(["tokenizer.model": model])))
    #expect(outcome.certificate.findings.contains { $0.check == "gguf-normalizer" })
  }

  @Test func userDefinedPiecesAreWrittenAsInTexts() throws {
    let text = Array("\u{2581}x".utf8)
    let field = [1 << 3 | 2, UInt8(text.count)] + text + [3 << 3, 4]
    let bytes = try Fixtures.bytes("\(Self.fixture)/tokenizer.model")
    let model = Data(bytes + [1 << 3 | 2, UInt8(field.count)] + field)
    try convert(request(assets(["tokenizer.model": model])))
    let header = try header()
    #expect(header["tokenizer.ggml.tokens"]?.array?.texts?[340] == " x")
    #expect(header["tokenizer.ggml.token_type"]?.array?.values?[340].integer == 4)
    #expect(header["tokenizer.ggml.bos_token_id"]?.integer == 1)
  }

  @Test func textInsteadOfAModelIsRefused() throws {
    let text = Data("IQ== 0\nIg== 1\n".utf8)  // tiktoken's, as Llama 3 has it under the same name.
    let error = failure(of: try request(assets(["tokenizer.model": text])))
    #expect(error?.code == .malformed && error?.file == "tokenizer.model")
  }
}
