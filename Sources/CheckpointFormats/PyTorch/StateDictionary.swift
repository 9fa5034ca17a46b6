import FileContainers
import TensorModel

/// The tensors of a pickled object, under their names.
struct StateDictionary {
  /// The tensors, in the order of the file.
  private(set) var tensors: [(name: String, tensor: TorchTensor)] = []
  /// Entries that are tensors of kinds that aren't read, and what they are.
  private(set) var unreadable: [(name: String, kind: String)] = []
  /// Entries whose values are elsewhere.
  private(set) var missing = MissingData()
  /// What was found around and among them.
  var findings: [Finding] = []
  /// What a training program notes beside the weights.
  private(set) var record = TrainingRecord()

  var heap: PickleHeap
  /// For what is made of the entries later, when the pickle is gone.
  private var catalogue: PickleBudget
  private(set) var interpreter: TorchInterpreter
  private var names: Set<ExactName> = []
  private var visited: Set<Int> = []
  private var others: [String] = []
  private var listsOfTensors: [String] = []
  private var arrays: [String] = []
  private var metaNames: [String] = []
  private var optimizers: [String] = []
  /// What `param_shapes` beside the weights says, for parameters that are spread over files.
  var shapes: [ExactName: Shape] = [:]
  /// How many more objects may be looked at to find out whether there are tensors in them.
  private var searches = 1 << 20

  /// How deep dicts may lie in each other.
  private static let maximumNesting = 16

  /// Finds the tensors in what a pickle is of.
  ///
  /// - Parameters:
  ///   - result: the pickle.
  ///   - memory: the most bytes that the entries may take when the pickle is gone.
  /// - Throws: `unsupported` if that is no dict, `malformed` for names that occur twice.
  init(
    _ result: PickleParser<TorchInterpreter>.Result, memory: Int
  ) throws(CheckpointError) {
    catalogue = PickleBudget(memory)
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
    guard !isOptimizer(value) else {
      throw CheckpointError(
        .unsupported, "the state of an optimizer, not of a model",
        expected: "a dict of tensors", found: "'state' and 'param_groups'",
        hint: "name the file that has the weights; this one is for going on with training")
    }
    record = TrainingRecord(value, heap)
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
    missing.append(placeholders: tensors, shapes: shapes)
    noteOthers()
    if let finding = SkippedObjects.finding(result.value, heap, interpreter) {
      findings.append(finding)
    }
    if interpreter.attributeCount > 0 {
      findings.append(
        Finding(
          .note, "tensor-attributes",
          "attributes of Python's are left out, of tensors: \(interpreter.attributeCount)"))
    }
    if tensors.isEmpty && unlisted.isEmpty {
      let nameless = arrays + listsOfTensors
      guard nameless.isEmpty else {
        throw CheckpointError(
          .unsupported, "the state dict holds no tensors of PyTorch's under names",
          expected: "tensors by name", found: "others: \(Self.list(nameless))",
          hint: "save the model's state dict: torch.save(model.state_dict(), …)")
      }
      findings.append(Finding(.warning, "no-tensors", "the state dict holds no tensors"))
    }
    // What the pickle was made of takes more memory than the tensors, and nobody asks for it again.
    (heap, interpreter, names) = (.empty, TorchInterpreter(isLegacy: false), [])
  }

  /// Names of tensors that the file has, and that aren't among those that can be read.
  var unlisted: [String] { unreadable.map(\.name) + metaNames }

  func isTensor(_ value: PickleValue) -> Bool {
    interpreter.object(value)?.isTensor ?? false
  }

  /// Whether there are tensors in a container, however deep; those that take too long to search count as if there were.
  mutating func holdsTensors(_ value: PickleValue) -> Bool {
    var (open, seen) = ([value], Set([value]))
    while let next = open.popLast() {
      if isTensor(next) { return true }
      let inner =
        heap.dictionary(next)?.map(\.value) ?? heap.list(next) ?? heap.tuple(next).map(Array.init)
        ?? skipped(next)?.contents
      searches -= 1 + (inner?.count ?? 0)
      guard searches > 0 else { return true }
      open += (inner ?? []).filter { seen.insert($0).inserted }
    }
    return false
  }

  private func skipped(_ value: PickleValue) -> SkippedObject? {
    guard case .skipped(let object) = interpreter.object(value) else { return nil }
    return object
  }

  /// A dict's key as a name: a text, or a number.
  func name(of key: PickleValue) -> String? {
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
    // The same dict may lie beside itself, only not within.
    defer { visited.remove(place) }
    if depth == 0 { tensors.reserveCapacity(entries.count) }
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
      case .dataless(let element, let shape):
        metaNames.append(name)
        missing.append(meta: name, element, shape)
      default:
        if isOptimizer(value) {
          optimizers.append(name)
        } else if heap.dictionary(value) != nil {
          if !(heap.dictionary(value) ?? []).isEmpty {
            try collect(value, prefix: name, depth: depth + 1)
          }
        } else if holdsTensors(value) {
          listsOfTensors.append(name)
        } else if skipped(value)?.name == SkippedNames.array {
          arrays.append(name)
        } else {
          others.append(name)
        }
      }
    }
  }

  /// Takes a name, and memory for it: names in dicts in dicts can be far longer than the file.
  private mutating func claim(_ name: String) throws(CheckpointError) {
    try heap.charge(Self.nameByteCount + 2 * name.utf8.count)
    try catalogue.charge(Self.entryByteCount + 4 * name.utf8.count)
    guard names.insert(ExactName(name)).inserted else {
      throw CheckpointError(.malformed, "the same tensor name twice", tensor: name)
    }
  }

  /// What an entry takes in memory here, beside the pickle, but for its name's bytes.
  static let nameByteCount = 160
  /// What it takes in catalogues, likewise.
  private static let entryByteCount = 512

  private mutating func noteOthers() {
    if !others.isEmpty {
      findings.append(
        Finding(
          .note, "not-a-tensor", "left out, because they aren't tensors: \(Self.list(others))"))
    }
    if !optimizers.isEmpty {
      findings.append(
        Finding(
          .note, "training-state-left-out",
          "left out, beside the weights: \(Self.list(optimizers))"))
    }
    if !listsOfTensors.isEmpty {
      findings.append(
        Finding(
          .warning, "tensors-left-out",
          "left out, because the tensors in them have no names: \(Self.list(listsOfTensors))"))
    }
    if !arrays.isEmpty {
      findings.append(
        Finding(
          .warning, "tensors-left-out",
          "left out, because they are arrays of numpy's: \(Self.list(arrays))"))
    }
    findings += missing.findings
    for (name, kind) in unreadable {
      findings.append(
        Finding(
          .warning, "unreadable-tensor", "\(kind), which isn't read and can't be converted",
          tensor: name))
    }
  }

  static func list(_ names: [String]) -> String {
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
      case .tensor, .unreadable, .dataless: "a single tensor"
      case .skipped(let object): "an object of \(object.name)"
      default: "an object"
      }
    }
  }
}
