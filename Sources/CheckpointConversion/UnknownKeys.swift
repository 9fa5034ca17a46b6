public import FileContainers
public import TensorModel

/// Keys of a document that its kind doesn't have: the decoder passes over them, and whoever reads the document may not.
public enum UnknownKeys {
  /// So many are named.
  static let mostCount = 6

  /// The keys of a document that aren't there when what was read of it is written again.
  ///
  /// - Parameters:
  ///   - document: as it was.
  ///   - known: as it is written again, which leaves out what is null.
  /// - Returns: the keys with their places, such as `settings.scheme`.
  static func all(in document: JSONValue, besides known: JSONValue) -> [String] {
    var found: [String] = []
    var rest: [(place: String, value: JSONValue, known: JSONValue)] = [("", document, known)]
    while let (place, value, known) = rest.popLast() {
      if let members = value.members {
        for member in members where member.value != .null {
          let name = place.isEmpty ? member.key : "\(place).\(member.key)"
          if let own = known[member.key] {
            rest.append((name, member.value, own))
          } else {
            found.append(name)
          }
        }
      } else if let elements = value.elements, let own = known.elements {
        rest += zip(elements, own).map { (place, $0, $1) }
      }
    }
    return Array(Set(found)).sorted()
  }

  /// Keys of a document with one long list that its kind doesn't have at any depth, a few of them; of the list a part is in memory at a time.
  ///
  /// - Parameters:
  ///   - text: JSON.
  ///   - list: the list's key.
  ///   - known: all keys.
  /// - Returns: the keys as they are written.
  /// - Throws: `malformed` where a key stands twice, of which every reader takes another one; what reading throws.
  public static func all(
    in text: some RandomAccessBytes, withList list: String, besides known: Set<String>
  ) throws(CheckpointError) -> [String] {
    var keys: [String] = []
    func look(at bytes: [UInt8]) throws(CheckpointError) {
      _ = try JSONValue(parsing: bytes)
      if keys.count < mostCount, let key = first(in: bytes, besides: known), !keys.contains(key) {
        keys.append(key)
      }
    }
    guard let list = try JSONListText(of: list, in: text, every: pieceCount) else {
      try look(at: text.bytes(at: 0, count: text.byteCount))
      return keys
    }
    let end = list.contents.upperBound
    try look(
      at: text.bytes(at: 0, count: list.contents.lowerBound)
        + text.bytes(at: end, count: text.byteCount - end))
    for piece in list.pieces { try look(at: elements(piece, of: text)) }
    return keys
  }

  /// So many elements of a list are in memory at a time.
  static let pieceCount = 256

  /// Elements of a list, as a list of their own.
  static func elements(
    _ piece: Range<Int>, of text: some RandomAccessBytes
  ) throws(CheckpointError) -> [UInt8] {
    try [UInt8(ascii: "[")] + text.bytes(at: piece.lowerBound, count: piece.count)
      + [UInt8(ascii: "]")]
  }

  /// The first key of a list of objects that none of them has.
  ///
  /// - Parameters:
  ///   - elements: JSON that has been parsed, without the list's brackets.
  ///   - known: all keys, at any depth.
  /// - Returns: the key as it is written; nil if all are known.
  static func first(in elements: [UInt8], besides known: Set<String>) -> String? {
    let keys = Set(known.map { Array($0.utf8)[...] })
    let (quote, backslash) = (UInt8(ascii: "\""), UInt8(ascii: "\\"))
    var place = elements.startIndex
    while place < elements.endIndex {
      guard elements[place] == quote else {
        place += 1
        continue
      }
      let start = place + 1
      place = start
      while place < elements.endIndex, elements[place] != quote {
        place += elements[place] == backslash ? 2 : 1
      }
      let end = min(place, elements.endIndex)
      place += 1
      // Nothing else of JSON is as small as white space.
      while place < elements.endIndex, elements[place] <= UInt8(ascii: " ") { place += 1 }
      guard place < elements.endIndex, elements[place] == UInt8(ascii: ":"),
        !keys.contains(elements[start..<end])
      else { continue }
      return String(decoding: elements[start..<end], as: UTF8.self)
    }
    return nil
  }
}
