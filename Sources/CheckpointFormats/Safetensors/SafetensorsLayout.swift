public import FileContainers
public import TensorModel

/// Where tensors go in one safetensors file.
///
/// As the reference implementation writes them: widest dtypes first, then by name, the header padded with spaces to a multiple of 8.
public enum SafetensorsLayout {
  /// Whether a tensor may have that name: readers refuse empty ones and NULs, and one name isn't a tensor's.
  public static func accepts(name: String) -> Bool {
    !name.isEmpty && !name.utf8.contains(0) && name != "__metadata__"
  }

  /// What an entry has at most beside its name, as a rule: memory that isn't used isn't taken.
  private static let entryByteCount = 100

  /// Lays a file out.
  ///
  /// - Parameters:
  ///   - tensors: names, dtypes, shapes; names differ.
  ///   - metadata: `__metadata__`.
  /// - Returns: the header, and where each tensor's bytes go.
  public static func layout(
    _ tensors: [(name: String, type: TensorType)], metadata: [ExactName: String]
  ) -> FileLayout {
    let order = tensors.indices.sorted {
      let (left, right) = (tensors[$0], tensors[$1])
      let widths = (left.type.dtype.bitsPerElement, right.type.dtype.bitsPerElement)
      return widths.0 == widths.1
        ? ExactName(left.name) < ExactName(right.name) : widths.0 > widths.1
    }
    var starts = [Int](repeating: 0, count: tensors.count)
    var end = 0
    for position in order {
      starts[position] = end
      end += byteCount(tensors[position].type)
    }
    let headerByteCount = header(of: tensors, in: order, metadata).count
    return FileLayout(
      byteCount: headerByteCount + end,
      frame: .init(headerByteCount: headerByteCount) { header(of: tensors, in: order, metadata) },
      places: starts.map { .init(byteOffset: headerByteCount + $0) })
  }

  private static func byteCount(_ type: TensorType) -> Int {
    type.geometry.rows * type.geometry.rowByteCount
  }

  /// The header: its length, entries in the order of their bytes, padding.
  private static func header(
    of tensors: [(name: String, type: TensorType)], in order: [Int],
    _ metadata: [ExactName: String]
  ) -> [UInt8] {
    // A file can have hundreds of thousands of entries: no strings of their own, and one text, which the length stands before.
    let lengthByteCount = 8
    var header = [UInt8](repeating: 0, count: lengthByteCount)
    header.reserveCapacity(
      tensors.reduce(header.count) { $0 + $1.name.utf8.count + entryByteCount })
    header.append(UInt8(ascii: "{"))
    func append(_ entry: String) {
      if header.count > lengthByteCount + 1 { header.append(UInt8(ascii: ",")) }
      header += entry.utf8
    }
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { "\(JSONValue.quoted($0.key.text)):\(JSONValue.quoted($0.value))" }
      append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var end = 0
    for position in order {
      let (name, type) = tensors[position]
      let byteCount = byteCount(type)
      append(
        "\(JSONValue.quoted(name)):{\"dtype\":\"\(type.dtype.rawValue)\",\"shape\":\(type.shape.canonicalText),\"data_offsets\":[\(end),\(end + byteCount)]}"
      )
      end += byteCount
    }
    header.append(UInt8(ascii: "}"))
    header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    for place in 0..<lengthByteCount {
      header[place] = UInt8(truncatingIfNeeded: (header.count - lengthByteCount) >> (8 * place))
    }
    return header
  }
}
