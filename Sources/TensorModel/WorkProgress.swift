/// Who is told how far long work has come: step after step, of each how much there is to do, and then what of it is done.
///
/// What a step announces and what is told of it are the same in the end, where nothing goes wrong.
public struct WorkProgress: Sendable {
  /// What is counted.
  public enum Unit: String, Sendable {
    /// Bytes that are read or made.
    case bytes
    /// A model's layers.
    case layers
    /// Tokens that go through a model, or come out of it.
    case tokens
  }

  private let onStep: @Sendable (_ label: String, _ total: Int, _ unit: Unit) -> Void
  private let onDone: @Sendable (_ count: Int) -> Void

  /// Somebody who is told.
  ///
  /// - Parameters:
  ///   - step: told that a step begins: what is done, how much there is, and of what.
  ///   - done: told how much of the step is done since it was told before; by any thread.
  public init(
    step: @escaping @Sendable (_ label: String, _ total: Int, _ unit: Unit) -> Void,
    done: @escaping @Sendable (_ count: Int) -> Void
  ) {
    onStep = step
    onDone = done
  }

  /// Nobody.
  public static let none = WorkProgress(step: { _, _, _ in }, done: { _ in })

  /// Begins a step, which ends the one before.
  ///
  /// - Parameters:
  ///   - label: what is done, as in "reading".
  ///   - total: how much of it there is.
  ///   - unit: what is counted.
  public func begin(_ label: String, _ total: Int, _ unit: Unit = .bytes) {
    onStep(label, total, unit)
  }

  /// Tells that more of the step is done.
  @Sendable public func add(_ count: Int) { onDone(count) }
}
