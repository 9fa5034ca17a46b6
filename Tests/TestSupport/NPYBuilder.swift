/// Bytes of an npy file, version 1.0, with its header padded and ended as numpy does.
///
/// - Parameters:
///   - descriptor: such as `<f4`, without quotation marks.
///   - shape: the extents.
///   - data: the elements' bytes.
///   - isFortranOrder: whether the first index varies fastest.
/// - Returns: the whole file.
public func npyFile(
  _ descriptor: String, _ shape: [Int], _ data: [UInt8], isFortranOrder: Bool = false
) -> [UInt8] {
  let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
  let text =
    "{'descr': '\(descriptor)', 'fortran_order': \(isFortranOrder ? "True" : "False"), 'shape': (\(extents)), }"
  let padding = 63 - (10 + text.utf8.count) % 64
  let body = Array((text + String(repeating: " ", count: padding) + "\n").utf8)
  return [0x93] + Array("NUMPY".utf8) + [1, 0] + UInt16(body.count).littleEndianBytes + body + data
}

/// Bytes of an `.npz` with stored members `arr_0.npy`, `arr_1.npy` and so on, as `numpy.savez` writes a list.
public func npzFile(_ arrays: [[UInt8]]) -> [UInt8] {
  ZipBuilder(arrays.enumerated().map { ZipBuilder.Entry("arr_\($0).npy", $1) }).bytes
}
