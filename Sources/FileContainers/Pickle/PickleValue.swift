public import TensorModel

/// A value of a pickle: itself, or its place in the heap.
public enum PickleValue: Hashable, Sendable {
  /// `None`.
  case none
  /// `True` or `False`.
  case bool(Bool)
  /// An integer of at most 64 bits.
  case integer(Int)
  /// A floating-point number.
  case double(Double)
  /// A text, or a string of Python 2: a run of the pickle's bytes.
  case string(PickleBytes)
  /// Bytes, or an integer of more than 64 bits: a run of the pickle's bytes.
  case bytes(PickleBytes)
  /// A tuple in the heap.
  case tuple(Int)
  /// A list or a set in the heap.
  case list(Int)
  /// A dictionary in the heap.
  case dictionary(Int)
  /// Something that the interpreter has made.
  case external(Int)
}

/// A run of a pickle's bytes.
public struct PickleBytes: Hashable, Sendable {
  let offset: UInt32
  let count: UInt32
}

/// Where the containers of a pickle are: values refer to each other by place, so that nothing recurses, however deep or circular they are.
public struct PickleHeap: Sendable {
  private let bytes: ArraySlice<UInt8>
  private var elements: [PickleValue] = []
  private var tuples: [Tuple] = []
  private var lists: [[PickleValue]] = []
  private var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private var budget: PickleBudget

  /// Where a tuple's elements are.
  ///
  /// There are no more elements than the pickle has bytes, which are less than 4 GiB.
  private struct Tuple {
    let start: UInt32
    let count: UInt32
  }

  init(_ bytes: ArraySlice<UInt8>, budget: Int) {
    self.bytes = bytes
    self.budget = PickleBudget(budget)
  }

  /// A heap of nothing, in the place of one that is no longer needed.
  public static var empty: PickleHeap { PickleHeap([], budget: 0) }

  /// Counts memory before it is used.
  ///
  /// - Throws: `malformed` if a pickle of that size has no need of so much.
  public mutating func charge(_ byteCount: Int) throws(CheckpointError) {
    try budget.charge(byteCount)
  }

  // MARK: Reading

  /// A text in UTF-8.
  ///
  /// - Returns: nil if the value is no text, or no valid one.
  public func text(_ value: PickleValue) -> String? {
    guard case .string(let run) = value else { return nil }
    return String(validating: raw(run), as: UTF8.self)
  }

  /// Whether a value is this text; costs no more than the text's bytes.
  public func isText(_ value: PickleValue, _ text: String) -> Bool {
    guard case .string(let run) = value, Int(run.count) == text.utf8.count else { return false }
    return raw(run).elementsEqual(text.utf8)
  }

  /// The bytes of a run.
  public func raw(_ run: PickleBytes) -> ArraySlice<UInt8> {
    let start = bytes.startIndex + Int(run.offset)
    return bytes[start..<start + Int(run.count)]
  }

  /// The elements of a tuple.
  ///
  /// - Returns: nil if the value is none.
  public func tuple(_ value: PickleValue) -> ArraySlice<PickleValue>? {
    guard case .tuple(let place) = value else { return nil }
    let (start, count) = (Int(tuples[place].start), Int(tuples[place].count))
    return elements[start..<start + count]
  }

  /// The elements of a list or set.
  ///
  /// - Returns: nil if the value is none.
  public func list(_ value: PickleValue) -> [PickleValue]? {
    guard case .list(let place) = value else { return nil }
    return lists[place]
  }

  /// The entries of a dictionary, in the order in which they were set.
  ///
  /// - Returns: nil if the value is none.
  public func dictionary(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
    guard case .dictionary(let place) = value else { return nil }
    return dictionaries[place]
  }

  // MARK: Building

  mutating func makeTuple(_ values: ArraySlice<PickleValue>) throws(CheckpointError) -> PickleValue
  {
    try charge(Self.valueByteCount * values.count + MemoryLayout<Tuple>.stride)
    tuples.append(Tuple(start: UInt32(elements.count), count: UInt32(values.count)))
    elements.append(contentsOf: values)
    return .tuple(tuples.count - 1)
  }

  /// A new list or set of some values.
  ///
  /// - Throws: `malformed` if there are too many objects.
  public mutating func makeList(
    _ values: ArraySlice<PickleValue> = []
  ) throws(CheckpointError) -> PickleValue {
    try charge(Self.containerByteCount + 2 * Self.valueByteCount * values.count)
    lists.append(Array(values))
    return .list(lists.count - 1)
  }

  /// A new dictionary without entries.
  ///
  /// - Throws: `malformed` if there are too many objects.
  public mutating func makeDictionary() throws(CheckpointError) -> PickleValue {
    try charge(Self.referenceByteCount)
    dictionaries.append([])
    return .dictionary(dictionaries.count - 1)
  }

  mutating func append(_ values: ArraySlice<PickleValue>, to list: Int) throws(CheckpointError) {
    try charge(2 * Self.valueByteCount * values.count)
    lists[list].append(contentsOf: values)
  }

  /// Adds an entry; a key that is there already isn't looked for.
  ///
  /// - Throws: `malformed` if there are too many objects.
  public mutating func set(
    _ key: PickleValue, _ value: PickleValue, in dictionary: Int
  ) throws(CheckpointError) {
    let isFirst = dictionaries[dictionary].isEmpty
    try charge(4 * Self.valueByteCount + (isFirst ? Self.containerByteCount : 0))
    dictionaries[dictionary].append((key, value))
  }

  static let valueByteCount = MemoryLayout<PickleValue>.stride
  /// An array's header and its first elements.
  private static let containerByteCount = 64
  /// What an empty container takes, and whoever makes it in a set of such.
  private static let referenceByteCount = 32
}
