import TensorModel

/// A tensor's name as its parts between points, some of which are numbers: of the layer, of the expert or the head.
struct NumberedName {
  private let parts: [String]
  /// Which parts are numbers, however large.
  private let places: [Int]

  /// A name.
  init(_ name: String) {
    parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    places = parts.indices.filter { [parts] in Self.isNumber(parts[$0]) }
  }

  private static func isNumber(_ part: String) -> Bool {
    let digits = part.hasPrefix("-") ? part.utf8.dropFirst() : part.utf8[...]
    return !digits.isEmpty
      && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  /// The numbers as they are written.
  var numbers: [String] { places.map { parts[$0] } }

  /// The name with one of its numbers replaced by zero; itself without so many.
  ///
  /// - Parameter index: which number, from 0.
  /// - Returns: the name.
  func zeroing(_ index: Int) -> ExactName {
    var parts = parts
    if places.indices.contains(index) { parts[places[index]] = "0" }
    return ExactName(parts.joined(separator: "."))
  }

  /// The name with all numbers replaced by zero.
  var zeroed: String {
    var parts = parts
    for place in places { parts[place] = "0" }
    return parts.joined(separator: ".")
  }
}
