import FileContainers
import TensorModel

/// Gives the names in a file of tensors their meaning: tensors are views of storages, and nothing else is anything.
struct TorchInterpreter: PickleInterpreter {
  /// What has been made.
  private(set) var objects: [Object] = []
  /// Objects whose Python attributes aren't kept.
  private(set) var attributeCount = 0
  /// All storages that are referred to, by key.
  private(set) var storages: [String: TorchStorage] = [:]
  /// Whether references have a sixth item, as files from before PyTorch 1.6 have it.
  private let isLegacy: Bool
  private var orderedDictionaries: Set<Int> = []

  /// Something that isn't a plain value.
  enum Object: Sendable {
    case global(TorchGlobal)
    case storage(TorchStorage)
    case tensor(TorchTensor)
    case unreadable(String)
    /// A tensor of which only type and shape are stored.
    case dataless(TorchElement, Shape)
    case opaque
    case skipped(SkippedObject)

    /// Whether it is a tensor of any kind.
    var isTensor: Bool {
      switch self {
      case .tensor, .unreadable, .dataless: true
      default: false
      }
    }
  }

  /// More than any function takes.
  private static let maximumArgumentCount = 16

  init(isLegacy: Bool) { self.isLegacy = isLegacy }

  /// What a value stands for; nil for plain ones.
  func object(_ value: PickleValue) -> Object? {
    guard case .external(let place) = value else { return nil }
    return objects[place]
  }

  private mutating func add(
    _ object: Object, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    try heap.charge(MemoryLayout<Object>.stride)
    objects.append(object)
    return .external(objects.count - 1)
  }

  mutating func global(
    module: String, name: String, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    try add(.global(TorchGlobal(module: module, name: name)), &heap)
  }

  mutating func call(
    _ callable: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard case .global(let global) = object(callable), let values = heap.tuple(arguments) else {
      throw CheckpointError(
        .malformed, "a pickle calls something that is no function of PyTorch's",
        found: skippedName(callable).map { "an object of \($0)" })
    }
    if case .skipped(let name) = global {
      return try add(.skipped(SkippedObject(name: name, arguments: arguments)), &heap)
    }
    // Before they are copied: a long tuple may be passed again and again.
    guard values.count <= Self.maximumArgumentCount else {
      throw CheckpointError(.malformed, "a pickle calls a function with too many arguments")
    }
    let arguments = Array(values)
    switch global {
    case .orderedDictionary: return try orderedDictionary(arguments, &heap)
    case .rebuildTensor(let form): return try add(rebuild(form, arguments, heap), &heap)
    case .rebuildParameter: return try parameter(arguments, heap)
    case .rebuildFromType: return try fromType(arguments, &heap)
    case .size:
      guard arguments.count == 1, heap.tuple(arguments[0]) != nil else {
        throw misuse("torch.Size")
      }
      return arguments[0]
    case .opaque: return try add(.opaque, &heap)
    case .mapping: return try mapping(arguments, &heap)
    case .sequence: return try sequence(arguments, &heap)
    case .rebuildMeta: return try add(meta(arguments, heap), &heap)
    case .unreadable(let what): return try add(.unreadable(what), &heap)
    case .parameter, .tensor, .storage, .element, .type, .skipped:
      throw CheckpointError(.malformed, "a pickle calls a class as if it were a function")
    }
  }

  mutating func make(
    _ type: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    let values = heap.tuple(arguments).map { Array($0.prefix(Self.maximumArgumentCount)) }
    switch (object(type), values) {
    case (.global(.skipped(let name)), _?):
      return try add(.skipped(SkippedObject(name: name, arguments: arguments)), &heap)
    case (.global(.mapping), let values?): return try mapping(values, &heap)
    case (.global(.orderedDictionary), let values?): return try orderedDictionary(values, &heap)
    case (.global(.parameter), let values?): return try parameter(values, heap)
    default:
      throw CheckpointError(
        .malformed, "a pickle makes an object of something that is no class of tensors",
        found: skippedName(type).map { "an object of \($0)" })
    }
  }

  mutating func build(
    _ target: PickleValue, state: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) {
    if case .skipped(var skipped) = object(target), case .external(let place) = target {
      guard skipped.state == nil else {
        throw CheckpointError(
          .malformed, "a pickle sets the state of an object twice", found: skipped.name)
      }
      skipped.state = state
      objects[place] = .skipped(skipped)
      return
    }
    guard case .dictionary(let place) = target, orderedDictionaries.contains(place),
      let entries = heap.dictionary(state),
      entries.allSatisfy({ heap.isText($0.key, "_metadata") })
    else {
      throw CheckpointError(
        .unsupported, "a pickle sets the state of an object",
        expected: "_metadata of an OrderedDict at most")
    }
  }

  mutating func persistent(
    _ identifier: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard let items = heap.tuple(identifier).map(Array.init), items.count == (isLegacy ? 6 : 5),
      heap.isText(items[0], "storage"), case .global(.storage(let element)) = object(items[1]),
      case .string(let run) = items[2], heap.raw(run).count <= Self.maximumKeyByteCount,
      let key = heap.text(items[2]), !key.isEmpty,
      key.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      case .string(let location) = items[3],
      heap.raw(location).count <= Self.maximumLocationByteCount,
      case .integer(let count) = items[4], count >= 0
    else {
      throw CheckpointError(
        .malformed, "a reference to something that is no storage",
        expected: "('storage', class, key, location, number of elements)")
    }
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: element.byteCount)
    guard !overflow else {
      throw CheckpointError(.malformed, "a storage of impossible size", found: "\(count) elements")
    }
    let view = isLegacy ? try view(items[5], element, byteCount, heap) : 0..<byteCount
    let storage = TorchStorage(key: key, element: element, byteCount: byteCount, view: view)
    if let known = storages[key] {
      guard known.element == element, known.byteCount == byteCount else {
        throw CheckpointError(
          .malformed, "a storage is referred to in two ways",
          expected: "\(known.byteCount) bytes of \(known.element.name)",
          found: "\(byteCount) bytes of \(element.name)")
      }
    } else {
      try heap.charge(Self.storageByteCount)
      storages[key] = storage
    }
    return try add(.storage(storage), &heap)
  }

  /// A legacy file's view: (key, offset, number of elements), or nothing for all of the storage.
  private func view(
    _ value: PickleValue, _ element: TorchElement, _ byteCount: Int, _ heap: PickleHeap
  ) throws(CheckpointError) -> Range<Int> {
    if case .none = value { return 0..<byteCount }
    guard let items = heap.tuple(value).map(Array.init), items.count == 3,
      case .integer(let offset) = items[1], case .integer(let count) = items[2],
      offset >= 0, count >= 0, offset <= byteCount / element.byteCount,
      count <= byteCount / element.byteCount - offset
    else {
      throw CheckpointError(
        .malformed, "a view of a storage that isn't within it",
        expected: "\(byteCount) bytes at most")
    }
    return offset * element.byteCount..<(offset + count) * element.byteCount
  }

  /// The most digits of a storage's key: those of an address, in old files.
  private static let maximumKeyByteCount = 20
  /// The longest name of a device, such as `cuda:0`.
  private static let maximumLocationByteCount = 256
  /// What a storage takes in memory, with its name and its place in a table.
  private static let storageByteCount = 256

  private mutating func orderedDictionary(
    _ arguments: [PickleValue], _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    let value = try heap.makeDictionary()
    guard case .dictionary(let place) = value else { return value }
    orderedDictionaries.insert(place)
    if arguments.isEmpty { return value }
    guard arguments.count == 1, let pairs = heap.list(arguments[0]) else {
      throw misuse("OrderedDict")
    }
    for pair in pairs {
      guard let items = (heap.tuple(pair).map(Array.init) ?? heap.list(pair)), items.count == 2
      else { throw misuse("OrderedDict") }
      try heap.set(items[0], items[1], in: place)
    }
    return value
  }

  private func rebuild(
    _ form: TorchGlobal.TensorForm, _ arguments: [PickleValue], _ heap: PickleHeap
  ) throws(CheckpointError) -> Object {
    let needed =
      switch form {
      case .v1: 4...4;
      case .v2: 6...7;
      case .v3: 7...8
      }
    guard needed.contains(arguments.count), case .storage(let storage) = object(arguments[0]),
      case .integer(let offset) = arguments[1], let sizes = integers(arguments[2], heap),
      let strides = integers(arguments[3], heap)
    else { throw misuse("_rebuild_tensor") }
    var element = storage.element
    if form == .v3 {
      guard case .global(.element(let named)) = object(arguments[6]) else {
        throw misuse("_rebuild_tensor_v3")
      }
      element = named
    }
    if arguments.count == needed.upperBound, form != .v1, let last = arguments.last {
      // Flags that say that values are to be negated or conjugated.
      guard last == .none || heap.dictionary(last)?.isEmpty == true else {
        return .unreadable("a tensor with flags that change its values")
      }
    }
    let tensor = try TorchTensor(storage, element, offset: offset, sizes: sizes, strides: strides)
    guard element.dtype != nil else { return .unreadable("a tensor of \(element.name)") }
    guard element.packing == 1 || tensor.isContiguous && !sizes.isEmpty else {
      return .unreadable("a view of \(element.name)")
    }
    return .tensor(tensor)
  }

  private mutating func parameter(
    _ arguments: [PickleValue], _ heap: PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard (1...4).contains(arguments.count), object(arguments[0])?.isTensor == true else {
      throw misuse("_rebuild_parameter")
    }
    if arguments.count == 4 { attributeCount += 1 }
    return arguments[0]
  }

  /// (function, type, arguments, state): a plain tensor with attributes, or of a subclass.
  private mutating func fromType(
    _ arguments: [PickleValue], _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard arguments.count == 4, case .global(.rebuildTensor) = object(arguments[0]) else {
      throw misuse("_rebuild_from_type_v2")
    }
    let value = try call(arguments[0], arguments[2], &heap)
    switch object(arguments[1]) {
    case .global(.tensor), .global(.parameter):
      attributeCount += 1
      return value
    default: return try add(.unreadable("a tensor of a subclass"), &heap)
    }
  }

  // MARK: What needs no tensors

  /// The class of an object that was passed over.
  private func skippedName(_ value: PickleValue) -> String? {
    guard case .skipped(let object) = object(value) else { return nil }
    return object.name
  }

  /// A dict that is filled afterwards; its argument makes defaults, for which nothing here asks.
  private func mapping(
    _ arguments: [PickleValue], _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    switch arguments.first.map({ ($0, object($0)) }) {
    case nil, (.none, _)?, (_, .global)?: break
    default: throw misuse("a dict's class")
    }
    guard arguments.count <= 1 else { throw misuse("a dict's class") }
    return try heap.makeDictionary()
  }

  /// A list of what is in a set or a deque, the second argument of which is its length at most.
  private func sequence(
    _ arguments: [PickleValue], _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard let first = arguments.first else { return try heap.makeList() }
    guard arguments.count <= 2, let values = heap.list(first)?[...] ?? heap.tuple(first) else {
      throw misuse("the class of a set or a deque")
    }
    return try heap.makeList(values)
  }

  /// (dtype, size, stride, requires_grad): a tensor of which only that is stored.
  private func meta(
    _ arguments: [PickleValue], _ heap: PickleHeap
  ) throws(CheckpointError) -> Object {
    guard arguments.count == 4, case .global(.element(let element)) = object(arguments[0]),
      let sizes = integers(arguments[1], heap)
    else { throw misuse("_rebuild_meta_tensor_no_storage") }
    return .dataless(element, try Shape(checking: sizes))
  }

  private func integers(_ value: PickleValue, _ heap: PickleHeap) -> [Int]? {
    guard let values = heap.tuple(value), values.count <= Shape.maximumRank else { return nil }
    var integers: [Int] = []
    for value in values {
      guard case .integer(let integer) = value else { return nil }
      integers.append(integer)
    }
    return integers
  }

  private func misuse(_ function: String) -> CheckpointError {
    CheckpointError(.malformed, "a pickle calls \(function) with arguments that it doesn't take")
  }
}
