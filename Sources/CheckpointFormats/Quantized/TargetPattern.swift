import TensorModel

// Regular expressions of configurations (https://docs.python.org/3/library/re.html), without what nobody needs to name modules by: references to
// groups, looking back, flags. All that counts is whether there is a match, so every state is tried once at every place of a name: a pattern can't take
// longer than its length times the name's.

/// A regular expression of Python's for names from their beginning (`re.match`).
struct TargetPattern: Sendable {
  private static let longest = 1000
  private static let longestProgram = 4000
  private static let deepest = 20

  /// What is done at a state, by number.
  private enum Step: Sendable {
    case one(Characters)
    case either(Int, Int)
    case atStart
    case atEnd(beforeNewline: Bool)
    case boundary(Bool)
    /// The states from the next on, up to their own `found`, must lead there, or must not; then it goes on at a number.
    case ahead(Bool, then: Int)
    case found

    /// The one character that leads on; nil for all other steps.
    var single: Unicode.Scalar? {
      if case .one(let characters) = self { characters.single } else { nil }
    }
  }

  private var steps: [Step] = []
  /// What every match begins with: most patterns of a long list differ from a name soon.
  private var beginning: [Unicode.Scalar] = []

  /// - Parameter text: the expression.
  /// - Throws: `malformed` if it isn't one; `unsupported` for what isn't understood here.
  init(_ text: String) throws(CheckpointError) {
    guard text.unicodeScalars.count <= Self.longest else {
      throw CheckpointError(
        .unsupported, "a longer regular expression than is understood here",
        expected: "at most \(Self.longest) characters", found: "\(text.unicodeScalars.count)")
    }
    var parser = PatternParser(text, deepest: Self.deepest)
    let tree = try parser.whole()
    var effort = 0
    try emit(tree, &effort, text)
    steps.append(.found)
    for step in steps {
      guard let scalar = step.single else { break }
      beginning.append(scalar)
    }
  }

  // MARK: Matching

  /// Whether a name begins with a match.
  ///
  /// - Parameters:
  ///   - name: the name.
  ///   - effort: what may still be spent, in states; what is, is taken off. The answer doesn't count once it is used up.
  /// - Returns: whether there is one.
  func matches(_ name: [Unicode.Scalar], effort: inout Int) -> Bool {
    effort -= 1
    return name.starts(with: beginning) && reaches(0, 0, name, &effort)
  }

  private func reaches(
    _ first: Int, _ start: Int, _ name: [Unicode.Scalar], _ effort: inout Int
  ) -> Bool {
    let width = name.count + 1
    var tried = [UInt64](repeating: 0, count: (steps.count * width + 63) / 64)
    effort -= tried.count
    var waiting = [(first, start)]
    while let (state, place) = waiting.popLast(), effort > 0 {
      let mark = state * width + place
      guard tried[mark / 64] & 1 << (mark % 64) == 0 else { continue }
      tried[mark / 64] |= 1 << (mark % 64)
      effort -= 1
      switch steps[state] {
      case .found: return true
      case .one(let characters):
        if place < name.count, characters.contains(name[place]) {
          waiting.append((state + 1, place + 1))
        }
      case .either(let one, let other):
        waiting.append((other, place))
        waiting.append((one, place))
      case .atStart: if place == 0 { waiting.append((state + 1, place)) }
      case .atEnd(let beforeNewline):
        if place == name.count || beforeNewline && place + 1 == name.count && name[place] == "\n" {
          waiting.append((state + 1, place))
        }
      case .boundary(let wanted):
        let before = place > 0 && Characters.isOfWord(name[place - 1])
        let after = place < name.count && Characters.isOfWord(name[place])
        if (before != after) == wanted { waiting.append((state + 1, place)) }
      case .ahead(let wanted, let next):
        if reaches(state + 1, place, name, &effort) == wanted { waiting.append((next, place)) }
      }
    }
    return false
  }

  // MARK: Writing the steps

  private mutating func emit(
    _ node: PatternNode, _ effort: inout Int, _ text: String
  ) throws(CheckpointError) {
    // Nodes count as well as steps: repetitions of nothing make none.
    effort += 1
    guard effort <= Self.longestProgram else {
      throw CheckpointError(
        .unsupported, "a regular expression with more repetitions than are understood here",
        found: text)
    }
    switch node {
    case .one(let characters): steps.append(.one(characters))
    case .atStart: steps.append(.atStart)
    case .atEnd(let beforeNewline): steps.append(.atEnd(beforeNewline: beforeNewline))
    case .boundary(let wanted): steps.append(.boundary(wanted))
    case .sequence(let nodes): for node in nodes { try emit(node, &effort, text) }
    case .alternatives(let nodes):
      var ends: [Int] = []
      for (number, node) in nodes.enumerated() {
        let choice = steps.count
        if number < nodes.count - 1 { steps.append(.either(choice + 1, 0)) }
        try emit(node, &effort, text)
        if number < nodes.count - 1 {
          ends.append(steps.count)
          steps.append(.either(0, 0))
          steps[choice] = .either(choice + 1, steps.count)
        }
      }
      for end in ends { steps[end] = .either(steps.count, steps.count) }
    case .repetition(let node, let least, let most):
      for _ in 0..<least { try emit(node, &effort, text) }
      guard let most else {
        let choice = steps.count
        steps.append(.either(0, 0))
        try emit(node, &effort, text)
        steps.append(.either(choice, choice))
        steps[choice] = .either(choice + 1, steps.count)
        return
      }
      var choices: [Int] = []
      for _ in 0..<max(0, most - least) {
        choices.append(steps.count)
        steps.append(.either(0, 0))
        try emit(node, &effort, text)
      }
      for choice in choices { steps[choice] = .either(choice + 1, steps.count) }
    case .ahead(let node, let wanted):
      let start = steps.count
      steps.append(.found)
      try emit(node, &effort, text)
      steps.append(.found)
      steps[start] = .ahead(wanted, then: steps.count)
    }
  }
}
