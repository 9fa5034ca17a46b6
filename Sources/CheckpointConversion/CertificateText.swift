import CheckpointFormats
public import FileContainers
public import TensorModel

// A certificate has some hundred bytes for each tensor, and coding all of it at once takes ten times as much memory.

extension Certificate {
  /// All of it but the tensors.
  var frame: Certificate {
    var frame = self
    frame.tensors = []
    return frame
  }

  /// Writes the certificate as JSON, piece by piece.
  ///
  /// - Parameter write: is given the pieces in order.
  /// - Throws: what `write` throws.
  func write(
    _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
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
    try self.init(CertificateText(at: path, file: file))
  }

  /// Reads a certificate whose text needn't be in memory at once.
  ///
  /// - Parameters:
  ///   - text: JSON, which is read twice.
  ///   - file: for messages.
  /// - Throws: `malformed` if it isn't one, `unsupported` if it is too large, what reading throws.
  public init(parsing text: some RandomAccessBytes, file: String) throws(CheckpointError) {
    try self.init(CertificateText(text, file: file))
  }

  /// Reads all of a certificate.
  ///
  /// - Throws: `malformed` if a tensor isn't one, what reading throws.
  public init(_ text: CertificateText) throws(CheckpointError) {
    var tensors: [TensorRecord] = []
    tensors.reserveCapacity(text.tensorCount)
    try text.forEachTensor { tensors.append($0) }
    self = text.frame
    self.tensors = tensors
  }
}

/// A certificate of whose tensors some are in memory at a time.
public struct CertificateText: Sendable {
  /// All of it but the tensors.
  public let frame: Certificate
  /// The most tensors that there can be.
  let tensorCount: Int
  private let text: any RandomAccessBytes
  private let file: String
  /// Pinned where it is one of ours to pin.
  private let input: InputFile?
  /// Where tensors stand.
  private let pieces: [Range<Int>]
  /// Tensors that had to be read with the rest.
  private let known: [Certificate.TensorRecord]
  /// All of the text but the tensors.
  private let frameText: [UInt8]

  /// The certificate in a file, which stays open.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - file: for messages.
  /// - Throws: what opening and parsing throw.
  init(at path: String, file: String) throws(CheckpointError) {
    let input = try InputFile(path: path)
    try self.init(input.region, file: file, input)
  }

  /// Reads all but the tensors.
  ///
  /// - Parameters:
  ///   - text: JSON.
  ///   - file: for messages.
  ///   - input: what the text is in, if it is to be as it was whenever tensors have been read.
  /// - Throws: `malformed` if it isn't a certificate, `unsupported` if it is too large, what reading throws.
  init(
    _ text: some RandomAccessBytes, file: String, _ input: InputFile? = nil
  ) throws(CheckpointError) {
    guard text.byteCount <= Certificate.maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too large", file: file,
        expected: "at most \(Certificate.maximumByteCount) bytes", found: "\(text.byteCount)",
        hint: "is it the right file?")
    }
    self.text = text
    self.file = file
    self.input = input
    guard let list = try JSONListText(of: "tensors", in: text, every: UnknownKeys.pieceCount) else {
      frameText = try text.bytes(at: 0, count: text.byteCount)
      let whole = try JSONDocument.parse(Certificate.self, frameText, file: file)
      (frame, known, pieces, tensorCount) = (whole.frame, whole.tensors, [], whole.tensors.count)
      return
    }
    let end = list.contents.upperBound
    frameText =
      try text.bytes(at: 0, count: list.contents.lowerBound)
      + text.bytes(at: end, count: text.byteCount - end)
    frame = try JSONDocument.parse(Certificate.self, frameText, file: file)
    (known, pieces, tensorCount) = ([], list.pieces, list.elementCount)
  }

  /// Reads the tensors, as often as it is asked to.
  ///
  /// - Parameter receive: is given each, in the certificate's order.
  /// - Throws: `malformed` if one isn't a tensor, `inputOutput` if the file has changed since it was opened, what reading and `receive` throw.
  public func forEachTensor(
    _ receive: (Certificate.TensorRecord) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    for record in known { try receive(record) }
    var last: Certificate.TensorRecord?
    for piece in pieces {
      for var record in try tensors(in: piece) {
        if let last { record.share(with: last) }
        try receive(record)
        last = record
      }
    }
    try input?.confirm()
  }

  /// Keys that no certificate of this version has, a few of them.
  ///
  /// - Returns: with their places, such as `settings.scheme`.
  /// - Throws: what reading throws.
  public func unknownKeys() throws(CheckpointError) -> [String] {
    var keys = UnknownKeys.all(
      in: try JSONValue(parsing: frameText),
      besides: try JSONValue(parsing: JSONDocument.bytes(frame)))
    for piece in pieces {
      let elements = try UnknownKeys.elements(piece, of: text)
      // A key that stands twice is refused.
      _ = try JSONValue(parsing: elements)
      let found = UnknownKeys.first(in: elements, besides: Certificate.TensorRecord.keys)
      if let found, !keys.contains("tensors.\(found)") { keys.append("tensors.\(found)") }
    }
    return Array(keys.prefix(UnknownKeys.mostCount))
  }

  /// The root of the tensors as they are certified, whatever the certificate says that it is.
  ///
  /// - Throws: what `forEachTensor` throws.
  public func root() throws(CheckpointError) -> Digest {
    var identities: [TensorIdentity] = []
    try forEachTensor {
      identities.append(
        TensorIdentity(name: $0.name, dtype: $0.dtype, shape: $0.shape, digest: $0.digest))
    }
    return rootDigest(of: identities)
  }

  private func tensors(in piece: Range<Int>) throws(CheckpointError) -> [Certificate.TensorRecord] {
    do throws(CheckpointError) {
      let elements = try UnknownKeys.elements(piece, of: text)
      return try JSONDocument.parse([Certificate.TensorRecord].self, elements, file: file)
    } catch {
      // What was changed isn't called broken.
      try input?.confirm()
      throw error
    }
  }
}

extension Certificate.TensorRecord {
  /// All keys of a tensor, and of its errors of blocks.
  fileprivate static let keys = Set(
    [
      "name", "dtype", "shape", "file", "expression", "sources", "exactness", "largest_error_ulp",
      "overflow_count", "quantization", "digest",
    ] + QuantizationRecord.keys)

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
