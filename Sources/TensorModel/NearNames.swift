/// The names that a person may have meant who wrote one that there isn't.
///
/// Case, `-` and `_` don't count. A slip is a letter too many, too few or wrong, or two that changed places: one is allowed, and
/// one more for every three letters. Names that what was written is a part of are near, too.
///
/// - Parameters:
///   - written: what was written, of any length.
///   - names: all that there are.
///   - count: how many to return at most.
/// - Returns: the nearest first, those equally near in their order; empty if nothing is near.
public func nearNames(_ written: String, among names: [String], count: Int = 3) -> [String] {
  let longest = names.reduce(0) { max($0, $1.utf8.count) }
  // Nothing that is much longer than all names is near to one.
  let letters = plainLetters(written.utf8.prefix(2 * longest + 1))
  guard !letters.isEmpty else { return [] }
  let limit = max(1, letters.count / 3)
  var near: [(name: String, distance: Int)] = []
  for name in names {
    let other = plainLetters(name.utf8[...])
    let distance = slipCount(letters, other)
    if distance <= limit {
      near.append((name, distance))
    } else if letters.count > 1, other.contains(letters) {
      near.append((name, limit + 1))
    }
  }
  // Beside a name that only case and dashes tell apart, no other was meant.
  if near.contains(where: { $0.distance == 0 }) { near.removeAll { $0.distance > 0 } }
  return near.enumerated()
    .sorted { ($0.element.distance, $0.offset) < ($1.element.distance, $1.offset) }
    .prefix(count).map(\.element.name)
}

/// `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`; each made harmless.
///
/// - Parameter names: any number.
/// - Returns: the list; empty for no names.
public func alternatives(_ names: [String]) -> String {
  let quoted = names.map { "'\(printable($0))'" }
  guard quoted.count > 1 else { return quoted.first ?? "" }
  return quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
}

private func plainLetters(_ text: Substring.UTF8View) -> [UInt8] {
  text.compactMap { byte in
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "_"): nil
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
    default: byte
    }
  }
}

/// How many slips make one of the other: bytes put in, taken out or changed, and neighbours that changed places (optimal string alignment).
private func slipCount(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var before: [Int] = []
  var row = Array(0...right.count)
  for (i, byte) in left.enumerated() {
    var next = [i + 1]
    for (j, other) in right.enumerated() {
      var least = min(row[j] + (byte == other ? 0 : 1), row[j + 1] + 1, next[j] + 1)
      if i > 0, j > 0, byte == right[j - 1], left[i - 1] == other {
        least = min(least, before[j - 1] + 1)
      }
      next.append(least)
    }
    before = row
    row = next
  }
  return row[right.count]
}
