import ModelArchitectures
import ReferenceForward
import TensorModel

/// Tells several observers, one after the other.
final class LinearObservers: LinearObserver {
  private let all: [any LinearObserver]

  init(_ all: [any LinearObserver]) { self.all = all }

  func willApply(
    _ place: DecoderPlace, to x: UnsafePointer<Float>, rows: Int, columns: Int
  ) throws(CheckpointError) {
    for observer in all { try observer.willApply(place, to: x, rows: rows, columns: columns) }
  }
}
