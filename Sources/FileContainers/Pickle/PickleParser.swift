public import TensorModel

/// Reads one pickle: a stack machine that builds values and does nothing else.
///
/// Costs memory in proportion to the pickle's bytes, and never more than the budget.
public struct PickleParser<Interpreter: PickleInterpreter> {
  private let bytes: ArraySlice<UInt8>
  private var position: Int
  private var stack: [PickleValue] = []
  /// How many values the stack has had at once, for which there is room.
  private var highestStack = 0
  private var marks: [Int] = []
  private var memo: [PickleValue?] = []
  private var memoCount = 0
  private var heap: PickleHeap
  private var interpreter: Interpreter

  /// A pickle that was read.
  public struct Result {
    /// What it is of.
    public let value: PickleValue
    /// Where its containers are.
    public let heap: PickleHeap
    /// What has been made by the interpreter.
    public let interpreter: Interpreter
    /// Bytes from the first opcode to STOP.
    public let byteCount: Int
  }

  /// The newest protocol that is read.
  private static var newestProtocol: UInt8 { 5 }

  /// Reads a pickle at the beginning of some bytes.
  ///
  /// - Parameters:
  ///   - bytes: at most 4 GiB of them.
  ///   - interpreter: knows the names that may occur.
  ///   - memory: the most bytes that objects may take.
  /// - Returns: the value and what it refers to.
  /// - Throws: `malformed` with the byte's place in `bytes`, and what the interpreter throws; `missing` if they end before STOP.
  public static func parse(
    _ bytes: ArraySlice<UInt8>, _ interpreter: Interpreter, memory: Int
  ) throws(CheckpointError) -> Result {
    var parser = PickleParser(bytes, interpreter, memory)
    let start = bytes.startIndex
    var opcodeOffset = 0
    do throws(CheckpointError) {
      while true {
        opcodeOffset = parser.position - start
        let byte = try parser.byte()
        guard let opcode = PickleOpcode(rawValue: byte) else {
          throw CheckpointError(
            .malformed, "a pickle opcode that files of tensors don't use",
            found: PickleOpcode.name(of: byte))
        }
        if opcode == .stop { break }
        try parser.run(opcode)
      }
      let value = try parser.pop()
      guard parser.stack.isEmpty, parser.marks.isEmpty else {
        throw CheckpointError(.malformed, "values are left over at the end of the pickle")
      }
      return Result(
        value: value, heap: parser.heap, interpreter: parser.interpreter,
        byteCount: parser.position - start)
    } catch {
      var placed = error
      placed.byteOffset = placed.byteOffset ?? opcodeOffset
      throw placed
    }
  }

  private init(_ bytes: ArraySlice<UInt8>, _ interpreter: Interpreter, _ memory: Int) {
    self.bytes = bytes.prefix(Int(UInt32.max))
    self.interpreter = interpreter
    position = bytes.startIndex
    heap = PickleHeap(self.bytes, budget: memory)
  }

  private mutating func run(_ opcode: PickleOpcode) throws(CheckpointError) {
    switch opcode {
    case .proto, .frame, .stop, .mark: try control(opcode)
    case .none: try push(.none)
    case .newTrue: try push(.bool(true))
    case .newFalse: try push(.bool(false))
    case .binInt: try push(.integer(Int(Int32(truncatingIfNeeded: try integer(4)))))
    case .binInt1: try push(.integer(try integer(1)))
    case .binInt2: try push(.integer(try integer(2)))
    case .long1: try push(try long(integer(1)))
    case .binFloat: try push(.double(Double(bitPattern: UInt64(bigEndian: bits(try integer(8))))))
    case .binUnicode: try push(.string(try run(integer(4))))
    case .shortBinUnicode: try push(.string(try run(integer(1))))
    case .binString: try push(.string(try run(Int(Int32(truncatingIfNeeded: integer(4))))))
    case .shortBinString: try push(.string(try run(integer(1))))
    case .binBytes: try push(.bytes(try run(integer(4))))
    case .shortBinBytes: try push(.bytes(try run(integer(1))))
    case .emptyTuple, .tuple, .tuple1, .tuple2, .tuple3: try tuple(opcode)
    case .emptyList, .emptySet: try push(try heap.makeList())
    case .frozenSet: try push(try heap.makeList(sinceMark()))
    case .append: try append(last(1))
    case .appends, .addItems: try append(sinceMark())
    case .emptyDict: try push(try heap.makeDictionary())
    case .setItem: try setItems(last(2))
    case .setItems: try setItems(sinceMark())
    case .binPut: try remember(at: integer(1))
    case .longBinPut: try remember(at: integer(4))
    case .memoize: try remember(at: memoCount)
    case .binGet: try push(try recalled(integer(1)))
    case .longBinGet: try push(try recalled(integer(4)))
    case .global, .stackGlobal: try global(opcode)
    case .reduce:
      let arguments = try last(2)
      try push(
        try interpreter.call(
          arguments[arguments.startIndex], arguments[arguments.startIndex + 1], &heap))
    case .newObject:
      let arguments = try last(2)
      try push(
        try interpreter.make(
          arguments[arguments.startIndex], arguments[arguments.startIndex + 1], &heap))
    case .build:
      let state = try pop()
      try interpreter.build(try top(), state: state, &heap)
    case .binPersistentID: try push(try interpreter.persistent(try pop(), &heap))
    }
  }

  private mutating func control(_ opcode: PickleOpcode) throws(CheckpointError) {
    switch opcode {
    case .proto:
      let version = try byte()
      guard version <= Self.newestProtocol else {
        throw CheckpointError(
          .unsupported, "a pickle of a newer protocol", expected: "at most \(Self.newestProtocol)",
          found: "\(version)")
      }
    case .frame: _ = try integer(8)
    case .mark:
      try heap.charge(MemoryLayout<Int>.stride)
      marks.append(stack.count)
    default: break
    }
  }

  private mutating func tuple(_ opcode: PickleOpcode) throws(CheckpointError) {
    let values: ArraySlice<PickleValue> =
      switch opcode {
      case .tuple: try sinceMark()
      case .tuple1: try last(1)
      case .tuple2: try last(2)
      case .tuple3: try last(3)
      default: []
      }
    try push(try heap.makeTuple(values))
  }

  private mutating func append(_ values: ArraySlice<PickleValue>) throws(CheckpointError) {
    guard case .list(let list) = try top() else {
      throw CheckpointError(.malformed, "a pickle appends to something that is no list")
    }
    try heap.append(values, to: list)
  }

  private mutating func setItems(_ values: ArraySlice<PickleValue>) throws(CheckpointError) {
    guard case .dictionary(let dictionary) = try top(), values.count.isMultiple(of: 2) else {
      throw CheckpointError(.malformed, "a pickle sets items of something that is no dict")
    }
    var place = values.startIndex
    while place < values.endIndex {
      try heap.set(values[place], values[place + 1], in: dictionary)
      place += 2
    }
  }

  private mutating func global(_ opcode: PickleOpcode) throws(CheckpointError) {
    let module: String?
    let name: String?
    if opcode == .global {
      (module, name) = (try line(), try line())
    } else {
      let names = try last(2)
      (module, name) = (heap.text(names[names.startIndex]), heap.text(names[names.startIndex + 1]))
    }
    guard let module, let name else {
      throw CheckpointError(.malformed, "a pickle names a global by something that is no text")
    }
    try push(try interpreter.global(module: module, name: name, &heap))
  }

  // MARK: The stack and the memo

  private mutating func push(_ value: PickleValue) throws(CheckpointError) {
    if stack.count == highestStack {
      try heap.charge(PickleHeap.valueByteCount)
      highestStack += 1
    }
    stack.append(value)
  }

  private var floor: Int { marks.last ?? 0 }

  private mutating func pop() throws(CheckpointError) -> PickleValue {
    let values = try last(1)
    return values[values.startIndex]
  }

  private func top() throws(CheckpointError) -> PickleValue {
    guard stack.count > floor, let value = stack.last else { throw underflow }
    return value
  }

  /// Takes values from the stack.
  private mutating func last(_ count: Int) throws(CheckpointError) -> ArraySlice<PickleValue> {
    guard stack.count - floor >= count else { throw underflow }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    return values[...]
  }

  private mutating func sinceMark() throws(CheckpointError) -> ArraySlice<PickleValue> {
    guard let mark = marks.popLast() else {
      throw CheckpointError(.malformed, "a pickle refers to a mark that isn't there")
    }
    let values = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return values[...]
  }

  private var underflow: CheckpointError {
    CheckpointError(.malformed, "a pickle takes a value from its stack where none is")
  }

  private mutating func remember(at place: Int) throws(CheckpointError) {
    let value = try top()
    // A memo has at most an entry for each opcode.
    guard place < bytes.count else {
      throw CheckpointError(
        .malformed, "a pickle's memo has a hole", expected: "below \(bytes.count)",
        found: "\(place)")
    }
    if place >= memo.count {
      try heap.charge((place + 1 - memo.count) * MemoryLayout<PickleValue?>.stride)
      memo += Array(repeating: nil, count: place + 1 - memo.count)
    }
    if memo[place] == nil { memoCount += 1 }
    memo[place] = value
  }

  private func recalled(_ place: Int) throws(CheckpointError) -> PickleValue {
    guard place < memo.count, let value = memo[place] else {
      throw CheckpointError(
        .malformed, "a pickle recalls what it hasn't remembered", found: "memo \(place)")
    }
    return value
  }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count >= 0 else {
      throw CheckpointError(.malformed, "a negative length in a pickle", found: "\(count)")
    }
    guard count <= bytes.endIndex - position else {
      throw CheckpointError(
        .missing, "the pickle ends early", expected: "\(count) bytes",
        found: "\(bytes.endIndex - position)")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func byte() throws(CheckpointError) -> UInt8 {
    guard position < bytes.endIndex else {
      throw CheckpointError(.missing, "the pickle ends early", expected: "STOP")
    }
    defer { position += 1 }
    return bytes[position]
  }

  /// A little-endian integer without sign; of 8 bytes, with the bits of one.
  private mutating func integer(_ count: Int) throws(CheckpointError) -> Int {
    let run = try take(count)
    return Int(truncatingIfNeeded: run.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }

  private func bits(_ value: Int) -> UInt64 { UInt64(bitPattern: Int64(value)) }

  private mutating func run(_ count: Int) throws(CheckpointError) -> PickleBytes {
    let run = try take(count)
    return PickleBytes(
      offset: UInt32(run.startIndex - bytes.startIndex), count: UInt32(run.count))
  }

  /// A little-endian integer in two's complement.
  private mutating func long(_ count: Int) throws(CheckpointError) -> PickleValue {
    guard count <= 8 else { return .bytes(try run(count)) }
    let run = try take(count)
    let isNegative = run.last.map { $0 & 0x80 != 0 } ?? false
    return .integer(
      run.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) })
  }

  /// The longest name of a module or its attribute.
  private static var maximumNameByteCount: Int { 1 << 10 }

  private mutating func line() throws(CheckpointError) -> String? {
    let rest = bytes[position...].prefix(Self.maximumNameByteCount)
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
      guard rest.count < Self.maximumNameByteCount else {
        throw CheckpointError(.malformed, "a global's name without an end")
      }
      throw CheckpointError(.missing, "the pickle ends early", expected: "a global's name")
    }
    defer { position = end + 1 }
    return String(validating: bytes[position..<end], as: UTF8.self)
  }
}
