/// The element of a tensor that is the same everywhere.
///
/// Two values are equal if their bits are: −0 isn't 0.
public struct FillValue: Sendable {
  /// The number.
  public let number: Double

  /// A number.
  public init(_ number: Double) { self.number = number }

  /// The little-endian bytes of the number in a dtype.
  ///
  /// - Returns: nil if the dtype doesn't have exactly this number, or isn't one of floats or integers of whole bytes.
  public func bytes(in dtype: DType) -> [UInt8]? {
    switch dtype {
    case .f64: Self.littleEndian(number.bitPattern)
    case .f32: single.map { Self.littleEndian($0) }
    case .bf16:
      single.flatMap { $0 & 0xffff == 0 ? Self.littleEndian(UInt16($0 >> 16)) : nil }
    case .f16: single.flatMap(Self.half).map { Self.littleEndian($0) }
    case .i8: integer(Int8.self)
    case .u8: integer(UInt8.self)
    case .i16: integer(Int16.self)
    case .u16: integer(UInt16.self)
    case .i32: integer(Int32.self)
    case .u32: integer(UInt32.self)
    case .i64: integer(Int64.self)
    case .u64: integer(UInt64.self)
    default: nil
    }
  }

  private var single: UInt32? { Float(exactly: number)?.bitPattern }

  /// Zeros and normal numbers; nobody fills with others.
  private static func half(_ bits: UInt32) -> UInt16? {
    let sign = UInt16(bits >> 16 & 0x8000)
    if bits << 1 == 0 { return sign }
    let exponent = Int(bits >> 23 & 0xff) - 127 + 15
    guard (1...30).contains(exponent), bits & 0x1fff == 0 else { return nil }
    return sign | UInt16(exponent) << 10 | UInt16(bits >> 13 & 0x3ff)
  }

  private func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) -> [UInt8]? {
    guard number.sign == .plus || !number.isZero, let value = Integer(exactly: number) else {
      return nil
    }
    return Self.littleEndian(value)
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

extension FillValue: Hashable {
  /// Whether the bits are the same.
  public static func == (left: FillValue, right: FillValue) -> Bool {
    left.number.bitPattern == right.number.bitPattern
  }

  /// Hashes the bits.
  public func hash(into hasher: inout Hasher) { hasher.combine(number.bitPattern) }
}

extension FillValue: CustomStringConvertible {
  /// The number.
  public var description: String { "\(number)" }

  /// `-0.0`, `1.0`, and integers without a point.
  public func text(in dtype: DType) -> String {
    dtype.isCastable ? "\(number)" : Int(exactly: number).map(String.init) ?? "\(number)"
  }
}

extension FillValue: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  /// A number written out in code.
  public init(floatLiteral number: Double) { self.init(number) }

  /// A number written out in code.
  public init(integerLiteral number: Int) { self.init(Double(number)) }
}
