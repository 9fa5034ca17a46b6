public import TensorModel

/// What gives a pickle's references to Python's names a meaning, without any Python.
///
/// Whatever isn't known must be refused: a conformer is the list of what is allowed.
public protocol PickleInterpreter {
  /// A module's attribute that the pickle names.
  ///
  /// - Throws: `unsupported` for anything that isn't on the list.
  mutating func global(
    module: String, name: String, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue

  /// What calling something with a tuple of arguments would give.
  ///
  /// - Throws: `malformed` or `unsupported` if it may not be called, or not like this.
  mutating func call(
    _ callable: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue

  /// What making an object of a class would give.
  ///
  /// - Throws: as `call`.
  mutating func make(
    _ type: PickleValue, _ arguments: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue

  /// Sets an object's state.
  ///
  /// - Throws: `unsupported` unless that changes nothing.
  mutating func build(
    _ object: PickleValue, state: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError)

  /// What the pickle refers to by a name of its own.
  ///
  /// - Throws: `malformed` for names that mean nothing.
  mutating func persistent(
    _ identifier: PickleValue, _ heap: inout PickleHeap
  ) throws(CheckpointError) -> PickleValue
}
