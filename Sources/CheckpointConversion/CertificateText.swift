import CheckpointFormats
import FileContainers
public import TensorModel

// A certificate has some hundred bytes for each tensor, and coding all of it at once takes ten times as much memory.

extension Certificate {
  /// How many tensors are decoded at once.
  private static let pieceCount = 256

  /// Writes the certificate as JSON, piece by piece.
  ///
  /// - Parameter write: is given the pieces in order.
  /// - Throws: what `write` throws.
  func write(
    _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var frame = self
    frame.tensors = []
    try JSONDocument.write(frame, ["tensors": JSONList(tensors)], write)
  }

  /// Writes the certificate into a file of its own and makes that durable.
  ///
  /// - Parameters:
  ///   - path: of the file, which must not exist yet.
  ///   - name: of the file in the destination.
  /// - Returns: what was written.
  /// - Throws: `noSpace`, `inputOutput`.
  func write(
    to path: String, as name: String
  ) throws(CheckpointError) -> StoreManifest.FileRecord {
    let file = try OutputFile(creating: path, byteCount: 0)
    var (byteCount, digest) = (0, StreamingDigest())
    try write { (piece) throws(CheckpointError) in
      try file.write(at: byteCount, piece)
      byteCount += piece.count
      piece.withUnsafeBytes { digest.update($0) }
    }
    try file.synchronise()
    return .init(name: name, byteCount: byteCount, digest: digest.digest)
  }

  /// Reads a certificate.
  ///
  /// - Parameters:
  ///   - text: JSON.
  ///   - file: for messages.
  /// - Throws: `malformed` if it isn't one.
  public init(parsing text: [UInt8], file: String) throws(CheckpointError) {
    guard let list = JSONListText(of: "tensors", in: text, every: Self.pieceCount) else {
      self = try JSONDocument.parse(Certificate.self, text, file: file)
      return
    }
    let frame = Array(text[..<list.contents.lowerBound] + text[list.contents.upperBound...])
    self = try JSONDocument.parse(Certificate.self, frame, file: file)
    for piece in list.pieces {
      let elements = [UInt8(ascii: "[")] + text[piece] + [UInt8(ascii: "]")]
      for var record in try JSONDocument.parse([TensorRecord].self, elements, file: file) {
        // Neighbours mostly have the same, and then have it once.
        if let last = tensors.last {
          // Names that look alike may differ in their bytes.
          if ExactName(record.file) == ExactName(last.file) { record.file = last.file }
          if record.sources.elementsEqual(last.sources, by: { ExactName($0) == ExactName($1) }) {
            record.sources = last.sources
          }
        }
        tensors.append(record)
      }
    }
  }
}

/// Where the elements of a list at the top of a JSON document stand.
struct JSONListText {
  /// All that is between its brackets.
  let contents: Range<Int>
  /// The same in runs of so many elements, without the commas between the runs.
  private(set) var pieces: [Range<Int>] = []

  /// Finds a list by its key; nil if there isn't exactly one, or keys are escaped: then whoever parses the whole decides.
  ///
  /// - Parameters:
  ///   - key: plain ASCII.
  ///   - text: JSON, or perhaps none.
  ///   - count: of elements of a run.
  init?(of key: String, in text: [UInt8], every count: Int) {
    var found: (contents: Range<Int>, pieces: [Range<Int>])?
    var depth = 0
    /// The string that came last at the top, and the last byte that is no space.
    var (lastString, last) = (0..<0, UInt8(0))
    var (list, pieceStart, elementCount) = (Int?.none, 0, 0)
    var pieces: [Range<Int>] = []
    var place = 0
    while place < text.count {
      let byte = text[place]
      switch byte {
      case UInt8(ascii: "\""):
        let start = place + 1
        place = start
        while place < text.count, text[place] != UInt8(ascii: "\"") {
          if text[place] == UInt8(ascii: "\\") {
            if depth == 1 && last != UInt8(ascii: ":") { return nil }
            place += 1
          }
          place += 1
        }
        guard place < text.count else { return nil }
        if depth == 1 { lastString = start..<place }
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        guard depth == 2, last == UInt8(ascii: ":"), text[lastString].elementsEqual(key.utf8)
        else { break }
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
        found = (start + 1..<place, pieces)
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
    (contents, self.pieces) = found
  }
}
