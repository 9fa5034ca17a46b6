import TensorModel

/// Names for a person: all of them in order, or the first and how many more there are.
///
/// A file can have a million, which nobody reads and which take longer to sort than the file to read.
struct NameList {
  /// How many are named.
  static let shownCount = 200

  /// How many there are.
  private(set) var count = 0
  /// The first of them, in the order of their bytes.
  private var first: [ExactName] = []

  /// A list of names in any order.
  init(_ names: some Sequence<ExactName>) {
    for name in names { insert(name) }
  }

  private mutating func insert(_ name: ExactName) {
    count += 1
    if first.count == Self.shownCount {
      guard let last = first.last, name < last else { return }
      first.removeLast()
    }
    let place = first.firstIndex { name < $0 } ?? first.endIndex
    first.insert(name, at: place)
  }

  /// `a, b, c`.
  var text: String {
    let names = first.map(\.text).joined(separator: ", ")
    return count > first.count ? "\(names) and \(count - first.count) more" : names
  }
}
