import TensorModel

/// What a regular expression is made of.
indirect enum PatternNode {
  case one(Characters)
  case sequence([PatternNode])
  case alternatives([PatternNode])
  case repetition(PatternNode, least: Int, most: Int?)
  case atStart
  case atEnd(beforeNewline: Bool)
  case boundary(Bool)
  case ahead(PatternNode, Bool)
}

/// Some characters, or all others.
struct Characters: Sendable {
  enum Class: Sendable { case digit, word, space }

  var ranges: [ClosedRange<Unicode.Scalar>] = []
  var classes: [(kind: Class, isNegated: Bool)] = []
  var isNegated = false

  static func only(_ scalar: Unicode.Scalar) -> Characters { Characters(ranges: [scalar...scalar]) }

  /// The only one; nil for all others.
  var single: Unicode.Scalar? {
    guard !isNegated, classes.isEmpty, ranges.count == 1 else { return nil }
    return ranges[0].lowerBound == ranges[0].upperBound ? ranges[0].lowerBound : nil
  }

  static func isOfWord(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
  }

  private static func contains(_ kind: Class, _ scalar: Unicode.Scalar) -> Bool {
    switch kind {
    case .digit: scalar.properties.generalCategory == .decimalNumber
    case .word: isOfWord(scalar)
    case .space: scalar.properties.isWhitespace
    }
  }

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    let isIn =
      ranges.contains { $0.contains(scalar) }
      || classes.contains { Self.contains($0.kind, scalar) != $0.isNegated }
    return isIn != isNegated
  }
}

/// Reads a regular expression from left to right.
struct PatternParser {
  private let text: String
  private let scalars: [Unicode.Scalar]
  private let deepest: Int
  private var place = 0
  private var depth = 0

  init(_ text: String, deepest: Int) {
    self.text = text
    scalars = Array(text.unicodeScalars)
    self.deepest = deepest
  }

  /// - Throws: `malformed`, `unsupported`.
  mutating func whole() throws(CheckpointError) -> PatternNode {
    let node = try alternatives()
    guard place == scalars.count else { throw malformed("a ')' without its '('") }
    return node
  }

  private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

  private mutating func take(_ literal: String) -> Bool {
    let wanted = Array(literal.unicodeScalars)
    guard scalars[place...].starts(with: wanted) else { return false }
    place += wanted.count
    return true
  }

  private func malformed(_ message: String) -> CheckpointError {
    CheckpointError(
      .malformed, "\(message) in a regular expression", found: text,
      hint: "use the model's own config.json")
  }

  private func unsupported(_ what: String) -> CheckpointError {
    CheckpointError(
      .unsupported, "\(what) in a regular expression can't be understood here", found: text,
      hint: "name the modules in config.json, each by its full name")
  }

  private mutating func alternatives() throws(CheckpointError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= deepest else { throw unsupported("more than \(deepest) groups in each other") }
    var nodes = [try sequence()]
    while take("|") { nodes.append(try sequence()) }
    return nodes.count == 1 ? nodes[0] : .alternatives(nodes)
  }

  private mutating func sequence() throws(CheckpointError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      nodes.append(try repeated(atom()))
    }
    return .sequence(nodes)
  }

  private mutating func repeated(_ node: PatternNode) throws(CheckpointError) -> PatternNode {
    guard let (least, most) = try quantifier() else { return node }
    switch node {
    case .atStart, .atEnd, .boundary: throw unsupported("a repeated anchor")
    default: break
    }
    // Whether it takes much or little first makes no difference to whether there is a match.
    if !take("?"), take("+") { throw unsupported("a repetition that gives nothing back") }
    if try quantifier() != nil { throw malformed("a repetition of a repetition") }
    return .repetition(node, least: least, most: most)
  }

  private mutating func quantifier() throws(CheckpointError) -> (Int, Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    let start = place
    guard take("{") else { return nil }
    let least = number()
    let isRange = take(",")
    let most = isRange ? number() : least
    guard isRange || least != nil, take("}") else {
      // A brace that counts nothing is one.
      place = start
      return nil
    }
    if let most, most < least ?? 0 { throw malformed("fewer repetitions at most than at least") }
    return (least ?? 0, most)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let scalar = next, ("0"..."9").contains(scalar) {
      // Far more than a program may have steps.
      value = min((value ?? 0) * 10 + Int(scalar.value - 48), 1 << 30)
      place += 1
    }
    return value
  }

  private mutating func atom() throws(CheckpointError) -> PatternNode {
    guard let scalar = next else { throw malformed("nothing to repeat") }
    place += 1
    switch scalar {
    case "(": return try group()
    case "[": return .one(try characterClass())
    case ".": return .one(Characters(ranges: ["\n"..."\n"], isNegated: true))
    case "^": return .atStart
    case "$": return .atEnd(beforeNewline: true)
    case "*", "+", "?": throw malformed("nothing to repeat")
    case "\\": return try escaped()
    default: return .one(.only(scalar))
    }
  }

  private mutating func group() throws(CheckpointError) -> PatternNode {
    var wanted: Bool?
    if take("?=") {
      wanted = true
    } else if take("?!") {
      wanted = false
    } else if take("?P<") {
      while let scalar = next, scalar != ">", Characters.isOfWord(scalar) { place += 1 }
      guard take(">") else { throw malformed("a group without a name") }
    } else if !take("?:"), next == "?" {
      throw unsupported("a group of this kind")
    }
    let node = try alternatives()
    guard take(")") else { throw malformed("a '(' without its ')'") }
    return wanted.map { .ahead(node, $0) } ?? node
  }

  private mutating func escaped() throws(CheckpointError) -> PatternNode {
    if take("A") { return .atStart }
    if take("Z") { return .atEnd(beforeNewline: false) }
    if take("b") { return .boundary(true) }
    if take("B") { return .boundary(false) }
    return .one(try escapedCharacters())
  }

  /// What follows a backslash, in a class as well.
  private mutating func escapedCharacters() throws(CheckpointError) -> Characters {
    guard let scalar = next else { throw malformed("a backslash at the end") }
    place += 1
    switch scalar {
    case "d": return Characters(classes: [(.digit, false)])
    case "D": return Characters(classes: [(.digit, true)])
    case "w": return Characters(classes: [(.word, false)])
    case "W": return Characters(classes: [(.word, true)])
    case "s": return Characters(classes: [(.space, false)])
    case "S": return Characters(classes: [(.space, true)])
    case "n": return .only("\n")
    case "t": return .only("\t")
    case "r": return .only("\r")
    case "0"..."9", "a"..."z", "A"..."Z":
      throw unsupported("'\\\(scalar)'")
    default: return .only(scalar)
    }
  }

  private mutating func characterClass() throws(CheckpointError) -> Characters {
    var result = Characters()
    result.isNegated = take("^")
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      place += 1
      let low = scalar == "\\" ? try escapedCharacters() : .only(scalar)
      guard let from = low.ranges.first?.lowerBound, place + 1 < scalars.count,
        scalars[place] == "-", scalars[place + 1] != "]"
      else {
        result.ranges += low.ranges
        result.classes += low.classes
        continue
      }
      let end = scalars[place + 1]
      place += 2
      let high = end == "\\" ? try escapedCharacters() : .only(end)
      guard let to = high.ranges.first?.lowerBound, from <= to else {
        throw malformed("a range of characters that ends before it begins")
      }
      result.ranges.append(from...to)
    }
    guard take("]") else { throw malformed("a '[' without its ']'") }
    return result
  }
}
