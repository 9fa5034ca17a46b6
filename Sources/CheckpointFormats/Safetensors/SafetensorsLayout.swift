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
    // A file can have hundreds of thousands of entries: no strings of their own.
    var text = Array("{".utf8)
    func append(_ entry: String) {
      if text.count > 1 { text.append(UInt8(ascii: ",")) }
      text += entry.utf8
    }
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { "\(JSONValue.quoted($0.key.text)):\(JSONValue.quoted($0.value))" }
      append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var starts = [Int](repeating: 0, count: tensors.count)
    var end = 0
    for position in order {
      let (name, type) = tensors[position]
      let byteCount = type.geometry.rows * type.geometry.rowByteCount
      starts[position] = end
      append(
        "\(JSONValue.quoted(name)):{\"dtype\":\"\(type.dtype.rawValue)\",\"shape\":\(type.shape.canonicalText),\"data_offsets\":[\(end),\(end + byteCount)]}"
      )
      end += byteCount
    }
    text.append(UInt8(ascii: "}"))
    text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    let header = length + text
    return FileLayout(
      byteCount: header.count + end, frame: [.init(byteOffset: 0, bytes: header)],
      places: starts.map { .init(byteOffset: header.count + $0) })
  }
}
