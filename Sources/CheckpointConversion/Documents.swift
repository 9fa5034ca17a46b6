import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
public import TensorModel

/// JSON as all of the tool's documents are written: keys sorted and in snake case, slashes as they are.
public enum JSONDocument {
  /// A document's text, with a line feed at its end.
  public static func bytes(_ document: some Encodable) throws(CheckpointError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    do {
      return printableJSON([UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")])
    } catch {
      throw CheckpointError(.inputOutput, "can't write JSON: \(error)")
    }
  }

  /// A path as documents have it, which tell nothing of where on a machine it is.
  ///
  /// - Parameter path: as it was given.
  /// - Returns: the same if it is relative, else its last component.
  public static func path(_ path: String) -> String {
    path.hasPrefix("/") ? Directories.split(path).name : path
  }

  /// Writes a document piece by piece, so that its long lists needn't be in memory as JSON at once.
  ///
  /// - Parameters:
  ///   - document: with these lists empty.
  ///   - lists: by their keys at the document's top.
  ///   - write: is given the pieces in order.
  /// - Throws: what `write` throws.
  static func write(
    _ document: some Encodable, _ lists: [String: JSONList],
    _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var rest = try bytes(document)[...]
    for (key, list) in lists.sorted(by: { $0.key < $1.key }) where list.count > 0 {
      // A line that begins so is no part of a string, in which line feeds are escaped.
      let start = Array("\n  \"\(key)\" : [".utf8)
      guard let place = rest.firstRange(of: start),
        let end = rest[place.upperBound...].firstIndex(of: UInt8(ascii: "]"))
      else { throw CheckpointError(.inputOutput, "can't write JSON: no list '\(key)'") }
      try write(Array(rest[..<place.upperBound]))
      let pieces = ParallelPieces.runs(of: list.count, JSONList.pieceCount)
      for group in ParallelPieces.runs(of: pieces.count, JSONList.groupCount) {
        let texts = try ParallelPieces.map(group.count) {
          (place) throws(CheckpointError) -> [UInt8] in
          let piece = pieces[group.lowerBound + place]
          let text = try indented(bytes(list.piece(piece)))
          return Array((piece.lowerBound == 0 ? "\n" : ",\n").utf8) + text
        }
        for text in texts { try write(text) }
      }
      try write(Array("\n  ".utf8))
      rest = rest[end...]
    }
    try write(Array(rest))
  }

  /// The elements of a list of its own as those of a list at the top of a document.
  private static func indented(_ list: [UInt8]) -> [UInt8] {
    let lines = list.split(separator: UInt8(ascii: "\n")).dropFirst().dropLast()
    var text: [UInt8] = []
    text.reserveCapacity(list.count + 2 * lines.count)
    for line in lines {
      if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
      text += [UInt8(ascii: " "), UInt8(ascii: " ")]
      text += line
    }
    return text
  }

  /// Reads a document of ours.
  ///
  /// - Throws: `malformed` if it isn't one.
  public static func parse<Document: Decodable>(
    _ type: Document.Type, _ bytes: [UInt8], file: String
  ) throws(CheckpointError) -> Document {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(type, from: Data(bytes)) } catch {
      throw CheckpointError(
        .malformed, "not a document of weighbridge: \(Self.reason(error, bytes))", file: file,
        hint: "remove it, or make it again with the command that wrote it")
    }
  }

  /// What is wrong with a document, and where.
  ///
  /// - Parameters:
  ///   - error: of a decoder.
  ///   - bytes: the document.
  /// - Returns: a part of a sentence.
  public static func reason(_ error: any Error, _ bytes: [UInt8]) -> String {
    switch error {
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      return "\(place(context.codingPath)) is \(context.debugDescription)"
    case DecodingError.dataCorrupted:
      // The decoder says the same of numbers that it has no room for.
      do throws(CheckpointError) { _ = try JSONValue(parsing: bytes) } catch {
        return error.byteOffset.map { "\(error.message) (byte \($0))" } ?? error.message
      }
      return "a size or count is no integer of 64 bits"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      return context.codingPath.isEmpty
        ? "not an object" : "\(place(context.codingPath)) is of another kind"
    case DecodingError.keyNotFound(let key, let context):
      let part = context.codingPath.isEmpty ? "" : " in \(place(context.codingPath))"
      return "no '\(key.stringValue)'\(part)"
    default: return "not valid JSON"
    }
  }

  /// Such as `'files[3].digest'`.
  private static func place(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        // As documents have it; the decoder has made `byteCount` of it.
        let name = key.stringValue.replacing(/[A-Z]/) { "_\($0.0.lowercased())" }
        text += (text.isEmpty ? "" : ".") + name
      }
    }
    return "'\(text)'"
  }
}

/// A list that is encoded piece by piece.
struct JSONList: Sendable {
  let count: Int
  private let slice: @Sendable (Range<Int>) -> [any Encodable]

  /// How many elements are encoded at once, and how many such pieces are kept until they are written.
  static let (pieceCount, groupCount) = (10, 16)

  /// A list of elements.
  init<Element: Encodable & Sendable>(_ elements: [Element]) {
    self.init(count: elements.count) { elements[$0] }
  }

  /// A list of so many elements, each made when it is needed.
  init<Element: Encodable & Sendable>(
    count: Int, _ element: @escaping @Sendable (Int) -> Element
  ) {
    self.count = count
    slice = { $0.map(element) }
  }

  /// Some of the elements.
  func piece(_ range: Range<Int>) -> Piece { Piece(elements: slice(range)) }

  /// Some elements, as a list.
  struct Piece: Encodable {
    fileprivate let elements: [any Encodable]

    func encode(to encoder: any Encoder) throws {
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    }
  }
}

/// The JSON of a plan.
struct PlanDocument: Encodable {
  var schema = "plan/v1"
  let tool: Certificate.Tool
  let source: ConversionPlan.SourceDescription
  let format: String
  let settings: SettingsRecord
  let attention: AttentionMode
  let inputs: [Certificate.InputRecord]
  /// Left out where they are written one by one.
  private let tensors: [Tensor]
  let files: [Certificate.FileRecord]
  let assets: [Certificate.AssetRecord]
  private var leftOut: [String]
  private var findings: [Finding]
  let byteCount: Int
  /// What the destination is a difference to, and how many tensors are what; absent for a complete one.
  private var base: Base?

  struct Base: Encodable {
    let root: Digest
    var hint: String
    let same: Int
    let difference: Int
    let plain: Int
  }

  struct Tensor: Encodable {
    let name: String
    let dtype: DType
    let shape: Shape
    let file: String
    let byteOffset: Int?
    let byteCount: Int
    let expression: String
    let sources: [String]
    /// The base's tensor that it is the same as, or differs from.
    let base: Base?

    /// A tensor of the base.
    struct Base: Encodable {
      let name: String
      let dtype: DType
      let digest: Digest
      /// Whether it is the same tensor.
      let same: Bool
    }
  }

  private init(
    _ plan: ConversionPlan, inputs: [Certificate.InputRecord],
    by tool: Certificate.Tool = .current
  ) {
    self.tool = tool
    source = plan.source
    format = plan.format
    settings = SettingsRecord(plan.settings)
    attention = plan.attention
    self.inputs = inputs
    tensors = []
    files = plan.fileRecords
    assets = plan.assetRecords
    leftOut = plan.leftOut
    findings = plan.findings
    byteCount = plan.byteCount
    base = plan.base.map { base in
      let count = plan.relationCounts
      return Base(
        root: base.root, hint: base.hint, same: count.same, difference: count.difference,
        plain: count.plain)
    }
  }

  /// Writes the JSON of a plan, piece by piece.
  static func write(
    _ plan: ConversionPlan, _ source: Source, _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let inputs = source.inputs.map {
      Certificate.InputRecord(name: $0.name, byteCount: $0.byteCount, digest: nil)
    }
    try PlanDocument(plan, inputs: inputs).write(plan, write)
  }

  private func write(
    _ plan: ConversionPlan, _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let tensors = JSONList(count: plan.tensors.count) { Tensor(plan.tensors[$0], in: plan) }
    try JSONDocument.write(self, ["tensors": tensors], write)
  }

  /// The digest of a plan's JSON, without what depends on where the source lies and on what else lies there.
  ///
  /// - Parameters:
  ///   - plan: of a conversion.
  ///   - source: what it converts.
  ///   - certificate: of the same plan, if it is made again: the program that wrote it counts, and that it read standard input.
  /// - Returns: the digest.
  /// - Throws: never for plans made here.
  static func digest(
    _ plan: ConversionPlan, _ source: Source, as certificate: Certificate? = nil
  ) throws(CheckpointError) -> Digest {
    var inputs = source.inputs.map {
      Certificate.InputRecord(name: $0.name, byteCount: $0.byteCount, digest: nil)
    }
    if let certificate, certificate.isOfStandardInput {
      let known = Set(certificate.inputs.map { ExactName($0.name) })
      inputs =
        [Certificate.InputRecord(name: "-", byteCount: nil, digest: nil)]
        + inputs.filter { known.contains(ExactName($0.name)) }
    }
    var document = PlanDocument(plan, inputs: inputs, by: certificate?.tool ?? .current)
    document.leftOut = []
    document.findings.removeAll(where: \.isOfPlace)
    // What it is called unless the settings say so, which is where it lies.
    document.base?.hint = ""
    var digest = StreamingDigest()
    try document.write(plan) { $0.withUnsafeBytes { digest.update($0) } }
    return digest.digest
  }
}

extension PlanDocument.Tensor {
  init(_ tensor: ConversionPlan.PlannedTensor, in plan: ConversionPlan) {
    self.init(
      name: tensor.name, dtype: tensor.type.dtype, shape: tensor.type.shape,
      file: plan.fileName(of: tensor), byteOffset: tensor.place?.byteOffset,
      byteCount: tensor.byteCount, expression: tensor.expression.description,
      sources: tensor.expression.sources,
      base: tensor.base.map {
        Base(name: $0.name, dtype: $0.dtype, digest: $0.digest, same: tensor.encoding == .base)
      })
  }
}

extension ConversionPlan {
  /// The file that has a tensor: of one that is the base's, the one that says so.
  public func fileName(of tensor: PlannedTensor) -> String {
    guard tensor.encoding == .base else { return weightFiles[tensor.file].name }
    return format == WeightDeltaFormat.name
      ? WeightDeltaFormat.indexName : StoreFormat.manifestName
  }

  /// How many tensors are the base's, how many are differences to these, and how many are written by themselves.
  public var relationCounts: (same: Int, difference: Int, plain: Int) {
    let same = tensors.count { $0.encoding == .base }
    let difference = tensors.count { $0.difference != nil }
    return (same, difference, tensors.count - same - difference)
  }

  /// The files that hold tensors, as documents list them; volumes of a store with the most that they can have.
  var fileRecords: [Certificate.FileRecord] {
    weightFiles.map { .init(name: $0.name, byteCount: $0.byteCount) }
  }

  /// The other files, as documents list them.
  var assetRecords: [Certificate.AssetRecord] {
    sidecars.map { .init(name: $0.name, byteCount: $0.byteCount, digest: $0.digest) }
  }
}

extension Finding {
  /// Whether it is about how the source's path was spelled, or about what lies beside the source, and not about what is converted.
  public var isOfPlace: Bool { Self.kindsOfPlaces.contains(check) }

  private static let kindsOfPlaces: Set<String> = [
    "opened-as", "files-left-out", "unused-weights", "unreadable-file", "link-out",
    "private-key",
  ]
}
