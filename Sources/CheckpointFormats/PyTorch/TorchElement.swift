import TensorModel

/// An element type of PyTorch.
final class TorchElement: Hashable, Sendable {
  /// As PyTorch names it, such as `float16`.
  let name: String
  /// Bytes of one element.
  let byteCount: Int
  /// What it is here; nil for types that have no equal.
  let dtype: DType?
  /// Elements of `dtype` in one of PyTorch's: it counts pairs of 4-bit floats.
  var packing: Int { name == "float4_e2m1fn_x2" ? 2 : 1 }

  private init(_ name: String, _ byteCount: Int, _ dtype: DType?) {
    self.name = name
    self.byteCount = byteCount
    self.dtype = dtype
  }

  static func == (left: TorchElement, right: TorchElement) -> Bool { left.name == right.name }

  func hash(into hasher: inout Hasher) { hasher.combine(name) }

  /// Bytes that belong to no type yet.
  static let untyped = TorchElement("untyped", 1, .u8)

  /// The type of that name, such as `float16`.
  static func named(_ name: String) -> TorchElement? { byName[name] }

  /// What a typed storage class holds, such as `HalfStorage`.
  static func stored(in className: String) -> TorchElement? {
    storageClasses[className].flatMap(named)
  }

  private static let all: [TorchElement] = [
    .init("float64", 8, .f64), .init("float32", 4, .f32), .init("float16", 2, .f16),
    .init("bfloat16", 2, .bf16), .init("int64", 8, .i64), .init("int32", 4, .i32),
    .init("int16", 2, .i16), .init("int8", 1, .i8), .init("uint64", 8, .u64),
    .init("uint32", 4, .u32), .init("uint16", 2, .u16), .init("uint8", 1, .u8),
    .init("bool", 1, .bool), .init("complex64", 8, .c64), .init("complex128", 16, nil),
    .init("complex32", 4, nil), .init("float8_e4m3fn", 1, .f8e4m3),
    .init("float8_e5m2", 1, .f8e5m2), .init("float8_e8m0fnu", 1, .f8e8m0),
    .init("float8_e4m3fnuz", 1, .f8e4m3fnuz), .init("float8_e5m2fnuz", 1, .f8e5m2fnuz),
    .init("float4_e2m1fn_x2", 1, .f4), .init("qint8", 1, nil), .init("quint8", 1, nil),
    .init("qint32", 4, nil), .init("quint4x2", 1, nil), .init("quint2x4", 1, nil),
  ]

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  private static let storageClasses = [
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
  ]
}
