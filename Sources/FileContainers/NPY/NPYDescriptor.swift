import TensorModel

/// An element type in numpy's notation: byte order, kind, bytes, such as `<f4`.
struct NPYDescriptor {
  let dtype: DType
  let isBigEndian: Bool

  /// Kind and size of each type.
  ///
  /// numpy stores JAX's bfloat16, which it doesn't know, as two bytes of anything (`V2`).
  private static let kinds: [(code: String, dtype: DType)] = [
    ("b1", .bool), ("u1", .u8), ("i1", .i8), ("u2", .u16), ("i2", .i16), ("u4", .u32),
    ("i4", .i32), ("u8", .u64), ("i8", .i64), ("f2", .f16), ("V2", .bf16), ("f4", .f32),
    ("f8", .f64), ("c8", .c64),
  ]

  /// How numpy spells a dtype; nil for those that it doesn't have.
  static func text(for dtype: DType) -> String? {
    guard let kind = kinds.first(where: { $0.dtype == dtype }) else { return nil }
    return (dtype.blockByteCount == 1 ? "|" : "<") + kind.code
  }

  /// Parses the value of `descr`.
  ///
  /// - Throws: `unsupported`, with what to do about it.
  init(parsing text: String, at offset: Int) throws(CheckpointError) {
    let order = text.first ?? " "
    let code = text.dropFirst()
    guard "<>=|".contains(order), let kind = Self.kinds.first(where: { $0.code == code }) else {
      throw Self.refusal(text, at: offset)
    }
    let isSingleByte = kind.dtype.blockByteCount == 1
    guard order != "|" || isSingleByte || kind.dtype == .bf16,
      order != ">" || kind.dtype != .bf16
    else { throw Self.refusal(text, at: offset) }
    dtype = kind.dtype
    isBigEndian = order == ">" && !isSingleByte
  }

  static func refusal(_ text: String, at offset: Int) -> CheckpointError {
    let resave = "load it with numpy, convert with .astype and save it again"
    let reason: String
    let hint: String
    switch text.dropFirst().first ?? text.first {
    case "O":
      reason = "an array of Python objects"
      hint = "they are stored as a pickle, which is never executed"
    case "U", "S", "a": (reason, hint) = ("an array of strings", "only numbers can be tensors")
    case "M", "m": (reason, hint) = ("an array of dates or times", "only numbers can be tensors")
    case "V" where text.hasPrefix(">"):
      (reason, hint) = ("big-endian bfloat16", "numpy doesn't write it; \(resave)")
    case "V":
      reason = "an array of opaque bytes"
      hint = "2-byte ones are bfloat16, others could be any type; \(resave)"
    case "g", "f", "c", "F", "D", "G":
      (reason, hint) = ("a float type that isn't supported", resave)
    default: (reason, hint) = ("an unknown element type", resave)
    }
    return CheckpointError(
      .unsupported, reason, byteOffset: offset,
      expected: "f2, f4, f8, V2, c8, b1, i1 to i8 or u1 to u8 after '<', '>', '=' or '|'",
      found: "'\(text)'", hint: hint)
  }
}
