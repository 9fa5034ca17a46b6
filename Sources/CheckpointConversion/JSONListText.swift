import FileContainers
import TensorModel

/// Where the elements of a list at the top of a JSON document stand.
struct JSONListText {
  /// All that is between its brackets.
  let contents: Range<Int>
  /// The same in runs of so many elements, without the commas between the runs.
  private(set) var pieces: [Range<Int>] = []
  /// The most elements that it can have.
  let elementCount: Int

  /// Finds a list by its key; nil if there isn't exactly one, or keys are escaped: then whoever parses the whole decides.
  ///
  /// - Parameters:
  ///   - key: plain ASCII.
  ///   - text: JSON, or perhaps none.
  ///   - count: of elements of a run.
  /// - Throws: what reading throws.
  init?(
    of key: String, in text: some RandomAccessBytes, every count: Int
  ) throws(CheckpointError) {
    var found: (contents: Range<Int>, pieces: [Range<Int>], elementCount: Int)?
    var window = ByteWindow(text)
    var depth = 0
    /// Whether the string that came last at the top is the key, and the last byte that is no space.
    var (isKey, last) = (false, UInt8(0))
    var (list, pieceStart, elementCount) = (Int?.none, 0, 0)
    var pieces: [Range<Int>] = []
    var place = 0
    while let byte = try window.byte(at: place) {
      switch byte {
      case UInt8(ascii: "\""):
        let start = place + 1
        place = start
        var matches = true
        let letters = key.utf8
        var letter = letters.startIndex
        while let next = try window.byte(at: place), next != UInt8(ascii: "\"") {
          if next == UInt8(ascii: "\\") {
            if depth == 1 && last != UInt8(ascii: ":") { return nil }
            place += 1
          }
          if matches, letter < letters.endIndex, letters[letter] == next {
            letters.formIndex(after: &letter)
          } else {
            matches = false
          }
          place += 1
        }
        guard place < text.byteCount else { return nil }
        if depth == 1 { isKey = matches && letter == letters.endIndex }
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        guard depth == 2, last == UInt8(ascii: ":"), isKey else { break }
        guard found == nil, byte == UInt8(ascii: "[") else { return nil }
        (list, pieceStart, elementCount) = (place, place + 1, 0)
      case UInt8(ascii: ","):
        guard depth == 2, list != nil else { break }
        elementCount += 1
        if elementCount % count == 0 {
          pieces.append(pieceStart..<place)
          pieceStart = place + 1
        }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        guard depth == 1, let start = list else { break }
        // A comma after the last element isn't JSON.
        guard last != UInt8(ascii: ",") else { return nil }
        pieces.append(pieceStart..<place)
        found = (start + 1..<place, pieces, elementCount + 1)
        list = nil
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
        place += 1
        continue
      default: break
      }
      last = byte
      place += 1
    }
    guard let found, depth == 0 else { return nil }
    (contents, self.pieces, self.elementCount) = found
  }
}

/// Bytes that are gone through one after the other, of which a few are in memory.
private struct ByteWindow<Text: RandomAccessBytes> {
  private let text: Text
  private var start = 0
  private var bytes: [UInt8] = []

  private static var byteCount: Int { 64 << 10 }

  init(_ text: Text) { self.text = text }

  /// A byte; nil after the end.
  mutating func byte(at place: Int) throws(CheckpointError) -> UInt8? {
    if !(start..<start + bytes.count).contains(place) {
      guard place < text.byteCount else { return nil }
      bytes = try text.bytes(at: place, count: min(Self.byteCount, text.byteCount - place))
      start = place
    }
    return bytes[place - start]
  }
}
