import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct DigestTests {
  private func identity(
    _ name: String, _ dtype: DType, _ shape: Shape, _ bytes: [UInt8]
  ) -> TensorIdentity {
    TensorIdentity(name: name, dtype: dtype, shape: shape, digest: Digest(of: bytes))
  }

  @Test func isSHA256() throws {
    let digest = Digest(of: Array("abc".utf8))
    #expect(
      digest.description
        == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let encoded = try JSONEncoder().encode([digest])
    #expect(String(decoding: encoded, as: UTF8.self) == "[\"\(digest)\"]")
    #expect(try JSONDecoder().decode([Digest].self, from: encoded) == [digest])
    var stream = StreamingDigest()
    Array("ab".utf8).withUnsafeBytes { stream.update($0) }
    Array("c".utf8).withUnsafeBytes { stream.update($0) }
    #expect(stream.digest == digest)
  }

  @Test(arguments: [
    "", "sha256:", "sha256:\(String(repeating: "A", count: 64))",
    "sha256:\(String(repeating: "a", count: 63))", "sha256:\(String(repeating: "a", count: 65))",
    "sha512:\(String(repeating: "a", count: 64))", "sha256:\(String(repeating: "g", count: 64))",
    String(repeating: "a", count: 71),
  ])
  func refusesOtherSpellings(_ text: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([Digest].self, from: JSONEncoder().encode([text]))
    }
  }

  // The constants are from Python: hashlib.sha256 over the lines that the function documents.

  @Test func givesTheRootThatFourLinesOfPythonGive() {
    let tensors = [
      identity("b", .f32, [2], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]), identity("a", .u8, [], [7]),
      identity("\u{e9}", .f16, [0, 3], []),
    ]
    let root = "1b2db6ee6ad3b8681e53447841823b097f0adffd3582f18bd3afc9127ad5dcde"
    #expect(rootDigest(of: tensors).hexadecimal == root)
    #expect(rootDigest(of: tensors.reversed()).hexadecimal == root)
    let places = [2, 0, 1]
    let named = rootDigest(ofTensors: 3, named: { tensors[places[$0]].name }) {
      tensors[places[$0]]
    }
    #expect(named.hexadecimal == root)
  }

  @Test func escapesNamesAndSortsThemByBytes() {
    let tensors = [
      identity("line\nfeed\r\\n", .u8, [3], [1, 2, 3]), identity("\u{e9}", .i8, [1, 1], [0xfe]),
      identity("e\u{301}", .i8, [1, 1], [0xff]),
    ]
    #expect(
      rootDigest(of: tensors).hexadecimal
        == "7362d616aa3c32907a144d20e78562e0af39e8cae93eb8b074b2f1c858692033")
  }

  @Test func givesNothingTheDigestOfNothing() {
    #expect(rootDigest(of: []) == Digest(of: []))
    #expect(
      rootDigest(of: []).hexadecimal
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test func digestsFiles() throws {
    let directory = try TemporaryDirectory()
    let tensor = largeTensor("a", [300_000], seed: 1)
    let path = try directory.write("file", tensor.bytes)
    #expect(try Digest(ofFile: InputFile(path: path)) == Digest(of: tensor.bytes))
  }
}
