// A SentencePiece model (sentencepiece_model.proto), as far as tokenizers need it:
//   1 pieces           repeated: 1 piece, 2 score (float), 3 type (enum, 1 if absent)
//   2 trainer_spec     3 model_type (enum), 24 treat_whitespace_as_suffix, 35 byte_fallback, 46 bos_piece, 47 eos_piece, 48 pad_piece
//   3 normalizer_spec  2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape_whitespaces
// https://github.com/google/sentencepiece

internal import FileContainers
internal import TensorModel

/// The pieces of a SentencePiece model, and what is done to texts before they are cut into them.
struct SentencePieceModel {
  /// By id.
  private(set) var pieces: [SentencePieceVocabulary.Piece] = []
  /// How texts are cut.
  private(set) var kind = Kind.unigram
  /// Whether spaces belong to the word before them.
  private(set) var hasSpaceSuffixes = false
  /// The map of characters that are replaced by others, which may be empty.
  private(set) var characterMap: [UInt8] = []
  /// Whether characters are replaced by others.
  var mapsCharacters: Bool { !characterMap.isEmpty }
  /// Whether characters that are no pieces become bytes.
  private(set) var fallsBackToBytes = false
  /// Whether `▁` is written for spaces.
  private(set) var escapesSpaces = true
  /// Whether a space is put before texts.
  private(set) var addsPrefixSpace = true
  /// Whether of several spaces only one stays.
  private(set) var removesSpaces = true
  /// The control pieces of roles, by their texts.
  private(set) var roles = Self.standardRoles

  /// What control pieces are called where nothing says it.
  static let standardRoles: [Tokenizer.Role: String] = [
    .beginning: "<s>", .end: "</s>", .padding: "<pad>",
  ]

  /// How texts are cut, as `model_type` numbers it.
  enum Kind: UInt64 {
    case unigram = 1
    case bpe = 2
    case word = 3
    case character = 4
  }

  /// How many pieces there may be; Gemma has 262,144.
  private static let maximumPieceCount = 1 << 20

  /// Parses a file.
  ///
  /// - Throws: `malformed`, with the byte where the bytes are; `unsupported` if there are too many pieces.
  init(parsing bytes: [UInt8]) throws(CheckpointError) {
    var message = ProtobufMessage(bytes[...])
    while let (number, value) = try message.next() {
      guard case .bytes(let part) = value else { continue }
      switch number {
      case 1:
        guard pieces.count < Self.maximumPieceCount else {
          throw CheckpointError(
            .unsupported, "too many pieces", expected: "at most \(Self.maximumPieceCount)")
        }
        pieces.append(try piece(part))
      case 2: try readTrainer(part)
      case 3: try readNormalizer(part)
      default: continue
      }
    }
    guard !pieces.isEmpty else {
      throw CheckpointError(.malformed, "no SentencePiece model: it has no pieces")
    }
  }

  private func piece(
    _ part: ArraySlice<UInt8>
  ) throws(CheckpointError) -> SentencePieceVocabulary.Piece {
    var message = ProtobufMessage(part)
    var piece = SentencePieceVocabulary.Piece(text: "", score: 0, kind: .normal)
    while let (number, value) = try message.next() {
      switch (number, value) {
      case (1, _):
        guard let text = value.text else { throw malformed("a text that isn't UTF-8") }
        piece.text = text
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .varint(let kind)):
        guard let kind = Int32(exactly: kind).flatMap(SentencePieceVocabulary.Kind.init) else {
          throw malformed("the type \(kind)")
        }
        piece.kind = kind
      case (2, _), (3, _): throw malformed("a field of another type")
      default: continue
      }
    }
    guard !piece.text.isEmpty else { throw malformed("no text") }
    guard piece.score.isFinite else { throw malformed("the score \(piece.score)") }
    return piece
  }

  private func malformed(_ found: String) -> CheckpointError {
    CheckpointError(
      .malformed, "piece \(pieces.count) can't be read", expected: "a text, a score and a type",
      found: found)
  }

  private mutating func readTrainer(_ part: ArraySlice<UInt8>) throws(CheckpointError) {
    let names: [UInt64: Tokenizer.Role] = [46: .beginning, 47: .end, 48: .padding]
    var message = ProtobufMessage(part)
    while let (number, value) = try message.next() {
      switch (number, value) {
      case (3, .varint(let kind)):
        guard let kind = Kind(rawValue: kind) else {
          throw CheckpointError(
            .unsupported, "an unknown kind of SentencePiece model", found: "\(kind)")
        }
        self.kind = kind
      case (24, .varint): hasSpaceSuffixes = value.flag ?? false
      case (35, .varint): fallsBackToBytes = value.flag ?? false
      default:
        if let role = names[number], let text = value.text { roles[role] = text }
      }
    }
  }

  private mutating func readNormalizer(_ part: ArraySlice<UInt8>) throws(CheckpointError) {
    var message = ProtobufMessage(part)
    while let (number, value) = try message.next() {
      switch (number, value) {
      case (2, .bytes(let map)): characterMap = Array(map)
      case (3, .varint): addsPrefixSpace = value.flag ?? true
      case (4, .varint): removesSpaces = value.flag ?? true
      case (5, .varint): escapesSpaces = value.flag ?? true
      default: continue
      }
    }
  }
}
