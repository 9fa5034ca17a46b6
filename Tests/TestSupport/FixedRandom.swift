/// The same numbers in every run (SplitMix64).
public struct FixedRandom: RandomNumberGenerator {
  private var state: UInt64

  /// A sequence for each seed.
  public init(seed: UInt64) { state = seed }

  /// The next number.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// The bytes with one of them changed.
  public mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    bytes[Int.random(in: bytes.indices, using: &self)] ^= UInt8.random(in: 1...255, using: &self)
    return bytes
  }

  /// Any bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    var words: [UInt64] = []
    for _ in 0..<(count + 7) / 8 { words.append(next()) }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
  }
}
