import FileContainers
import TensorModel

/// The tensors of a pickled object, under their names.
struct StateDictionary {
  /// The tensors, in the order of the file.
  private(set) var tensors: [(name: String, tensor: TorchTensor)] = []
  /// Entries that are tensors of kinds that aren't read, and what they are.
  private(set) var unreadable: [(name: String, kind: String)] = []
  /// What was found around and among them.
  private(set) var findings: [Finding] = []

  private var heap: PickleHeap
  private let interpreter: TorchInterpreter
  private var names: Set<ExactName> = []
  private var visited: Set<Int> = []
  private var others: [String] = []
  private var listsOfTensors: [String] = []
  /// How many more objects may be looked at to find out whether there are tensors in them.
  private var searches = 1 << 20

  /// Keys under which training programs keep the weights among other things.
  private static let wrappers = ["model", "state_dict", "model_state_dict", "module"]
  /// How deep dicts may lie in each other.
  private static let maximumNesting = 16

  /// Finds the tensors in what a pickle is of.
  ///
  /// - Throws: `unsupported` if that is no dict, `malformed` for names that occur twice.
  init(_ result: PickleParser<TorchInterpreter>.Result) throws(CheckpointError) {
    heap = result.heap
    interpreter = result.interpreter
    var (value, path) = (result.value, [String]())
    guard heap.dictionary(value) != nil else {
      throw CheckpointError(
        .unsupported, "the file holds something other than a state dict",
        expected: "a dict of tensors",
        found: Self.kind(of: value, interpreter),
        hint: "save the model's state dict: torch.save(model.state_dict(), …)")
    }
    while path.count < Self.maximumNesting, let (key, inner) = wrapped(value) {
      try noteSiblings(of: key, in: value)
      path.append(key)
      value = inner
    }
    if !path.isEmpty {
      findings.insert(
        Finding(
          .note, "nested-state-dict", "the tensors are those of '\(path.joined(separator: "."))'"),
        at: 0)
    }
    try collect(value, prefix: "", depth: 0)
    noteOthers()
    if interpreter.attributeCount > 0 {
      findings.append(
        Finding(
          .note, "tensor-attributes",
          "attributes of Python's are left out, of tensors: \(interpreter.attributeCount)"))
    }
    if tensors.isEmpty && unreadable.isEmpty {
      findings.append(Finding(.warning, "no-tensors", "the state dict holds no tensors"))
    }
  }

  /// The dict of weights that a dict without tensors of its own holds under a known key.
  private mutating func wrapped(_ value: PickleValue) -> (key: String, value: PickleValue)? {
    guard let entries = heap.dictionary(value),
      !entries.contains(where: { isTensor($0.value) })
    else { return nil }
    for wrapper in Self.wrappers {
      // Of equal keys the last one counts, in Python too.
      if let entry = entries.last(where: { heap.isText($0.key, wrapper) }),
        heap.dictionary(entry.value) != nil, holdsTensors(entry.value)
      {
        return (wrapper, entry.value)
      }
    }
    return nil
  }

  private func isTensor(_ value: PickleValue) -> Bool {
    switch interpreter.object(value) {
    case .tensor, .unreadable: true
    default: false
    }
  }

  /// Whether there are tensors in a container, however deep; those that take too long to search count as if there were.
  private mutating func holdsTensors(_ value: PickleValue) -> Bool {
    var (open, seen) = ([value], Set([value]))
    while let next = open.popLast() {
      if isTensor(next) { return true }
      let inner =
        heap.dictionary(next)?.map(\.value) ?? heap.list(next) ?? heap.tuple(next).map(Array.init)
      searches -= 1 + (inner?.count ?? 0)
      guard searches > 0 else { return true }
      open += (inner ?? []).filter { seen.insert($0).inserted }
    }
    return false
  }

  private mutating func noteSiblings(
    of key: String, in value: PickleValue
  ) throws(CheckpointError) {
    var siblings: [String] = []
    for entry in heap.dictionary(value) ?? [] where !heap.isText(entry.key, key) {
      guard let name = name(of: entry.key) else { continue }
      try heap.charge(Self.entryByteCount + 4 * name.utf8.count)
      siblings.append(name)
    }
    if !siblings.isEmpty {
      findings.append(
        Finding(
          .note, "training-state-left-out",
          "left out, beside the weights: \(Self.list(siblings))"))
    }
  }

  /// A dict's key as a name: a text, or a number.
  private func name(of key: PickleValue) -> String? {
    if case .integer(let number) = key { return String(number) }
    return heap.text(key)
  }

  private mutating func collect(
    _ value: PickleValue, prefix: String, depth: Int
  ) throws(CheckpointError) {
    guard case .dictionary(let place) = value, let entries = heap.dictionary(value) else { return }
    guard visited.insert(place).inserted, depth < Self.maximumNesting else {
      throw CheckpointError(
        .malformed, "dicts that lie in each other in a way that no state dict does", tensor: prefix)
    }
    for (key, value) in entries {
      guard let key = name(of: key) else {
        guard !holdsTensors(value) else {
          throw CheckpointError(
            .unsupported, "a key of a state dict that is no text",
            tensor: prefix.isEmpty ? nil : prefix)
        }
        others.append(prefix.isEmpty ? "?" : "\(prefix).?")
        continue
      }
      let name = prefix.isEmpty ? key : "\(prefix).\(key)"
      try claim(name)
      switch interpreter.object(value) {
      case .tensor(let tensor): tensors.append((name, tensor))
      case .unreadable(let kind): unreadable.append((name, kind))
      default:
        if heap.dictionary(value) != nil {
          if !(heap.dictionary(value) ?? []).isEmpty {
            try collect(value, prefix: name, depth: depth + 1)
          }
        } else if holdsTensors(value) {
          listsOfTensors.append(name)
        } else {
          others.append(name)
        }
      }
    }
  }

  /// Takes a name, and memory for it: names in dicts in dicts can be far longer than the file.
  private mutating func claim(_ name: String) throws(CheckpointError) {
    try heap.charge(Self.entryByteCount + 4 * name.utf8.count)
    guard names.insert(ExactName(name)).inserted else {
      throw CheckpointError(.malformed, "the same tensor name twice", tensor: name)
    }
  }

  /// What an entry takes in memory here and in catalogues, but for its name.
  private static let entryByteCount = 512

  private mutating func noteOthers() {
    if !others.isEmpty {
      findings.append(
        Finding(
          .note, "not-a-tensor", "left out, because they aren't tensors: \(Self.list(others))"))
    }
    if !listsOfTensors.isEmpty {
      findings.append(
        Finding(
          .warning, "tensors-left-out",
          "left out, because the tensors in them have no names: \(Self.list(listsOfTensors))"))
    }
    for (name, kind) in unreadable {
      findings.append(
        Finding(
          .warning, "unreadable-tensor", "\(kind), which isn't read and can't be converted",
          tensor: name))
    }
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).map { "'\(String(decoding: $0.utf8.prefix(100), as: UTF8.self))'" }
      .joined(separator: ", ")
    return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
  }

  private static func kind(of value: PickleValue, _ interpreter: TorchInterpreter) -> String {
    switch value {
    case .none: "None"
    case .bool, .integer, .double: "a number"
    case .string, .bytes: "a text"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dict"
    case .external:
      switch interpreter.object(value) {
      case .tensor, .unreadable: "a single tensor"
      default: "an object"
      }
    }
  }
}
