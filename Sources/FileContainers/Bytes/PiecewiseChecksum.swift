import CTensorKernels

/// The CRC-32C of a run of bytes whose pieces come in any order.
struct PiecewiseChecksum {
  /// What was taken, by place; pieces that touch are one.
  private var pieces: [(range: Range<Int>, crc: UInt32)] = []

  /// Pieces that are kept; a matrix that is read by columns has as many as it has rows.
  private static let maximumCount = 1 << 14
  /// Bytes of a piece that touches no other.
  private static let minimumByteCount = 4096

  /// Whether a piece is worth its checksum: of small ones all over the place there would be too many.
  func wants(_ range: Range<Int>) -> Bool {
    guard !range.isEmpty else { return false }
    let place = place(of: range.lowerBound)
    let touches =
      range.lowerBound == 0 || place > 0 && pieces[place - 1].range.upperBound == range.lowerBound
    guard touches || range.count >= Self.minimumByteCount && pieces.count < Self.maximumCount else {
      return false
    }
    return isFree(range, place)
  }

  /// Takes a piece, unless some of it was taken before.
  mutating func take(_ range: Range<Int>, _ crc: UInt32) {
    var place = place(of: range.lowerBound)
    guard isFree(range, place) else { return }
    pieces.insert((range, crc), at: place)
    join(at: place)
    if place > 0 {
      place -= 1
      join(at: place)
    }
  }

  /// The checksum of so many bytes, if all were taken.
  func whole(_ byteCount: Int) -> UInt32? {
    if byteCount == 0 { return 0 }
    return pieces.first.flatMap { $0.range == 0..<byteCount ? $0.crc : nil }
  }

  /// The first bytes that weren't taken; nil if all were.
  func gap(_ byteCount: Int) -> Range<Int>? {
    guard let first = pieces.first, first.range.lowerBound == 0 else {
      let end = pieces.first?.range.lowerBound ?? byteCount
      return end > 0 ? 0..<end : nil
    }
    let end = pieces.count > 1 ? pieces[1].range.lowerBound : byteCount
    return first.range.upperBound < end ? first.range.upperBound..<end : nil
  }

  /// How many pieces begin before a position.
  private func place(of position: Int) -> Int {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle].range.lowerBound < position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func isFree(_ range: Range<Int>, _ place: Int) -> Bool {
    (place == 0 || pieces[place - 1].range.upperBound <= range.lowerBound)
      && (place == pieces.count || pieces[place].range.lowerBound >= range.upperBound)
  }

  /// Makes a piece and the next one, if they touch.
  private mutating func join(at place: Int) {
    guard place + 1 < pieces.count else { return }
    let (first, second) = (pieces[place], pieces[place + 1])
    guard first.range.upperBound == second.range.lowerBound else { return }
    pieces[place] = (
      first.range.lowerBound..<second.range.upperBound,
      wb_crc32c_joined(first.crc, second.crc, UInt64(second.range.count))
    )
    pieces.remove(at: place + 1)
  }
}
