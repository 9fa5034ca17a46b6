import TensorModel

/// A module's parts.
struct QuantizedModule {
  /// What the names of all parts begin with, such as `model.layers.0.mlp.down_proj`.
  let name: String
  private let reader: any CheckpointReader

  init(_ name: String, _ reader: any CheckpointReader) {
    self.name = name
    self.reader = reader
  }

  /// The stored tensor of a part; nil if there is none.
  func tensor(_ part: String) -> TensorInfo? {
    reader.checkpoint.position(of: name + part).map { reader.checkpoint.tensors[$0] }
  }

  /// A part as a value.
  ///
  /// - Throws: `missing`.
  func part(_ part: String) throws(CheckpointError) -> PackedValue {
    guard let tensor = tensor(part) else {
      throw CheckpointError(
        .missing, "a part of a quantized weight isn't there", tensor: name + part,
        hint: "the file is incomplete, or was changed: get it again")
    }
    return PackedValue(.stored(tensor.name), TensorType(tensor.dtype, tensor.shape))
  }

  /// The bytes of a small part; nil if there is none.
  ///
  /// - Throws: `malformed` for more bytes than the limit; what reading throws.
  func bytes(of part: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    guard let position = reader.checkpoint.position(of: name + part) else { return nil }
    let tensor = reader.checkpoint.tensors[position]
    guard tensor.byteCount <= limit else {
      throw CheckpointError(
        .malformed, "larger than such a part ever is", tensor: tensor.name,
        expected: "at most \(limit) bytes", found: "\(tensor.byteCount)")
    }
    return try head(of: part, byteCount: tensor.byteCount)
  }

  /// The first bytes of a part, as many as there are at most.
  ///
  /// - Throws: `missing`, what reading throws.
  func head(of part: String, byteCount limit: Int) throws(CheckpointError) -> [UInt8] {
    guard let position = reader.checkpoint.position(of: name + part) else {
      throw CheckpointError(.missing, "no such tensor in the source", tensor: name + part)
    }
    var bytes: [UInt8] = []
    try StoredRun(reader, position).forEach { piece in
      bytes += piece.prefix(limit - bytes.count)
      return bytes.count < limit
    }
    return bytes
  }

  /// An error about a part.
  func misfit(
    _ part: String, _ message: String, expected: String? = nil, found: String? = nil
  ) -> CheckpointError {
    CheckpointError(
      .malformed, message, tensor: name + part, expected: expected, found: found,
      hint: "the file is damaged, or its configuration is another file's: get both again")
  }
}
