/// What packed codes stand for, and how they follow each other.
///
/// Codes of so many bits are a stream of bytes, lowest bits first, unless something else is said.
public enum PackedCode: Hashable, Sendable {
  /// 0 … 2^bits − 1.
  case unsigned(bits: Int)
  /// That less 2^(bits − 1), as compressed-tensors stores integers.
  case excess(bits: Int)
  /// Zero points of GPTQ's first version, which are stored less one: where the bits divide 32, in all fields of a word at once, with borrows.
  case lessOne(bits: Int)
  /// 4 bits, in words of which columns 0 2 4 6 1 3 5 7 follow each other, as AWQ has them.
  case awq
  /// 4 bits, the higher half of a byte first, as bitsandbytes has them.
  case highFirst
  /// Floats of 4 bits, E2M1.
  case fp4
  /// Floats of 8 bits, of which the largest is 448.
  case e4m3
  /// Floats of 8 bits with infinities.
  case e5m2
  /// Powers of two.
  case e8m0
  /// Signed bytes.
  case int8

  /// Of one code.
  public var bits: Int {
    switch self {
    case .unsigned(let bits), .excess(let bits), .lessOne(let bits): bits
    case .awq, .highFirst, .fp4: 4
    case .e4m3, .e5m2, .e8m0, .int8: 8
    }
  }

  /// Whether columns of words can hold it, code by code down the rows.
  var canRunDown: Bool {
    switch self {
    case .unsigned, .excess: true
    default: false
    }
  }

  /// Whether it is read word by word.
  private var needsWords: Bool {
    switch self {
    case .awq, .lessOne: true
    default: false
    }
  }

  /// Whether cells of a dtype can hold it.
  func fits(_ dtype: DType) -> Bool {
    switch dtype {
    case .u32, .i32: true
    case .u8, .i8, .bool: !needsWords
    case .f8e4m3: self == .e4m3
    case .f8e5m2: self == .e5m2
    case .f8e8m0: self == .e8m0
    default: false
    }
  }

  private static let named: [(PackedCode, String)] = [
    (.awq, "awq"), (.highFirst, "high-first"), (.fp4, "fp4"), (.e4m3, "e4m3"), (.e5m2, "e5m2"),
    (.e8m0, "e8m0"), (.int8, "int8"),
  ]

  /// Reads the printed form; nil for anything else.
  init?(_ text: String) {
    if let known = Self.named.first(where: { $0.1 == text }) {
      self = known.0
      return
    }
    guard let bits = text.last?.wholeNumberValue, (1...8).contains(bits) else { return nil }
    switch text.dropLast() {
    case "unsigned-": self = .unsigned(bits: bits)
    case "excess-": self = .excess(bits: bits)
    case "less-one-": self = .lessOne(bits: bits)
    default: return nil
    }
  }
}

extension PackedCode: CustomStringConvertible {
  /// Such as `unsigned-4`.
  public var description: String {
    switch self {
    case .unsigned(let bits): "unsigned-\(bits)"
    case .excess(let bits): "excess-\(bits)"
    case .lessOne(let bits): "less-one-\(bits)"
    default: Self.named.first { $0.0 == self }?.1 ?? ""
    }
  }
}
