import FileContainers
import TensorModel

// What the functions make that put tensors together again.

extension TorchInterpreter {
  /// A legacy file's view: (key, offset, number of elements), or nothing for all of the storage.
  func view(
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

  mutating func orderedDictionary(
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

  func rebuild(
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

  mutating func parameter(
    _ arguments: [PickleValue], _ heap: PickleHeap
  ) throws(CheckpointError) -> PickleValue {
    guard (1...4).contains(arguments.count), object(arguments[0])?.isTensor == true else {
      throw misuse("_rebuild_parameter")
    }
    if arguments.count == 4 { attributeCount += 1 }
    return arguments[0]
  }

  /// (function, type, arguments, state): a plain tensor with attributes, or of a subclass.
  mutating func fromType(
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
}
