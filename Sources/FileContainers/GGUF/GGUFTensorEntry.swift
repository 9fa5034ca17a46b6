import TensorModel

/// What a GGUF file says of a tensor, before its place is checked.
struct GGUFTensorEntry {
  let name: String
  let dtype: DType
  let shape: Shape
  let offset: UInt64
  let byteCount: Int

  private static let maximumDimensions = 4
  private static let maximumNameByteCount = 63

  init(_ cursor: inout FileCursor) throws(CheckpointError) {
    let place = cursor.position
    let bytes = try GGUFMetadata.string(&cursor)
    guard let name = String(validating: bytes, as: UTF8.self), !name.isEmpty,
      bytes.count <= Self.maximumNameByteCount, !bytes.contains(0)
    else {
      throw CheckpointError(
        .malformed, "a tensor's name that can't be", byteOffset: place,
        expected: "1 to \(Self.maximumNameByteCount) bytes of text",
        found: "\(bytes.count) bytes")
    }
    do throws(CheckpointError) {
      let rank = try cursor.integer(4)
      guard rank <= Self.maximumDimensions else {
        throw CheckpointError(
          .malformed, "too many dimensions", expected: "at most \(Self.maximumDimensions)",
          found: "\(rank)")
      }
      var extents: [Int] = []
      for _ in 0..<rank {
        let extent = try cursor.integer(8)
        guard let value = Int(exactly: extent) else {
          throw CheckpointError(.malformed, "an impossible extent", found: "\(extent)")
        }
        extents.append(value)
      }
      shape = try Shape(checking: extents.reversed())
      let number = try cursor.integer(4)
      guard let dtype = DType(ggmlType: Int(number)) else {
        throw CheckpointError(
          .unsupported, "a tensor type that isn't read", found: "ggml type \(number)")
      }
      // Checks rows and sizes.
      byteCount = try TensorInfo(name: name, dtype: dtype, shape: shape, file: "").byteCount
      self.dtype = dtype
      offset = try cursor.integer(8)
      self.name = name
    } catch {
      var named = error.in(tensor: name)
      named.file = nil
      throw named
    }
  }
}
