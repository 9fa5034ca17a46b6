import CheckpointFormats
public import FileContainers
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

  /// Reads the certificate in a file.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - file: for messages.
  /// - Throws: what opening and parsing throw.
  init(at path: String, file: String) throws(CheckpointError) {
    let input = try InputFile(path: path)
    try self.init(parsing: input.region, file: file)
    try input.confirm()
  }

  /// Reads a certificate whose text needn't be in memory at once.
  ///
  /// - Parameters:
  ///   - text: JSON, which is read twice.
  ///   - file: for messages.
  /// - Throws: `malformed` if it isn't one, `unsupported` if it is too large, what reading throws.
  public init(parsing text: some RandomAccessBytes, file: String) throws(CheckpointError) {
    guard text.byteCount <= Self.maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too large", file: file,
        expected: "at most \(Self.maximumByteCount) bytes", found: "\(text.byteCount)",
        hint: "is it the right file?")
    }
    guard let list = try JSONListText(of: "tensors", in: text, every: Self.pieceCount) else {
      self = try JSONDocument.parse(
        Certificate.self, text.bytes(at: 0, count: text.byteCount), file: file)
      return
    }
    let end = list.contents.upperBound
    let frame =
      try text.bytes(at: 0, count: list.contents.lowerBound)
      + text.bytes(at: end, count: text.byteCount - end)
    self = try JSONDocument.parse(Certificate.self, frame, file: file)
    tensors.reserveCapacity(list.elementCount)
    for piece in list.pieces {
      let elements =
        try [UInt8(ascii: "[")] + text.bytes(at: piece.lowerBound, count: piece.count)
        + [UInt8(ascii: "]")]
      for var record in try JSONDocument.parse([TensorRecord].self, elements, file: file) {
        if let last = tensors.last { record.share(with: last) }
        tensors.append(record)
      }
    }
  }
}

extension Certificate.TensorRecord {
  /// Has what is the same as another's only once in memory: neighbours mostly have the same file, and parts of a weight the same sources and errors.
  fileprivate mutating func share(with other: Self) {
    // Names that look alike may differ in their bytes.
    if ExactName(file) == ExactName(other.file) { file = other.file }
    if sources.elementsEqual(other.sources, by: { ExactName($0) == ExactName($1) }) {
      sources = other.sources
    } else if sources.count == 1, ExactName(sources[0]) == ExactName(name) {
      sources = [name]
    }
    if ExactName(expression) == ExactName(name) { expression = name }
    if quantization == other.quantization { quantization = other.quantization }
  }
}
