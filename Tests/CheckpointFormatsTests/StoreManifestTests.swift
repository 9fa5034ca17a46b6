import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointFormats

/// store.json: what is written is read back, and nothing else is read.
@Suite struct StoreManifestTests {
  private static func file(_ name: String) -> StoreManifest.FileRecord {
    .init(name: name, contents: Array(name.utf8))
  }

  private static let oddNames = [
    "", ".", "..", "/", "a/b", "%", "%2F", "äöü 重み", "e\u{301}", "é", "line\nfeed", "tab\t\"\\",
    "nul\u{0}", "\u{1b}[31m", "\u{202e}", String(repeating: "long", count: 75),
  ]

  private static func manifest(_ names: [String] = ["w"]) -> StoreManifest {
    var manifest = StoreManifest(
      tensors: names.enumerated().map { place, name in
        .init(
          name: name, type: TensorType(.bf16, [3, 64]), volume: "weights-00002.h5",
          dataset: StoreFormat.datasetPath(for: name),
          encoding: place % 2 == 0 ? .contiguous : .chunked([2, 64], [.shuffle, .zstd]),
          digest: Digest(of: [UInt8(place)]))
      },
      volumes: [
        .init(name: "weights-00001.h5", byteCount: 7, structureDigest: Digest(of: [])),
        .init(name: "weights-00002.h5", byteCount: 0, structureDigest: Digest(of: [1])),
      ], links: file("weights.h5"), chunkTable: file("chunks.json"),
      assets: [file("config.json"), file("LICENSE ä")], certificate: file("c.json"),
      root: Digest(of: [9]))
    manifest.metadata = [
      "format": "pt", "": "", "ä\u{0}": "line\nfeed \"quoted\" \\", "e\u{301}": "1", "é": "2",
    ]
    manifest.architecture = "gptj"
    manifest.trainingStep = 383_500
    manifest.root = manifest.rootOfTensors
    return manifest
  }

  @Test func isReadBackAsItWasWritten() throws {
    for names in [[], ["w"], Self.oddNames] {
      let manifest = Self.manifest(names)
      #expect(try StoreManifest(parsing: manifest.text) == manifest)
      // Made tensor by tensor, it is the text of the document as a whole.
      let whole = try JSONValue(parsing: manifest.text).documentText + "\n"
      #expect(String(decoding: manifest.text, as: UTF8.self) == whole)
    }
    var bare = Self.manifest([])
    bare.architecture = nil
    bare.trainingStep = nil
    bare.metadata = [:]
    #expect(try StoreManifest(parsing: bare.text) == bare)
    bare.configuration = try JSONValue(parsing: Array(#"{"a": [1.50, null], "digest": "x"}"#.utf8))
    let read = try StoreManifest(parsing: bare.text)
    #expect(read.configuration.documentText == bare.configuration.documentText)
  }

  @Test func textDependsOnNothingElse() {
    #expect(Self.manifest(Self.oddNames).text == Self.manifest(Self.oddNames).text)
  }

  @Test func anyFlippedBitIsFound() throws {
    let text = Self.manifest([]).text
    for place in stride(from: 0, to: text.count * 8, by: TestEffort.step(5)) {
      var flipped = text
      flipped[place / 8] ^= 1 << (place % 8)
      #expect(throws: CheckpointError.self, "bit \(place)") { try StoreManifest(parsing: flipped) }
    }
  }

  @Test func anyTruncationAndAddedByteIsFound() throws {
    let text = Self.manifest([]).text
    for count in stride(from: 0, to: text.count, by: TestEffort.step(7)) {
      #expect(throws: CheckpointError.self, "\(count)") {
        try StoreManifest(parsing: Array(text.prefix(count)))
      }
    }
    for added in [[0x20], [0x0a], [0]] as [[UInt8]] {
      #expect(throws: CheckpointError.self) { try StoreManifest(parsing: text + added) }
      #expect(throws: CheckpointError.self) { try StoreManifest(parsing: added + text) }
    }
  }

  /// A text with some of it replaced, and a digest that fits again.
  private func sealed(
    _ original: String, _ replacement: String,
    in text: String = String(decoding: manifest().text, as: UTF8.self)
  ) throws -> [UInt8] {
    #expect(text.contains(original), "\(original)")
    var bytes = Array(text.replacingOccurrences(of: original, with: replacement).utf8)
    let digits = try #require(try StoreManifest.digestDigits(JSONValue(parsing: bytes)))
    bytes.replaceSubrange(digits, with: Array(repeating: UInt8(ascii: "0"), count: 64))
    bytes.replaceSubrange(digits, with: Array(Digest(of: bytes).hexadecimal.utf8))
    return bytes
  }

  @Test func sealingAgainIsAllThatAnHonestChangeNeeds() throws {
    #expect(try StoreManifest(parsing: sealed("383500", "1")).trainingStep == 1)
  }

  /// Whoever wrote a key meant something by it.
  @Test(arguments: [
    (#""architecture": "gptj""#, #""architecture": "gptj", "quantization": "q4""#),
    (#""byte_count": 7"#, #""byte_count": 7, "compression": "zip""#),
    (#""name": "w""#, #""name": "w", "scale": 2"#),
    (#""layout": "contiguous""#, #""layout": "contiguous", "chunk": [1]"#),
    (#""name": "c.json""#, #""name": "c.json", "executable": true"#),
  ])
  func refusesUnknownKeys(_ original: String, _ replacement: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed(original, replacement))
    }
    #expect(error?.code == .malformed && error?.hint != nil, "\(error.debugDescription)")
  }

  /// A dataset's place is told by its tensor's name.
  @Test(arguments: ["/tensors/v", "/tensors/w/", "/differences/w", "tensors/w", "w", ""])
  func refusesDatasetsOfOtherTensors(path: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed("\"/tensors/w\"", "\"\(path)\""))
    }
    #expect(error?.code == .malformed && error?.tensor == "w")
    #expect(error?.expected == "/tensors/w")
  }

  /// What says what a difference is to says nothing else, which nobody would read.
  @Test func refusesUnknownKeysOfABase() throws {
    var manifest = Self.manifest()
    let digest = Digest(of: [1])
    manifest.base = .init(root: digest, hint: "base")
    manifest.tensors = manifest.tensors.map {
      .init(
        name: $0.name, type: $0.type, volume: nil, dataset: nil, encoding: .base,
        digest: $0.digest, base: .init(name: $0.name, dtype: $0.type.dtype, digest: $0.digest))
    }
    manifest.root = manifest.rootOfTensors
    let text = String(decoding: manifest.text, as: UTF8.self)
    #expect(try StoreManifest(parsing: Array(text.utf8)).base?.hint == "base")
    for (original, replacement) in [
      (#""hint": "base""#, #""hint": "base", "path": "x""#),
      (#""layout": "base""#, #""layout": "base", "chunk": [1]"#),
      (#""base": {"#, #""base": {"delta": 1, "#),
    ] {
      let error = #expect(throws: CheckpointError.self) {
        try StoreManifest(parsing: sealed(original, replacement, in: text))
      }
      #expect(error?.code == .malformed, "\(replacement): \(error.debugDescription)")
    }
  }

  @Test(arguments: [
    (#""base": null"#, #""base": "sha256:0""#), (#""base": null"#, #""base": {}"#),
    (#""base": null"#, #""bare": null"#), ("store/v1", "store/v2"), ("store/v1", ""),
    (#""schema": "store/v1""#, #""schema": 1"#), (#""contiguous""#, #""compact""#),
    (#""layout": "contiguous""#, #""layout": "chunked", "chunk": [2, 64], "filters": ["gzip"]"#),
    (
      #""layout": "contiguous""#,
      #""layout": "chunked", "chunk": [2, 64], "filters": ["zstd", "shuffle"]"#
    ),
    (
      #""layout": "contiguous""#,
      #""layout": "chunked", "chunk": [2, 64], "filters": ["zstd", "zstd"]"#
    ), (#""BF16""#, #""BF17""#), (#""BF16""#, #""bf16""#),
  ])
  func refusesWhatItDoesNotKnow(_ original: String, _ replacement: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed(original, replacement))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.file == "store.json")
  }

  @Test(arguments: [
    "../weights-00001.h5", "/weights-00001.h5", "weights-00001.h5/x", "weights-.h5",
    "weights-0000/.h5", "weights-0001.h5", "weights-٠٠٠٠١.h5", "weights.h5", "store.json", "",
    "weights-00001.h5\\u0000", "weights-00001\\u0000.h5", "weights-00001/\\u0301.h5",
    "weights-00002.h5",
  ])
  func refusesVolumesOfOtherNames(name: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed("\"weights-00001.h5\"", "\"\(name)\""))
    }
    #expect(error?.code == .malformed)
  }

  @Test(arguments: [
    "", ".", "..", "../x", "/etc/passwd", "a//b", "a/./b", "a/../b", "a/", "/", "x\\u0000",
    "LICENSE ä", "..\\u002f\\u0301x", "../\\u0301x", "a/..",
  ])
  func refusesAssetsOutsideOfTheirFolder(name: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed("\"config.json\"", "\"\(name)\""))
    }
    #expect(error?.code == .malformed)
  }

  @Test(arguments: [
    (#""byte_count": 7"#, #""byte_count": -7"#), (#""byte_count": 7"#, #""byte_count": 7.5"#),
    (#""byte_count": 7"#, #""byte_count": 99999999999999999999"#),
    (#""byte_count": 7"#, #""byte_count": "7""#), (#""assets""#, #""asset""#),
    (#""volumes""#, #""volume_list""#), (#""root": "sha256:"#, #""root": "sha512:"#),
    ("64\n", "-64\n"), ("64\n", "9223372036854775807\n"), ("64\n", "1e3\n"), ("64\n", "null\n"),
    (#""pt""#, "7"), (#""metadata": {"#, #""metadata": {"é": "3","#),
    (#""name": "w""#, #""name": null"#),
  ])
  func refusesMembersOfTheWrongKind(_ original: String, _ replacement: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try StoreManifest(parsing: sealed(original, replacement))
    }
    #expect(error?.code == .malformed)
  }
}
