import TensorModel
import TestSupport
import Testing

@testable import Tokenization

/// Models of characters and of likelihoods that make no sense: refused, or run, but never a crash.
@Suite struct HostileModelTests {
  private func tokenizer(
    _ model: String, normalizer: String = "null", preTokenizer: String = "null",
    decoder: String = "null", added: String = "[]"
  ) throws(CheckpointError) -> Tokenizer {
    let text = """
      {"version": "1.0", "added_tokens": \(added), "normalizer": \(normalizer),
       "pre_tokenizer": \(preTokenizer), "post_processor": null, "decoder": \(decoder),
       "model": \(model)}
      """
    return try Tokenizer(assets: [asset("tokenizer.json", text)])
  }

  private static let unigram =
    #"{"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5], ["ab", -2]]}"#

  private func refusal(_ body: () throws(CheckpointError) -> Tokenizer) -> CheckpointError? {
    do throws(CheckpointError) {
      _ = try body()
      return nil
    } catch { return error }
  }

  @Test func theLikeliestPiecesAreTaken() throws {
    let tokenizer = try tokenizer(Self.unigram)
    #expect(try tokenizer.encode("aaba") == [1, 2, 1])
    #expect(try tokenizer.encode("axxab") == [1, 0, 2])
    #expect(tokenizer.decode([1, 2, 7]) == "a ab")
  }

  @Test(arguments: [
    (#"{"type": "Unigram", "vocab": []}"#, "without 'vocab'"),
    (#"{"type": "Unigram", "vocab": {"a": 0}}"#, "without 'vocab'"),
    (#"{"type": "Unigram", "vocab": [["", 0]]}"#, "piece 0 can't be read"),
    (#"{"type": "Unigram", "vocab": [["a", 0], ["b", null]]}"#, "piece 1 can't be read"),
    (#"{"type": "Unigram", "vocab": [["a", "NaN"]]}"#, "piece 0 can't be read"),
    (#"{"type": "Unigram", "vocab": [["a", 1e999]]}"#, ""),
    (#"{"type": "Unigram", "vocab": [["a", 0, 1]]}"#, "piece 0 can't be read"),
    (
      #"{"type": "Unigram", "unk_id": 0, "vocab": [["a", 0], ["a", 1]]}"#, "two pieces are the same"
    ),
    (#"{"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]}"#, "'unk_id' is no piece"),
    (#"{"type": "Unigram", "unk_id": null, "vocab": [["a", 0]]}"#, "'unk_id' is no piece"),
    (#"{"type": "Unigram", "unk_id": -1, "vocab": [["a", 0]]}"#, "'unk_id' is no piece"),
    (#"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "?"}"#, "unknown token too"),
    (#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}"#, "refers to a token"),
  ]) func modelsWithoutSenseAreRefused(model: String, message: String) {
    let error = refusal { () throws(CheckpointError) in try tokenizer(model) }
    #expect(error?.code == .malformed, "\(model)")
    #expect(
      error?.message.contains(message) ?? false || message.isEmpty, "\(String(describing: error))")
  }

  /// Sums that leave the range of numbers, no unknown piece, bytes that lack some.
  @Test func extremesRun() throws {
    let huge =
      #"{"type": "Unigram", "unk_id": 0, "vocab": [["a", -1.7e308], ["b", 1.7e308], ["ab", 0]]}"#
    #expect(try tokenizer(huge).encode("abab xab").count > 0)
    let bytes =
      #"{"type": "Unigram", "byte_fallback": true, "unk_id": 2, "vocab": [["a", 0], ["<0x20>", 0], ["?", -1]]}"#
    #expect(try tokenizer(bytes).encode("a a é") == [0, 1, 0, 2])
    let pairs =
      #"{"type": "BPE", "byte_fallback": true, "vocab": {"a": 0, "<0x20>": 1}, "merges": []}"#
    #expect(try tokenizer(pairs).encode("a é") == [0, 1])
    // A merge whose result is a part of its parts.
    let cycle =
      #"{"type": "BPE", "vocab": {"a": 0, "aa": 1, "": 2}, "merges": [["a", "a"], ["", "a"], ["aa", ""]]}"#
    #expect(try tokenizer(cycle).encode("aaaaa") == [1, 1, 0])
  }

  @Test(arguments: [
    ("!!!!", "isn't base64"), ("AAA", "isn't base64"), ("", "can't be read"),
    ("AAAA", "can't be read"), ("/////w==", "can't be read"), ("BAAAAAAAAABh", "can't be read"),
    ("AwAAAAAAAAA=", "can't be read"), ("BAAAAAAAAAD/AA==", "can't be read"),
  ]) func brokenMapsAreRefused(map: String, message: String) {
    let error = refusal { () throws(CheckpointError) in
      try tokenizer(
        Self.unigram, normalizer: #"{"type": "Precompiled", "precompiled_charsmap": "\#(map)"}"#)
    }
    #expect(error?.code == .malformed && error?.message.contains(message) == true, "\(map)")
  }

  /// Double arrays that lead anywhere.
  @Test func randomMapsAreRun() throws {
    var random = FixedRandom(seed: 9)
    for count in 1...200 {
      let units = random.bytes(4 * count)
      var bytes: [UInt8] = [UInt8((4 * count) & 0xff), UInt8((4 * count) >> 8), 0, 0] + units
      bytes += [0x61, 0, 0xc3, 0xa9, 0]
      let map = try CharacterMap(parsing: bytes)
      let text = Array("aé\u{301} <\r\n🙂\u{0}".unicodeScalars)
      _ = map.mapped(text)
      var normalizer = SentencePieceNormalizer()
      normalizer.map = map
      _ = normalizer.normalized(text[...], isStart: true)
    }
  }

  @Test(arguments: [
    (#"{"type": "Strip", "content": "ab", "start": 1, "stop": 0}"#, "no character"),
    (#"{"type": "Strip", "content": " ", "start": 9223372036854775807, "stop": 0}"#, "'start'"),
    (#"{"type": "Strip", "content": " ", "start": 1, "stop": -1}"#, "'stop'"),
    (#"{"type": "Metaspace", "replacement": "ab"}"#, "one character"),
  ]) func brokenDecodersAreRefused(decoder: String, message: String) {
    let error = refusal { () throws(CheckpointError) in
      try tokenizer(Self.unigram, decoder: decoder)
    }
    #expect(error?.code == .malformed && error?.message.contains(message) == true, "\(decoder)")
  }

  @Test func endlessSequencesAreRefused() {
    let deep =
      String(repeating: #"{"type": "Sequence", "normalizers": ["#, count: 40)
      + String(repeating: "]}", count: 40)
    let wide =
      #"{"type": "Sequence", "normalizers": ["#
      + Array(repeating: #"{"type": "NFC"}"#, count: 40).joined(separator: ",") + "]}"
    #expect(
      refusal { () throws(CheckpointError) in try tokenizer(Self.unigram, normalizer: wide) }?.code
        == .unsupported)
    _ = refusal { () throws(CheckpointError) in try tokenizer(Self.unigram, normalizer: deep) }
  }

  /// What a model lacks is named.
  @Test func modelsWithoutAnUnknownPieceAreRefused() {
    let piece: [UInt8] = [0x0a, 0x08, 0x0a, 0x01, 0x61, 0x15, 0, 0, 0x80, 0xbf]
    let error = refusal { () throws(CheckpointError) in
      try Tokenizer(assets: [asset("tokenizer.model", piece)])
    }
    #expect(error?.code == .malformed && error?.message.contains("unknown piece") == true)
    let words = refusal { () throws(CheckpointError) in
      try Tokenizer(assets: [
        asset("tokenizer.model", [0x0a, 0x05, 0x0a, 0x01, 0x61, 0x18, 2, 0x12, 2, 0x18, 3])
      ])
    }
    #expect(words?.code == .unsupported && words?.found?.contains("word") == true)
  }

  @Test(arguments: ["sentencepiece_bpe", "sentencepiece_unigram", "gemma", "unigram"])
  func damageIsRefusedOrRun(folder: String) throws {
    let name = folder.hasPrefix("sentencepiece") ? "tokenizer.model" : "tokenizer.json"
    let bytes = try Fixtures.bytes("tokenizer/\(folder)/\(name)")
    var random = FixedRandom(seed: 3)
    for _ in 0..<15 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) { damaged = random.damaged(damaged) }
      guard let tokenizer = try? Tokenizer(assets: [asset(name, damaged)]) else { continue }
      let ids = try tokenizer.encode("<s> the  weighbridge's 123 \u{e9} <mask>\n\nab🙂")
      #expect(ids.allSatisfy { (0..<tokenizer.vocabularySize).contains($0) })
      _ = tokenizer.decode(ids)
    }
  }

  @Test(
    .timeLimit(.minutes(1)),
    arguments: ["sentencepiece_bpe", "sentencepiece_unigram", "gemma", "unigram"])
  func longTextsTakeProportionateTime(folder: String) throws {
    let tokenizer = try Tokenizer(assets: assets(folder))
    for unit in ["a", " ", "ab", "the ", "e\u{301}", "\n", "<mask> "] {
      let text = String(repeating: unit, count: 8_000 / unit.utf8.count)
      _ = try tokenizer.encode(text)
    }
  }
}
