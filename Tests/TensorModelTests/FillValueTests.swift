import TensorModel
import Testing

@Suite struct FillValueTests {
  @Test(arguments: [
    (FillValue(-0.0), DType.f64, [0, 0, 0, 0, 0, 0, 0, 0x80] as [UInt8]?),
    (-0.0, .f32, [0, 0, 0, 0x80]), (-0.0, .f16, [0, 0x80]), (-0.0, .bf16, [0, 0x80]),
    (0, .f16, [0, 0]), (1, .f32, [0, 0, 0x80, 0x3f]), (1, .f16, [0, 0x3c]),
    (1, .bf16, [0x80, 0x3f]), (-2.5, .f16, [0, 0xc1]), (65504, .f16, [0xff, 0x7b]),
    (6, .i32, [6, 0, 0, 0]), (-1, .i16, [0xff, 0xff]), (255, .u8, [255]),
    (65536, .f16, nil), (1.0009, .f16, nil), (1.001, .bf16, nil), (1e300, .f32, nil),
    (0.5, .i32, nil), (-0.0, .i32, nil), (3e9, .i32, nil), (1, .f4, nil), (1, .f8e4m3, nil),
    (1, .c64, nil), (1, .bool, nil),
  ])
  func isExactOrNothing(_ value: FillValue, _ dtype: DType, _ bytes: [UInt8]?) {
    #expect(value.bytes(in: dtype) == bytes)
  }

  @Test func tellsZerosApart() {
    #expect(FillValue(-0.0) != FillValue(0.0))
    #expect(Set([FillValue(-0.0), 0, 0.0]).count == 2)
  }
}
