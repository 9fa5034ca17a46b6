import FileContainers
import TensorModel

// Where in a training state the weights are, and what lies beside them.

extension StateDictionary {
  /// The dict of weights that a dict holds under a known key, unless it has as many tensors of its own.
  mutating func wrapped(_ value: PickleValue) -> (key: String, value: PickleValue)? {
    guard let entries = heap.dictionary(value) else { return nil }
    let own = entries.count { isTensor($0.value) }
    for wrapper in TrainingState.wrappers {
      // Of equal keys the last one counts, in Python too.
      if let entry = entries.last(where: { heap.isText($0.key, wrapper) }),
        let inner = heap.dictionary(entry.value), holdsTensors(entry.value),
        own < max(1, inner.count { isTensor($0.value) })
      {
        return (wrapper, entry.value)
      }
    }
    return own == 0 ? possiblyWrapped(entries) : nil
  }

  /// The same under a key that could be a module's: one of those that programs use, where no other dict could be weights, or any, if it is the
  /// only dict with tensors beside what no module has.
  private mutating func possiblyWrapped(
    _ entries: [(key: PickleValue, value: PickleValue)]
  ) -> (key: String, value: PickleValue)? {
    var known: [String: PickleValue] = [:]
    var others: [(key: String, value: PickleValue)] = []
    for (key, value) in entries {
      guard let name = name(of: key), heap.dictionary(value) != nil, !isOptimizer(value),
        holdsTensors(value)
      else { continue }
      if TrainingState.possibleWrappers.contains(name) {
        known[name] = value
      } else if !TrainingState.isState(name) {
        others.append((name, value))
      }
    }
    if others.isEmpty {
      let name = TrainingState.possibleWrappers.first { known[$0] != nil }
      return name.flatMap { name in known[name].map { (name, $0) } }
    }
    guard known.isEmpty, others.count == 1 else { return nil }
    // Modules have nothing but tensors and modules.
    let isBesideOthers = entries.contains { isOptimizer($0.value) || !holdsTensors($0.value) }
    return isBesideOthers ? others[0] : nil
  }

  /// Whether it is the state of an optimizer of PyTorch's, whatever its key.
  func isOptimizer(_ value: PickleValue) -> Bool {
    let entries = heap.dictionary(value) ?? []
    return TrainingState.keysOfOptimizers.allSatisfy { key in
      entries.contains { heap.isText($0.key, key) }
    }
  }

  mutating func noteSiblings(
    of key: String, in value: PickleValue
  ) throws(CheckpointError) {
    var siblings: [String] = []
    var looseTensors: [String] = []
    var otherWeights: [String] = []
    for entry in heap.dictionary(value) ?? [] where !heap.isText(entry.key, key) {
      guard let name = name(of: entry.key) else { continue }
      // States of generators of random numbers are tensors too.
      if isTensor(entry.value) && !TrainingState.isState(name) {
        looseTensors.append(name)
      } else if !TrainingState.isState(name), !isOptimizer(entry.value),
        holdsTensors(entry.value)
      {
        otherWeights.append(name)
      }
      if name == "param_shapes" { try readShapes(entry.value) }
      try heap.charge(Self.nameByteCount + 2 * name.utf8.count)
      siblings.append(name)
    }
    if !siblings.isEmpty {
      findings.append(
        Finding(
          .note, "training-state-left-out",
          "left out, beside the weights: \(Self.list(siblings))"))
    }
    if !looseTensors.isEmpty {
      findings.append(
        Finding(
          .warning, "tensors-left-out",
          "left out, although they are tensors: \(Self.list(looseTensors))"))
    }
    if !otherWeights.isEmpty {
      findings.append(
        Finding(
          .warning, "tensors-left-out",
          "left out, although there are tensors in it: \(Self.list(otherWeights))"))
    }
  }

  /// The shapes of all parameters, a dict for each group of the optimizer's.
  private mutating func readShapes(_ value: PickleValue) throws(CheckpointError) {
    for group in heap.list(value) ?? [value] {
      for (key, sizes) in heap.dictionary(group) ?? [] {
        guard let name = name(of: key), let sizes = heap.tuple(sizes) else { continue }
        var dimensions: [Int] = []
        for case .integer(let size) in sizes.prefix(Shape.maximumRank + 1) {
          dimensions.append(size)
        }
        try heap.charge(Self.nameByteCount + 2 * name.utf8.count)
        shapes[ExactName(name)] = try? Shape(checking: dimensions)
      }
    }
  }
}
