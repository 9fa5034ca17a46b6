import FileContainers
import TensorModel

/// An object of Python's that is passed over: what it is called, and what the pickle gave it.
struct SkippedObject: Sendable {
  /// Its class or the function that makes it, dotted.
  let name: String
  /// A tuple.
  let arguments: PickleValue
  /// What it was set to; nil if it wasn't.
  var state: PickleValue?

  /// What tensors could be in.
  var contents: [PickleValue] { [arguments] + (state.map { [$0] } ?? []) }
}

/// Finds the objects that were passed over, by kind and place.
struct SkippedObjects {
  private let heap: PickleHeap
  private let interpreter: TorchInterpreter
  private var nodes: [Node] = []
  private var seen: Set<PickleValue> = []
  private var kinds: [(name: String, first: Int?, count: Int)] = []
  /// Values that may still be looked at.
  private var budget = 1 << 20

  /// A container or an object on the way down, and under which key it lies in another.
  private struct Node {
    let value: PickleValue
    let parent: Int
    let key: PickleValue
  }

  /// How many containers are looked into: a training state has some for each parameter.
  private static let maximumNodeCount = 1 << 16
  /// How many keys a place is told by.
  private static let maximumDepth = 16
  /// How many kinds are told.
  private static let maximumKindCount = 12

  private init(_ heap: PickleHeap, _ interpreter: TorchInterpreter) {
    self.heap = heap
    self.interpreter = interpreter
  }

  /// What is said about the objects that were passed over in a value; nil if there are none.
  static func finding(
    _ value: PickleValue, _ heap: PickleHeap, _ interpreter: TorchInterpreter
  ) -> Finding? {
    guard interpreter.objects.contains(where: { if case .skipped = $0 { true } else { false } })
    else { return nil }
    var search = SkippedObjects(heap, interpreter)
    if !search.searches(value) { search.countAll() }
    guard !search.kinds.isEmpty else { return nil }
    let shown = search.kinds.prefix(maximumKindCount).map(search.described).joined(separator: ", ")
    let more = search.kinds.count - maximumKindCount
    return Finding(
      .note, "skipped-objects",
      "skipped, not run: objects of Python's that are no weights: \(shown)"
        + (more > 0 ? " and \(more) more kinds" : ""))
  }

  /// Goes through everything, the nearest first.
  ///
  /// - Returns: whether that is all.
  private mutating func searches(_ value: PickleValue) -> Bool {
    guard visit(value, under: .none, of: -1) else { return false }
    var place = 0
    while place < nodes.count {
      let node = nodes[place]
      var inner = node.value
      if case .skipped(let object) = interpreter.object(inner) {
        count(object.name, at: place)
        guard SkippedNames.namespaces.contains(object.name), let state = object.state else {
          place += 1
          continue
        }
        inner = state
      }
      if let entries = heap.dictionary(inner) {
        for (key, value) in entries {
          guard visit(value, under: key, of: place) else { return false }
        }
      } else {
        let elements = heap.list(inner)?[...] ?? heap.tuple(inner) ?? []
        for (index, value) in elements.enumerated() {
          guard visit(value, under: .integer(index), of: place) else { return false }
        }
      }
      place += 1
    }
    return true
  }

  /// - Returns: false if there is more than what is looked at.
  private mutating func visit(_ value: PickleValue, under key: PickleValue, of parent: Int) -> Bool
  {
    budget -= 1
    guard budget >= 0 else { return false }
    switch value {
    case .tuple, .list, .dictionary: break
    case .external:
      guard case .skipped = interpreter.object(value) else { return true }
    default: return true
    }
    guard seen.insert(value).inserted else { return true }
    guard nodes.count < Self.maximumNodeCount else { return false }
    nodes.append(Node(value: value, parent: parent, key: key))
    return true
  }

  private mutating func count(_ name: String, at place: Int?) {
    if let known = kinds.firstIndex(where: { $0.name == name }) {
      kinds[known].count += 1
    } else {
      kinds.append((name, place, 1))
    }
  }

  /// Takes all that the pickle made, without places.
  private mutating func countAll() {
    kinds = []
    for case .skipped(let object) in interpreter.objects { count(object.name, at: nil) }
  }

  private func described(_ kind: (name: String, first: Int?, count: Int)) -> String {
    guard let path = kind.first.flatMap(path) else {
      return kind.count > 1 ? "\(kind.name) (\(kind.count))" : kind.name
    }
    let more = kind.count > 1 ? " and \(kind.count - 1) more" : ""
    return "\(kind.name) ('\(String(decoding: path.utf8.prefix(100), as: UTF8.self))'\(more))"
  }

  /// The keys that lead to a node; nil if they are too many, or none.
  private func path(to place: Int) -> String? {
    var keys: [String] = []
    var node = nodes[place]
    while node.parent >= 0 {
      let parent = nodes[node.parent]
      if heap.list(parent.value) != nil || heap.tuple(parent.value) != nil,
        case .integer(let index) = node.key
      {
        keys.append("[\(index)]")
      } else if case .integer(let number) = node.key {
        keys.append(".\(number)")
      } else {
        keys.append(".\(shortText(node.key))")
      }
      guard keys.count <= Self.maximumDepth else { return nil }
      node = parent
    }
    let path = keys.reversed().joined()
    return path.isEmpty ? nil : path.hasPrefix(".") ? String(path.dropFirst()) : path
  }

  private func shortText(_ key: PickleValue) -> String {
    guard case .string(let run) = key else { return "?" }
    return String(decoding: heap.raw(run).prefix(100), as: UTF8.self)
  }
}
