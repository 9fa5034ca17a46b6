// How a catalogue of datasets, or why there is none, goes from the process that reads HDF5 to the one that asked for it. Numbers are
// little-endian; a text is a u32 of its bytes and they, a list a u32 of its elements and they.
//
//   1. 8 bytes, `WBHDF5` and two of the version, 01 00
//   2. u8: 0 for an error, 1 for a catalogue
//   3. error: texts of code, message, tensor, expected, found, hint; empty for none
//   3. catalogue: u8 whether there are layers; list of datasets; list of unlisted names
//   4. dataset: texts of name and dtype, u8 whether it is big-endian, u8 rank, rank × u64 extents, u8: 0 contiguous, 1 chunked
//      contiguous: u64 offset
//      chunked: rank × u64 chunk extents; u8 count of filters, each u32 number and u32 parameter; list of chunks: u64 offset, u64 bytes, u32 mask

public import TensorModel

/// A catalogue as bytes, or an error.
public enum DatasetMessage {
  private static let beginning = Array("WBHDF5".utf8) + [1, 0]
  /// Of one message.
  public static let maximumByteCount = 64 << 20

  /// The message that says what is in a file.
  public static func bytes(of catalogue: DatasetCatalogue) -> [UInt8] {
    var writer = MessageWriter(bytes: beginning)
    writer.append(1, 1)
    writer.append(catalogue.hasLayers ? 1 : 0, 1)
    writer.append(catalogue.datasets.count, 4)
    for dataset in catalogue.datasets { append(dataset, &writer) }
    writer.append(catalogue.unlisted.count, 4)
    for name in catalogue.unlisted { writer.append(name) }
    return writer.bytes
  }

  private static func append(_ dataset: DatasetCatalogue.Dataset, _ writer: inout MessageWriter) {
    writer.append(dataset.name)
    writer.append(dataset.dtype.rawValue)
    writer.append(dataset.isBigEndian ? 1 : 0, 1)
    writer.append(dataset.shape.rank, 1)
    for extent in dataset.shape.dimensions { writer.append(extent, 8) }
    switch dataset.storage {
    case .contiguous(let offset):
      writer.append(0, 1)
      writer.append(offset, 8)
    case .chunked(let extents, let filters, let chunks):
      writer.append(1, 1)
      for extent in extents { writer.append(extent, 8) }
      writer.append(filters.count, 1)
      for filter in filters {
        writer.append(filter.number, 4)
        writer.append(filter.parameter, 4)
      }
      writer.append(chunks.count, 4)
      for chunk in chunks {
        writer.append(chunk.offset, 8)
        writer.append(chunk.byteCount, 8)
        writer.append(Int(chunk.skippedFilters), 4)
      }
    }
  }

  /// The message that says why there is no catalogue.
  public static func bytes(of error: CheckpointError) -> [UInt8] {
    var writer = MessageWriter(bytes: beginning)
    writer.append(0, 1)
    for text in [
      error.code.rawValue, error.message, error.tensor ?? "", error.expected ?? "",
      error.found ?? "", error.hint ?? "",
    ] {
      writer.append(
        String(decoding: text.utf8.prefix(DatasetCatalogue.Limit.textByteCount / 4), as: UTF8.self))
    }
    return writer.bytes
  }

  /// What a message says, whoever sent it.
  ///
  /// - Parameter bytes: all of it.
  /// - Returns: the catalogue, within its limits.
  /// - Throws: the error that the message is; `malformed` if it is no message.
  public static func catalogue(in bytes: [UInt8]) throws(CheckpointError) -> DatasetCatalogue {
    var reader = MessageReader(bytes)
    guard bytes.starts(with: beginning), bytes.count <= maximumByteCount else {
      throw MessageReader.malformed(0)
    }
    _ = try reader.bytes(beginning.count)
    switch try reader.number(1) {
    case 0: throw try error(&reader)
    case 1: break
    default: throw MessageReader.malformed(reader.position)
    }
    var catalogue = DatasetCatalogue()
    catalogue.hasLayers = try reader.flag()
    for _ in 0..<(try reader.count(each: 17, limit: DatasetCatalogue.Limit.datasetCount)) {
      catalogue.datasets.append(try dataset(&reader))
    }
    for _ in 0..<(try reader.count(each: 4, limit: DatasetCatalogue.Limit.datasetCount)) {
      catalogue.unlisted.append(try reader.text())
    }
    guard reader.remaining == 0 else { throw MessageReader.malformed(reader.position) }
    return catalogue
  }

  private static func dataset(
    _ reader: inout MessageReader
  ) throws(CheckpointError) -> DatasetCatalogue.Dataset {
    let name = try reader.text()
    guard let dtype = DType(rawValue: try reader.text()),
      [.f16, .bf16, .f32, .f64].contains(dtype)
    else { throw MessageReader.malformed(reader.position) }
    let isBigEndian = try reader.flag()
    let rank = try reader.number(1)
    guard rank <= Shape.maximumRank else { throw MessageReader.malformed(reader.position) }
    let shape = try Shape(checking: reader.numbers(rank))
    guard try reader.flag() else {
      return .init(
        name: name, dtype: dtype, isBigEndian: isBigEndian, shape: shape,
        storage: .contiguous(offset: try reader.number(8)))
    }
    let extents = try reader.numbers(rank)
    var filters: [DatasetCatalogue.Filter] = []
    for _ in 0..<(try reader.number(1)) {
      filters.append(.init(number: try reader.number(4), parameter: try reader.number(4)))
    }
    let count = try reader.count(each: 20, limit: DatasetCatalogue.Limit.chunkCount)
    var chunks: [DatasetCatalogue.Chunk] = []
    chunks.reserveCapacity(count)
    for _ in 0..<count {
      chunks.append(
        .init(
          offset: try reader.number(8), byteCount: try reader.number(8),
          skippedFilters: UInt32(truncatingIfNeeded: try reader.number(4))))
    }
    return .init(
      name: name, dtype: dtype, isBigEndian: isBigEndian, shape: shape,
      storage: .chunked(extents: extents, filters: filters, chunks: chunks))
  }

  private static func error(
    _ reader: inout MessageReader
  ) throws(CheckpointError) -> CheckpointError {
    guard let code = CheckpointError.Code(rawValue: try reader.text()) else {
      throw MessageReader.malformed(reader.position)
    }
    var error = CheckpointError(code, try reader.text())
    for property in [\CheckpointError.tensor, \.expected, \.found, \.hint] {
      let text = try reader.text()
      error[keyPath: property] = text.isEmpty ? nil : text
    }
    return error
  }
}

private struct MessageWriter {
  var bytes: [UInt8]

  mutating func append(_ number: Int, _ byteCount: Int) {
    for place in 0..<byteCount { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * place))) }
  }

  mutating func append(_ text: String) {
    append(text.utf8.count, 4)
    bytes += text.utf8
  }
}

private struct MessageReader {
  private(set) var position = 0
  private let all: [UInt8]
  private var namesByteCount = 0

  init(_ bytes: [UInt8]) { all = bytes }

  var remaining: Int { all.count - position }

  static func malformed(_ position: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "not a catalogue of datasets", byteOffset: position,
      hint: "the file may be made to mislead: don't trust it")
  }

  mutating func bytes(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count <= remaining else { throw Self.malformed(position) }
    defer { position += count }
    return all[position..<position + count]
  }

  mutating func number(_ byteCount: Int) throws(CheckpointError) -> Int {
    let value = try bytes(byteCount).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let number = Int(exactly: value) else { throw Self.malformed(position) }
    return number
  }

  mutating func numbers(_ count: Int) throws(CheckpointError) -> [Int] {
    var numbers: [Int] = []
    for _ in 0..<count { numbers.append(try number(8)) }
    return numbers
  }

  mutating func flag() throws(CheckpointError) -> Bool {
    let value = try number(1)
    guard value <= 1 else { throw Self.malformed(position) }
    return value == 1
  }

  mutating func count(each byteCount: Int, limit: Int) throws(CheckpointError) -> Int {
    let count = try number(4)
    guard count <= limit, count <= remaining / byteCount else { throw Self.malformed(position) }
    return count
  }

  mutating func text() throws(CheckpointError) -> String {
    let count = try number(4)
    namesByteCount += count
    guard count <= DatasetCatalogue.Limit.textByteCount,
      namesByteCount <= DatasetCatalogue.Limit.namesByteCount,
      let text = String(validating: try bytes(count), as: UTF8.self)
    else { throw Self.malformed(position) }
    return text
  }
}
