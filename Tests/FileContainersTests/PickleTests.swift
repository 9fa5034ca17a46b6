import FileContainers
import TensorModel
import TestSupport
import Testing

/// Allows names of one module, and writes down what is done with them.
struct PickleRecorder: PickleInterpreter {
  var events: [String] = []

  private mutating func note(_ event: String) -> PickleValue {
    events.append(event)
    return .external(events.count - 1)
  }

  mutating func global(
    module: String, name: String, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard module == "known" else {
      throw CheckpointError(.unsupported, "not on the list", found: "\(module).\(name)")
    }
    return note("global \(name)")
  }

  mutating func call(
    _ callable: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    note("call \(described(callable, heap)) \(described(arguments, heap))")
  }

  mutating func make(
    _ type: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    note("make \(described(type, heap)) \(described(arguments, heap))")
  }

  mutating func build(
    _ object: PickleValue, state: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) {
    _ = note("build \(described(object, heap)) \(described(state, heap))")
  }

  mutating func persistent(
    _ identifier: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    note("persistent \(described(identifier, heap))")
  }
}

/// A value as Python would print it, down to some depth.
func described(_ value: PickleValue, _ heap: PickleHeap, depth: Int = 6) -> String {
  guard depth > 0 else { return "…" }
  func all(_ values: some Sequence<PickleValue>) -> String {
    values.map { described($0, heap, depth: depth - 1) }.joined(separator: ", ")
  }
  switch value {
  case .none: return "None"
  case .bool(let flag): return flag ? "True" : "False"
  case .integer(let number): return "\(number)"
  case .double(let number): return "\(number)"
  case .string: return heap.text(value).map { "'\($0)'" } ?? "'?'"
  case .bytes(let run): return "b\(Array(heap.raw(run)))"
  case .tuple: return "(\(all(heap.tuple(value) ?? [])))"
  case .list: return "[\(all(heap.list(value) ?? []))]"
  case .dictionary:
    let entries = (heap.dictionary(value) ?? []).map {
      "\(described($0.key, heap, depth: depth - 1)): \(described($0.value, heap, depth: depth - 1))"
    }
    return "{\(entries.joined(separator: ", "))}"
  case .external(let place): return "#\(place)"
  }
}

/// What pickles are of.
@Suite struct PickleTests {
  private func parse(
    _ bytes: [UInt8], memory: Int = 1 << 20
  ) throws(CheckpointError) -> PickleParser<PickleRecorder>.Result {
    try PickleParser.parse(bytes[...], PickleRecorder(), memory: memory)
  }

  private func value(_ bytes: [UInt8]) throws(CheckpointError) -> String {
    let result = try parse(bytes)
    return described(result.value, result.heap)
  }

  @Test(
    arguments: [
      ([0x4e], "None"), ([0x88], "True"), ([0x89], "False"),
      ([0x4a, 0xfe, 0xff, 0xff, 0xff], "-2"), ([0x4a, 0xff, 0xff, 0xff, 0x7f], "2147483647"),
      ([0x4b, 0xff], "255"), ([0x4d, 0x34, 0xff], "65332"),
      ([0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "1.5"),
      ([0x47, 0xff, 0xf0, 0, 0, 0, 0, 0, 0], "-inf"),
      ([0x58, 2, 0, 0, 0, 0xc3, 0x9f], "'ß'"), ([0x8c, 1, 0x61], "'a'"), ([0x8c, 0], "''"),
      ([0x54, 1, 0, 0, 0, 0x61], "'a'"), ([0x55, 2, 0x61, 0x62], "'ab'"),
      ([0x42, 1, 0, 0, 0, 0xff], "b[255]"), ([0x43, 2, 0, 0xff], "b[0, 255]"),
      ([0x29], "()"), ([0x4e, 0x85], "(None)"), ([0x4e, 0x88, 0x86], "(None, True)"),
      ([0x4e, 0x88, 0x89, 0x87], "(None, True, False)"), ([0x28, 0x74], "()"),
      ([0x28, 0x4e, 0x28, 0x88, 0x74, 0x74], "(None, (True))"),
      ([0x5d], "[]"), ([0x5d, 0x4e, 0x61], "[None]"), ([0x5d, 0x28, 0x65], "[]"),
      ([0x5d, 0x28, 0x4e, 0x88, 0x65], "[None, True]"),
      ([0x7d], "{}"), ([0x7d, 0x4b, 1, 0x4e, 0x73], "{1: None}"), ([0x7d, 0x28, 0x75], "{}"),
      ([0x7d, 0x28, 0x4b, 1, 0x4e, 0x4b, 2, 0x88, 0x75], "{1: None, 2: True}"),
      ([0x8f], "[]"), ([0x8f, 0x28, 0x4b, 7, 0x90], "[7]"),
      ([0x28, 0x4b, 7, 0x91], "[7]"), ([0x28, 0x91], "[]"),
      ([0x95, 1, 0, 0, 0, 0, 0, 0, 0, 0x4e], "None"), ([0x80, 4, 0x4e], "None"),
      ([0x4b, 7, 0x71, 3, 0x68, 3, 0x86], "(7, 7)"),
      ([0x4b, 7, 0x72, 1, 0, 0, 0, 0x6a, 1, 0, 0, 0, 0x86], "(7, 7)"),
      (
        [0x4b, 7, 0x94, 0x4b, 8, 0x94, 0x68, 0, 0x68, 1, 0x28, 0x74, 0x87, 0x86, 0x86],
        "(7, (8, (7, 8, ())))"
      ),
    ] as [([UInt8], String)])
  func readsEveryValue(_ body: [UInt8], _ expected: String) throws {
    #expect(try value(Pickle.file(body)) == expected)
    let longer = try parse(Pickle.file(body) + [1, 2, 3])
    #expect(longer.byteCount == body.count + 3)
  }

  @Test(
    arguments: [
      (Pickle.global("known", "a"), ["global a"]),
      (Pickle.text("known") + Pickle.text("a") + [0x93], ["global a"]),
      (
        Pickle.call(Pickle.global("known", "f"), Pickle.integer(1), Pickle.text("x")),
        ["global f", "call #0 (1, 'x')"]
      ),
      (Pickle.global("known", "C") + [0x29, 0x81], ["global C", "make #0 ()"]),
      (
        Pickle.global("known", "C") + [0x29, 0x81, 0x7d, 0x62],
        ["global C", "make #0 ()", "build #1 {}"]
      ),
      (Pickle.tuple(Pickle.text("storage")) + [0x51], ["persistent ('storage')"]),
    ] as [([UInt8], [String])])
  func asksTheInterpreterForEverythingElse(_ body: [UInt8], _ events: [String]) throws {
    #expect(try parse(Pickle.file(body)).interpreter.events == events)
  }

  @Test func whatTheInterpreterRefusesIsRefusedWhereItStands() {
    let body = Pickle.text("a") + Pickle.global("os", "system")
    let error = #expect(throws: CheckpointError.self) { try value(Pickle.file(body)) }
    #expect(error?.code == .unsupported && error?.found == "os.system")
    #expect(error?.byteOffset == 8)
  }

  // MARK: As Python writes them

  /// `pickle.dumps` of one object in protocols 2 to 4; older ones have neither bytes nor sets.
  static let written: [(version: Int, hexadecimal: String, end: String)] = [
    (
      2,
      "80027d71002858010000006171015d7102284b014afeffffff4d2c014a701101004a90eefeff8a060000000000018a0800000000000000808a08ffffffffffffff7f8a0b00000000000000000000014a7fffffff6558010000007471032958010000007571044e857105580100000076710688898671075801000000777108473ff80000000000005802000000c39f71094b0387710a580100000078710b284b014b024b034b0474710c580100000065710d5d710e580100000064710f7d71104b057d711158010000006e7112680b73752e",
      ""
    ),
    (
      3,
      "80037d71002858010000006171015d7102284b014afeffffff4d2c014a701101004a90eefeff8a060000000000018a0800000000000000808a08ffffffffffffff7f8a0b00000000000000000000014a7fffffff6558010000007471032958010000007571044e857105580100000076710688898671075801000000777108473ff80000000000005802000000c39f71094b0387710a580100000078710b284b014b024b034b0474710c580100000065710d5d710e580100000064710f7d71104b057d711158010000006e7112680b735801000000627113430200ff7114752e",
      ", 'b': b[0, 255]"
    ),
    (
      4,
      "800495b2000000000000007d94288c0161945d94284b014afeffffff4d2c014a701101004a90eefeff8a060000000000018a0800000000000000808a08ffffffffffffff7f8a0b00000000000000000000014a7fffffff658c017494298c0175944e85948c017694888986948c017794473ff80000000000008c02c39f944b0387948c017894284b014b024b034b0474948c0173948f94284b07908c0165945d948c0164947d944b057d948c016e94680b738c016294430200ff94752e",
      ", 'b': b[0, 255]"
    ),
  ]

  static func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = Array(hexadecimal)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(digits[$0..<$0 + 2]), radix: 16)
    }
  }

  @Test(arguments: 2...4) func readsWhatPythonWrites(version: Int) throws {
    let (_, hexadecimal, end) = Self.written[version - 2]
    let bytes = Self.bytes(hexadecimal)
    let result = try parse(bytes)
    #expect(result.byteCount == bytes.count)
    let isNew = version == 4
    // The memo's eleventh entry is another object in the newest protocol.
    #expect(
      described(result.value, result.heap)
        == "{'a': [1, -2, 300, 70000, -70000, 1099511627776, -9223372036854775808, 9223372036854775807, b[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], -129], 't': (), 'u': (None), 'v': (True, False), 'w': (1.5, 'ß', 3), 'x': (1, 2, 3, 4)\(isNew ? ", 's': [7]" : ""), 'e': [], 'd': {}, 5: {'n': 'x'}\(end)}"
    )
  }

  @Test(arguments: 2...4) func everyCutIsAnEarlyEnd(version: Int) {
    let bytes = Self.bytes(Self.written[version - 2].hexadecimal)
    for end in bytes.indices {
      let error = #expect(throws: CheckpointError.self) { try value(Array(bytes[..<end])) }
      #expect(error?.code == .missing, "\(end)")
      #expect(error?.byteOffset ?? .max <= end)
    }
  }

  @Test(arguments: 2...4) func changedBytesNeverCrash(version: Int) {
    let bytes = Self.bytes(Self.written[version - 2].hexadecimal) + Pickle.global("known", "x")
    for place in bytes.indices {
      for other: UInt8 in [0, 1, 0x28, 0x2e, 0x52, 0x62, 0x65, 0x71, 0x74, 0x75, 0x7f, 0x81, 0xff] {
        var changed = bytes
        changed[place] = other
        _ = try? value(changed)
      }
    }
  }

  // MARK: Integers and texts

  @Test(
    arguments: [
      ([], "0"), ([0x00], "0"), ([0xff], "-1"), ([0x80], "-128"), ([0x7f], "127"),
      ([0xff, 0x00], "255"), ([0x00, 0x80], "-32768"), ([0, 0, 0x80], "-8388608"),
      ([0xff, 0xff, 0xff, 0xff, 0x00], "4294967295"), ([0, 0, 0, 0, 0xff], "-4294967296"),
      ([1, 0, 0, 0, 0, 0x80], "-140737488355327"), ([0, 0, 0, 0, 0, 0, 1], "281474976710656"),
      ([0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808"),
      ([255, 255, 255, 255, 255, 255, 255, 127], "9223372036854775807"),
      ([255, 255, 255, 255, 255, 255, 255, 255], "-1"),
      ([0, 0, 0, 0, 0, 0, 0, 0x80, 0], "b[0, 0, 0, 0, 0, 0, 0, 128, 0]"),
      ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "b[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]"),
    ] as [([UInt8], String)])
  func longIntegersHaveSigns(_ bytes: [UInt8], _ expected: String) throws {
    #expect(try value(Pickle.file([0x8a, UInt8(bytes.count)] + bytes)) == expected)
  }

  @Test func textsThatAreNoUTF8AreNoTexts() throws {
    #expect(try value(Pickle.file(Pickle.string([0xff, 0xfe]))) == "'?'")
    #expect(try value(Pickle.file(Pickle.string([0xed, 0xa0, 0x80]))) == "'?'")
    let globals = [
      [0x63] + [0xff] + Array("\nname\n".utf8),
      Pickle.string([0xff]) + Pickle.text("name") + [0x93],
      Pickle.integer(1) + Pickle.text("name") + [0x93],
    ]
    for global in globals {
      let error = #expect(throws: CheckpointError.self) { try value(Pickle.file(global)) }
      #expect(error?.code == .malformed)
    }
  }
}
