// For scripts/interop: runs a tokenizer on what another program asks, in JSON from standard input to standard output.
//   tokenization-probe DIRECTORY < {"texts": ["…"], "ids": [[1, 2]]} > {"encoded": [[…]], "bare": [[…]], "decoded": ["…"], …}

import FileContainers
import Foundation
import TensorModel
import Tokenization

@main
enum Probe {
  static func main() throws {
    let directory = URL(filePath: CommandLine.arguments.last ?? ".")
    let asked = try JSONValue(parsing: Array(FileHandle.standardInput.readToEnd() ?? Data()))
    let answer: JSONValue
    do { answer = try answers(asked, try Tokenizer(assets: assets(of: directory))) } catch {
      answer = .object([.init("error", .string("\(error)"))])
    }
    FileHandle.standardOutput.write(Data(answer.documentText.utf8))
  }

  private static func answers(
    _ asked: JSONValue, _ tokenizer: Tokenizer
  ) throws(CheckpointError) -> JSONValue {
    func list(_ ids: [Int]) -> JSONValue { .array(ids.map { .integer($0) }) }
    var (encoded, bare, decoded, visible): ([JSONValue], [JSONValue], [JSONValue], [JSONValue]) =
      ([], [], [], [])
    for text in (asked["texts"]?.elements ?? []).compactMap(\.text) {
      encoded.append(list(try tokenizer.encode(text)))
      bare.append(list(try tokenizer.encode(text, addingSpecialTokens: false)))
    }
    for ids in (asked["ids"]?.elements ?? []).compactMap(\.elements) {
      let ids = ids.compactMap(\.integer)
      decoded.append(.string(tokenizer.decode(ids)))
      visible.append(.string(tokenizer.decode(ids, skippingSpecialTokens: true)))
    }
    return .object([
      .init("encoded", .array(encoded)), .init("bare", .array(bare)),
      .init("decoded", .array(decoded)), .init("visible", .array(visible)),
      .init("size", .integer(tokenizer.vocabularySize)),
      .init(
        "tokens",
        .array(tokenizer.vocabulary.tokens.map { $0.map { .string($0.text) } ?? .null })),
    ])
  }

  private static func assets(of directory: URL) throws -> [Checkpoint.Asset] {
    var assets: [Checkpoint.Asset] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() {
      guard let data = FileManager.default.contents(atPath: directory.appending(path: name).path)
      else { continue }
      let bytes = Array(data)
      assets.append(
        Checkpoint.Asset(name: name, byteCount: bytes.count) { () throws(CheckpointError) in bytes }
      )
    }
    return assets
  }
}
