import TensorModel
import TestSupport
import Testing

@testable import Tokenization

/// Models of SentencePiece, sound and broken.
@Suite struct SentencePieceTests {
  private static let bytes =
    (try? Fixtures.bytes("gguf/sentencepiece/tokenizer.model")) ?? []

  private func failure(_ bytes: [UInt8]) -> CheckpointError? {
    do throws(CheckpointError) {
      _ = try SentencePieceModel(parsing: bytes)
      return nil
    } catch { return error }
  }

  @Test func readsWhatTrainingHasWritten() throws {
    let model = try SentencePieceModel(parsing: Self.bytes)
    #expect(model.kind == .bpe && model.pieces.count == 340)
    #expect(model.pieces[0] == .init(text: "<unk>", score: 0, kind: .unknown))
    #expect(model.pieces[1].kind == .control && model.pieces[3].text == "<0x00>")
    #expect(model.pieces[258].kind == .byte && model.pieces[259].score == 0)
    #expect(model.pieces[260].score == -1 && model.pieces[260].kind == .normal)
    #expect(model.addsPrefixSpace && !model.removesSpaces && !model.mapsCharacters)
  }

  /// Between two fields of the model nothing says that more was there.
  @Test func everyTruncationIsRefusedOrHasFewerPieces() throws {
    let whole = try SentencePieceModel(parsing: Self.bytes).pieces
    for count in 0..<Self.bytes.count {
      if let error = failure(Array(Self.bytes.prefix(count))) {
        #expect(error.code == .malformed)
      } else {
        let pieces = try SentencePieceModel(parsing: Array(Self.bytes.prefix(count))).pieces
        #expect(pieces.elementsEqual(whole.prefix(pieces.count)))
      }
    }
  }

  @Test func changedBytesAreReadOrRefused() {
    var random = FixedRandom(seed: 5)
    for _ in 0..<4000 {
      var bytes = Self.bytes
      let change = random.bytes(3)
      let place = (Int(change[0]) << 8 | Int(change[1])) % bytes.count
      bytes[place] = change[2]
      if let error = failure(bytes) {
        #expect(error.code == .malformed || error.code == .unsupported)
      }
    }
  }

  @Test(
    arguments: [
      ([], "no pieces"), ([0x0a], "without an end"),
      ([0x0a, 0x05, 0x0a], "longer than its message"),
      (
        [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        "longer than its message"
      ),
      ([0x0a] + [UInt8](repeating: 0x80, count: 11), "without an end"),
      ([0x0b], "unknown wire type"), ([0x02, 0x00], "without a number"),
      ([0x0a, 0x03, 0x0a, 0x01, 0xff], "can't be read"),  // no UTF-8
      ([0x0a, 0x00], "can't be read"), ([0x0a, 0x02, 0x0a, 0x00], "can't be read"),  // no text
      ([0x0a, 0x08, 0x0a, 0x01, 0x61, 0x15, 0, 0, 0xc0, 0x7f], "can't be read"),  // not a number
      ([0x0a, 0x05, 0x0a, 0x01, 0x61, 0x18, 0x09], "can't be read"),  // type 9
      ([0x0a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x61], "can't be read"),  // a score of text
      ([0x0a, 0x06, 0x0a, 0x01, 0x61, 0x15, 0, 0], "cut off"),
    ] as [([UInt8], String)])
  func saysWhatIsWrong(_ bytes: [UInt8], _ reason: String) {
    let error = failure(bytes)
    #expect(error?.code == .malformed)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  /// Later versions' fields, and several types.
  @Test func unknownFieldsAreSkipped() throws {
    let piece: [UInt8] =
      [0x0a, 0x01, 0x61, 0x15, 0, 0, 0x80, 0xbf, 0x18, 0x05, 0x59] + [UInt8](repeating: 7, count: 8)
    let model = try SentencePieceModel(
      parsing: [0x0a, UInt8(piece.count)] + piece + [0x30, 0x81, 0x01, 0x35, 1, 2, 3, 4])
    #expect(model.pieces == [.init(text: "a", score: -1, kind: .unused)])
    #expect(model.kind == .unigram && model.removesSpaces)
  }
}
