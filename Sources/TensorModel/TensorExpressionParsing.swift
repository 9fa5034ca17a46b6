extension TensorExpression {
  /// Reads the printed form.
  ///
  /// - Parameters:
  ///   - text: such as `cast(transpose(wte.weight), F16)`.
  ///   - sources: the stored tensors that it names, which may have any name.
  /// - Throws: `malformed` for anything that isn't an expression over these; `unsupported` for weights quantized with an importance matrix, whose values the
  ///   form doesn't have.
  public init(parsing text: String, sources: [String]) throws(CheckpointError) {
    var parser = ExpressionParser(text, sources)
    self = try parser.expression(depth: 0)
    guard parser.isAtEnd else { throw parser.malformed }
    guard self.sources.map({ ExactName($0) }) == sources.map({ ExactName($0) }) else {
      throw CheckpointError(
        .malformed, "the expression is of other tensors than it says", expected: "\(sources)",
        found: "\(self.sources)")
    }
  }
}

/// Reads expressions from left to right.
private struct ExpressionParser {
  private let bytes: [UInt8]
  private let names: [[UInt8]]
  private var position = 0

  /// Deeper than any that is written.
  private static let maximumDepth = 16

  init(_ text: String, _ sources: [String]) {
    bytes = Array(text.utf8)
    // Of names that begin alike the longest counts.
    names = sources.map { Array($0.utf8) }.sorted { $0.count > $1.count }
  }

  var isAtEnd: Bool { position == bytes.count }

  var malformed: CheckpointError {
    CheckpointError(
      .malformed, "not an expression",
      expected: "an expression, such as cast(transpose(name), F16)",
      found: String(decoding: bytes.dropFirst(position).prefix(60), as: UTF8.self))
  }

  private mutating func take(_ text: String) -> Bool {
    guard bytes[position...].starts(with: text.utf8) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func need(_ text: String) throws(CheckpointError) {
    guard take(text) else { throw malformed }
  }

  private mutating func number() throws(CheckpointError) -> Int {
    let digits = bytes[position...].prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else { throw malformed }
    position = digits.endIndex
    return value
  }

  private mutating func dtype() throws(CheckpointError) -> DType {
    let word = bytes[position...].prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ")") }
    guard let dtype = DType(rawValue: String(decoding: word, as: UTF8.self)) else {
      throw malformed
    }
    position = word.endIndex
    return dtype
  }

  mutating func expression(depth: Int) throws(CheckpointError) -> TensorExpression {
    guard depth < Self.maximumDepth else { throw malformed }
    // A tensor may have a name that reads like an expression.
    if let name = name() { return .stored(name) }
    guard let call = try call(depth: depth + 1) else { throw malformed }
    try need(")")
    return call
  }

  private mutating func call(depth: Int) throws(CheckpointError) -> TensorExpression? {
    if take("concatenate(axis ") {
      let axis = try number()
      try need(", ")
      return .concatenate(try list(depth), axis: axis)
    }
    if take("transpose(") { return .transpose(try expression(depth: depth)) }
    if take("reshape(") {
      let operand = try expression(depth: depth)
      try need(", ")
      return .reshape(operand, try shape())
    }
    for blocks in BlockParts.all where take("\(BlockParts.operation(blocks.dtype))(") {
      return .blocks(try list(depth), blocks.dtype)
    }
    for part in PackedFormat.Part.allCases where take("\(part.rawValue)(") {
      return try self.part(part, of: expression(depth: depth))
    }
    if take("pack(") {
      let operand = try expression(depth: depth)
      try need(", ")
      let format = try format()
      return .pack(operand, format, QuantizationMethod(try quality()))
    }
    if take("view(") {
      let operand = try expression(depth: depth)
      try need(", ")
      let type = try dtype()
      try need(", ")
      return .view(operand, TensorType(type, try shape()))
    }
    if take("squeeze(") { return .squeeze(try expression(depth: depth)) }
    if take("sum(") { return .sum(try list(depth)) }
    if take("mean(") { return .mean(try list(depth)) }
    if take("addRow(") {
      let matrix = try expression(depth: depth)
      try need(", ")
      return .addRow(matrix, row: try expression(depth: depth))
    }
    if take("slice(") {
      let operand = try expression(depth: depth)
      try need(", axis ")
      let axis = try number()
      try need(", ")
      let start = try number()
      try need("..<")
      let end = try number()
      guard start <= end else { throw malformed }
      return .slice(operand, axis: axis, range: start..<end)
    }
    if take("permuteRows(") {
      let operand = try expression(depth: depth)
      try need(", ")
      return .permuteRows(operand, try permutation())
    }
    if take("cast(") {
      let operand = try expression(depth: depth)
      try need(", ")
      return .cast(operand, try dtype())
    }
    if let packed = try packed(depth) { return packed }
    if take("quantize(") {
      let operand = try expression(depth: depth)
      try need(", ")
      let dtype = try dtype()
      return .quantize(operand, dtype, QuantizationMethod(try quality()))
    }
    return take("fill(") ? try fill() : nil
  }

  /// What values of packed codes are made of.
  private mutating func packed(_ depth: Int) throws(CheckpointError) -> TensorExpression? {
    if take("encode(") {
      let operand = try expression(depth: depth)
      guard case .unsigned(let bits) = try code() else { throw malformed }
      return .encode(operand, bits: bits, try dtype())
    }
    if take("decode(") {
      let operand = try expression(depth: depth)
      let code = try code()
      let shape = try shape()
      try need(", axis ")
      return .decode(operand, code, shape, axis: try number())
    }
    if take("spread(") {
      let operand = try expression(depth: depth)
      try need(", ")
      let shape = try shape()
      try need(", ")
      let rows = try number()
      try need(" × ")
      return .spread(operand, shape, block: [rows, try number()])
    }
    if take("gather(") {
      let (operand, rows) = try pair(depth)
      return .gather(operand, rows: rows)
    }
    if take("lookUp(") {
      let (table, places) = try pair(depth)
      return .lookUp(table, places: places)
    }
    for operation in TensorExpression.Operator.allCases where take("\(operation.rawValue)(") {
      let (left, right) = try pair(depth)
      return .combine(operation, left, right)
    }
    return nil
  }

  /// What codes stand for, between commas.
  private mutating func code() throws(CheckpointError) -> PackedCode {
    try need(", ")
    let word = bytes[position...].prefix { $0 != UInt8(ascii: ",") }
    guard let code = PackedCode(String(decoding: word, as: UTF8.self)) else { throw malformed }
    position = word.endIndex
    try need(", ")
    return code
  }

  private mutating func pair(
    _ depth: Int
  ) throws(CheckpointError) -> (TensorExpression, TensorExpression) {
    let first = try expression(depth: depth)
    try need(", ")
    return (first, try expression(depth: depth))
  }

  /// A part of a matrix in several, or of blocks that hold theirs.
  private func part(
    _ part: PackedFormat.Part, of operand: TensorExpression
  ) throws(CheckpointError) -> TensorExpression {
    if case .pack = operand { return .part(operand, part) }
    switch part {
    case .codes: return .codes(operand)
    case .scales: return .scales(operand)
    case .biases: return .biases(operand)
    case .shape, .tensorScale: throw malformed
    }
  }

  /// What follows a format where weights are quantized in another way than its own.
  private mutating func quality() throws(CheckpointError) -> QuantizationQuality {
    let quality =
      QuantizationQuality.allCases.first { $0 != .plain && take(", \($0.rawValue)") } ?? .plain
    guard !take(", importance ") else {
      throw CheckpointError(
        .unsupported, "made with an importance matrix, whose values aren't here")
    }
    guard !take(", moments ") else {
      throw CheckpointError(.unsupported, "made with second moments, which aren't here")
    }
    return quality
  }

  private mutating func format() throws(CheckpointError) -> PackedFormat {
    let word = bytes[position...].prefix { $0 != UInt8(ascii: ")") && $0 != UInt8(ascii: ",") }
    guard let format = PackedFormat(named: String(decoding: word, as: UTF8.self)) else {
      throw malformed
    }
    position = word.endIndex
    return format
  }

  private mutating func fill() throws(CheckpointError) -> TensorExpression {
    let text = bytes[position...].prefix { $0 != UInt8(ascii: ",") }
    guard let value = Double(String(decoding: text, as: UTF8.self)) else { throw malformed }
    position = text.endIndex
    try need(", ")
    let type = try dtype()
    try need(", ")
    return .fill(FillValue(value), TensorType(type, try shape()))
  }

  private mutating func shape() throws(CheckpointError) -> Shape {
    try need("[")
    var dimensions: [Int] = []
    while !take("]") {
      if !dimensions.isEmpty { try need(", ") }
      dimensions.append(try number())
    }
    return try Shape(checking: dimensions)
  }

  private mutating func permutation() throws(CheckpointError) -> RowPermutation {
    func rows(_ parser: inout ExpressionParser) throws(CheckpointError) -> (Int, Int) {
      let groups = try parser.number()
      try parser.need(" × ")
      let rows = try parser.number()
      try parser.need(" rows")
      return (groups, rows)
    }
    for (word, isInverse) in [("runs of ", false), ("groups of runs of ", true)]
    where take(word) {
      let (groups, count) = try rows(&self)
      try need(", ")
      let widths = try shape().dimensions
      try need(" wide")
      return RowPermutation(
        isInverse ? .groupsOfRuns(widths: widths) : .runs(widths: widths), groupCount: groups,
        groupRowCount: count)
    }
    for (word, unit) in [
      ("halves of ", "rotated"), ("pairs of ", "rotated"), ("groups of ", "parts"),
    ]
    where take(word) {
      let (groups, count) = try rows(&self)
      try need(", ")
      let number = try number()
      try need(" \(unit)")
      let order: RowPermutation.Order =
        switch word {
        case "halves of ": .halves(rotated: number)
        case "pairs of ": .interleaved(rotated: number)
        default: .groups(parts: number)
        }
      return RowPermutation(order, groupCount: groups, groupRowCount: count)
    }
    let parts = try number()
    try need(" parts of ")
    let (groups, count) = try rows(&self)
    return RowPermutation(.parts(count: parts), groupCount: groups, groupRowCount: count)
  }

  // MARK: Names

  /// Whether what comes next ends an operand.
  private func isEnd(_ place: Int) -> Bool {
    place == bytes.count || bytes[place] == UInt8(ascii: ",") || bytes[place] == UInt8(ascii: ")")
  }

  private mutating func name() -> String? {
    let found = names.first {
      bytes[position...].starts(with: $0) && isEnd(position + $0.count)
    }
    guard let found else { return nil }
    position += found.count
    return String(decoding: found, as: UTF8.self)
  }

  private mutating func list(_ depth: Int) throws(CheckpointError) -> [TensorExpression] {
    if let numbered = try numberedNames() { return numbered }
    var operands = [try expression(depth: depth)]
    while take(", ") { operands.append(try expression(depth: depth)) }
    return operands
  }

  /// `shard_{0…7}/x`, names that are numbered from 0.
  private mutating func numberedNames() throws(CheckpointError) -> [TensorExpression]? {
    let mark = Array("{0…".utf8)
    for name in names {
      for digit in name.indices where name[digit] == UInt8(ascii: "0") {
        let head = name[..<digit] + mark
        guard bytes[position...].starts(with: head) else { continue }
        let start = position
        position += head.count
        let last = try number()
        let tail = Array(name[(digit + 1)...])
        guard take("}"), bytes[position...].starts(with: tail), isEnd(position + tail.count),
          last < names.count
        else {
          position = start
          continue
        }
        position += tail.count
        return (0...last).map { number in
          .stored(
            String(decoding: name[..<digit] + Array("\(number)".utf8) + tail, as: UTF8.self))
        }
      }
    }
    return nil
  }
}
