import FileContainers
import TensorModel

/// Gives the names in a file of tensors their meaning: tensors are views of storages, and nothing else is anything.
struct TorchInterpreter: PickleInterpreter {
  /// What has been made.
  private(set) var objects: [Object] = []
  /// Objects whose Python attributes aren't kept.
  var attributeCount = 0
  /// All storages that are referred to, by key.
  private(set) var storages: [String: TorchStorage] = [:]
  /// Where the first reference to each is among the objects.
  private var storagePlaces: [String: Int] = [:]
  /// Whether references have a sixth item, as files from before PyTorch 1.6 have it.
  private let isLegacy: Bool
  var orderedDictionaries: Set<Int> = []

  /// Something that isn't a plain value; small where there are many, as a place in memory of its own.
  indirect enum Object: Sendable {
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

  /// The most digits of a storage's key: those of an address, in old files.
  private static let maximumKeyByteCount = 20
  /// The longest name of a device, such as `cuda:0`.
  private static let maximumLocationByteCount = 256
  /// What a storage takes in memory, with its name and its places in tables.
  private static let storageByteCount = 256
  /// What most other objects take at most.
  private static let plainByteCount = 64
  /// What a value of its own on the heap takes more.
  private static let boxByteCount = 32
  /// More than any function takes.
  private static let maximumArgumentCount = 16

  init(isLegacy: Bool) { self.isLegacy = isLegacy }

  /// What a value stands for; nil for plain ones.
  func object(_ value: PickleValue) -> Object? {
    guard case .external(let place) = value else { return nil }
    return objects[place]
  }

  mutating func add(
    _ object: Object, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    let contents =
      switch object {
      case .storage: Self.storageByteCount
      case .tensor(let tensor):
        MemoryLayout<TorchTensor>.stride + 2 * (Self.boxByteCount + 8 * tensor.strides.count)
      case .dataless(_, let shape): Self.boxByteCount + 8 * shape.rank
      default: Self.plainByteCount
      }
    try heap.charge(MemoryLayout<Object>.stride + Self.boxByteCount + contents)
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
        .malformed, "a pickle calls something that isn't one of PyTorch's functions",
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
      if known.view == view, let place = storagePlaces[key] { return .external(place) }
    }
    let value = try add(.storage(storage), &heap)
    if case .external(let place) = value, storages[key] == nil {
      (storages[key], storagePlaces[key]) = (storage, place)
    }
    return value
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

  func integers(_ value: PickleValue, _ heap: PickleHeap) -> [Int]? {
    guard let values = heap.tuple(value), values.count <= Shape.maximumRank else { return nil }
    var integers: [Int] = []
    for value in values {
      guard case .integer(let integer) = value else { return nil }
      integers.append(integer)
    }
    return integers
  }

  func misuse(_ function: String) -> CheckpointError {
    CheckpointError(.malformed, "a pickle calls \(function) with arguments that it doesn't take")
  }
}
