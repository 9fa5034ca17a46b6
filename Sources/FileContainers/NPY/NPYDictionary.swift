import TensorModel

/// The header text of an npy array, read by a small grammar instead of Python.
///
///     text   = "{" entry ("," entry)* [","] "}" " "* "\n"
///     entry  = string ":" (string | "True" | "False" | tuple)      each of the three keys once
///     tuple  = "(" ")" | "(" number "," ")" | "(" number ("," number)+ [","] ")"
///     string = "'" ... "'" | '"' ... '"'                           without escapes
///
/// Spaces may stand between any two of these.
struct NPYDictionary {
  private(set) var descriptor = ""
  private(set) var descriptorOffset = 0
  private(set) var isFortranOrder = false
  private(set) var dimensions: [Int] = []
  private(set) var shapeOffset = 0

  private let text: ArraySlice<UInt8>
  private var position: Int

  /// - Parameter text: the slice of the file, so that its indices are offsets.
  init(_ text: ArraySlice<UInt8>) {
    self.text = text
    position = text.startIndex
  }

  /// Reads all of it.
  ///
  /// - Throws: `malformed`; `unsupported` for structured types.
  mutating func parse() throws(CheckpointError) {
    var missing = ["descr", "fortran_order", "shape"]
    try expect("{")
    while !take("}") {
      skipSpaces()
      let keyOffset = position
      let key = try string()
      guard let place = missing.firstIndex(of: key) else {
        throw CheckpointError(
          .malformed, "an unknown or repeated key in the npy header", byteOffset: keyOffset,
          expected: missing.isEmpty ? "no more keys" : missing.sorted().joined(separator: " or "),
          found: "'\(key)'")
      }
      missing.remove(at: place)
      try expect(":")
      skipSpaces()
      switch key {
      case "descr":
        descriptorOffset = position
        try refuseStructure()
        descriptor = try string()
      case "fortran_order": isFortranOrder = try boolean()
      default:
        shapeOffset = position
        dimensions = try tuple()
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    guard missing.isEmpty else {
      throw error(
        "keys missing in the npy header", expected: missing.sorted().joined(separator: ", "))
    }
    skipSpaces()
    guard position == text.endIndex - 1, text[position] == 0x0a else {
      throw error("the npy header", expected: "only spaces and a final line feed")
    }
  }

  private mutating func skipSpaces() {
    while position < text.endIndex, text[position] == 0x20 { position += 1 }
  }

  private mutating func take(_ mark: Unicode.Scalar) -> Bool {
    skipSpaces()
    guard position < text.endIndex, text[position] == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws(CheckpointError) {
    guard take(mark) else { throw error("the npy header", expected: "'\(mark)'") }
  }

  private mutating func string() throws(CheckpointError) -> String {
    skipSpaces()
    guard position < text.endIndex, text[position] == 0x27 || text[position] == 0x22,
      let end = text[(position + 1)...].firstIndex(of: text[position])
    else { throw error("the npy header", expected: "a quoted string") }
    guard let value = String(validating: text[position + 1..<end], as: UTF8.self) else {
      throw error("the npy header", expected: "a string of valid UTF-8")
    }
    position = end + 1
    return value
  }

  private func refuseStructure() throws(CheckpointError) {
    guard position < text.endIndex, text[position] == 0x5b || text[position] == 0x28 else { return }
    throw CheckpointError(
      .unsupported, "an array of structures", byteOffset: position,
      expected: "an element type such as '<f4'", found: found,
      hint: "save each of its fields as an array of its own")
  }

  private mutating func boolean() throws(CheckpointError) -> Bool {
    for (word, value) in [("True", true), ("False", false)]
    where text[position...].starts(with: word.utf8) {
      position += word.utf8.count
      return value
    }
    throw error("fortran_order in the npy header", expected: "True or False")
  }

  private mutating func tuple() throws(CheckpointError) -> [Int] {
    try expect("(")
    var numbers: [Int] = []
    while !take(")") {
      guard numbers.count < Shape.maximumRank else {
        throw error("too many dimensions", expected: "at most \(Shape.maximumRank)")
      }
      numbers.append(try number())
      if take(",") { continue }
      // `(3)` is a number in Python, not a tuple.
      guard numbers.count > 1 else {
        throw error("the shape in the npy header", expected: "',' after a single extent")
      }
      try expect(")")
      break
    }
    return numbers
  }

  private mutating func number() throws(CheckpointError) -> Int {
    skipSpaces()
    let digits = text[position...].prefix { (0x30...0x39).contains($0) }
    guard let first = digits.first, first != 0x30 || digits.count == 1 else {
      throw error("the shape in the npy header", expected: "a non-negative whole number")
    }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw error("the shape in the npy header", expected: "an extent below 2^63")
    }
    position = digits.endIndex
    return value
  }

  private var found: String {
    let rest = text[position...].prefix(16)
    return rest.isEmpty ? "the end of the header" : "'\(String(decoding: rest, as: UTF8.self))'"
  }

  private func error(_ message: String, expected: String) -> CheckpointError {
    CheckpointError(
      .malformed, message, byteOffset: position, expected: expected, found: found,
      hint: "it isn't as numpy writes it; load it with numpy and save it again, if you trust it")
  }
}
