internal import FileContainers
internal import TensorModel

/// The tokens of a model and the merges that make them: what encoding needs, and what a GGUF carries.
public struct Vocabulary: Sendable {
  /// What a token is for.
  public enum Kind: Sendable, Hashable {
    /// A piece of text, written in the byte alphabet (`Ġ` for a space).
    case ordinary
    /// Added by hand, written as it stands in texts.
    case added
    /// Added by hand, and no text: the end of one, a turn of a conversation.
    case control
  }

  /// A token.
  public struct Token: Sendable, Hashable {
    /// Its text, as the vocabulary writes it.
    public let text: String
    /// What it is for.
    public let kind: Kind
  }

  /// Two neighbouring tokens that become one.
  public struct Merge: Sendable, Hashable {
    /// The id of the first.
    public let left: Int
    /// The id of the second.
    public let right: Int
    /// The id of what they become.
    public let result: Int
  }

  /// The tokens by id; nil for ids that nothing has.
  public private(set) var tokens: [Token?] = []
  /// The merges, the first to be applied first.
  public private(set) var merges: [Merge] = []
  /// The tokens that are looked for in texts, in the order of their files.
  public private(set) var addedTokens: [AddedToken] = []
  private var ids: [ExactName: Int] = [:]
  private var addedPositions: [Int: Int] = [:]
  private var addedByteCount = 0

  /// What an id may be at most: four million, and not far beyond the number of tokens, so that a file's number doesn't decide how much is
  /// allocated.
  private let maximumID: Int
  /// What an added token may have at most, in UTF-8; real ones have up to 60.
  static let maximumAddedTokenByteCount = 512
  /// What all of them may have together.
  static let maximumAddedByteCount = 1 << 22

  /// The vocabulary of a BPE model.
  ///
  /// - Parameter members: the object that gives each token's id.
  /// - Throws: `malformed` for ids that are no ids, and for two tokens of one id.
  init(_ members: [JSONValue.Member]) throws(CheckpointError) {
    maximumID = min(1 << 22, 2 * members.count + 1 << 18) - 1
    ids.reserveCapacity(members.count)
    for member in members {
      guard let id = member.value.integer else {
        throw badID(member.key, member.value.shortText)
      }
      try insert(member.key, id: id, kind: .ordinary)
    }
  }

  /// The vocabulary of pieces, each at the place of its id.
  ///
  /// - Parameter pieces: their texts.
  /// - Throws: `malformed` for two pieces of one text.
  init(pieces: [String]) throws(CheckpointError) {
    maximumID = min(1 << 22, 2 * pieces.count + 1 << 18) - 1
    ids.reserveCapacity(pieces.count)
    for (id, text) in pieces.enumerated() {
      if let other = self.id(of: text) {
        throw CheckpointError(
          .malformed, "two pieces are the same", found: "'\(text)' as \(other) and \(id)")
      }
      try insert(text, id: id, kind: .ordinary)
    }
  }

  /// The id of the token of exactly this text.
  public func id(of text: String) -> Int? { ids[ExactName(text)] }

  /// How many different tokens there are.
  var count: Int { ids.count }

  private func badID(_ text: String, _ found: String) -> CheckpointError {
    CheckpointError(
      .malformed, "the token '\(text)' has no valid id",
      expected: "an integer from 0 to \(maximumID)",
      found: found)
  }

  private mutating func insert(_ text: String, id: Int, kind: Kind) throws(CheckpointError) {
    guard (0...maximumID).contains(id) else { throw badID(text, "\(id)") }
    if id >= tokens.count {
      tokens.append(contentsOf: repeatElement(nil, count: id + 1 - tokens.count))
    }
    if let other = tokens[id] {
      throw CheckpointError(
        .malformed, "two tokens have the id \(id)", found: "'\(other.text)' and '\(text)'")
    }
    tokens[id] = Token(text: text, kind: kind)
    ids[ExactName(text)] = id
  }

  /// Appends a merge.
  ///
  /// - Parameters:
  ///   - left: the first token's text.
  ///   - right: the second's.
  /// - Throws: `malformed` if one of the three isn't a token.
  mutating func appendMerge(_ left: String, _ right: String) throws(CheckpointError) {
    guard let leftID = id(of: left), let rightID = id(of: right), let result = id(of: left + right)
    else {
      throw CheckpointError(
        .malformed, "merge \(merges.count) refers to a token that the vocabulary doesn't have",
        found: "'\(left)' and '\(right)'")
    }
    merges.append(Merge(left: leftID, right: rightID, result: result))
  }

  /// Adds a token that is looked for in texts; the same text once more replaces what was said of it.
  ///
  /// - Parameter token: its id must be that of the vocabulary, if that has it.
  /// - Throws: `malformed` if the id isn't, or belongs to another token, or the text is too long.
  mutating func add(_ token: AddedToken) throws(CheckpointError) {
    let byteCount = token.content.utf8.count
    // Files repeat each other's tokens.
    let total = addedByteCount + (addedPositions[token.id] == nil ? byteCount : 0)
    guard byteCount <= Self.maximumAddedTokenByteCount, total <= Self.maximumAddedByteCount else {
      throw CheckpointError(
        .malformed, "the added token \(token.id) is too long",
        expected:
          "at most \(Self.maximumAddedTokenByteCount) bytes, \(Self.maximumAddedByteCount) in all",
        found: "\(byteCount), \(total) in all")
    }
    if let known = id(of: token.content) {
      guard known == token.id else {
        throw CheckpointError(
          .malformed, "the added token '\(token.content)' has another id in the vocabulary",
          expected: "\(known)", found: "\(token.id)")
      }
      tokens[known] = nil
    }
    try insert(token.content, id: token.id, kind: token.isSpecial ? .control : .added)
    addedByteCount = total
    if let position = addedPositions.updateValue(addedTokens.count, forKey: token.id) {
      addedPositions[token.id] = position
      addedTokens[position] = token
    } else {
      addedTokens.append(token)
    }
  }
}
