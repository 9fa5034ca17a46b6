import FileContainers
public import TensorModel

/// Rows of f32, reused from layer to layer: touching fresh memory costs more than most of the work done in it.
///
/// `@unchecked Sendable`: whoever shares one between threads gives each thread rows of its own.
public final class FloatBuffer: @unchecked Sendable {
  private var pages: Pages?
  private var capacity = 0

  /// No room yet.
  public init() {}

  /// Room for so many elements, uninitialised.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  public init(_ count: Int) throws(CheckpointError) { try resize(count) }

  /// The first element; there is none before room was made.
  public var base: UnsafeMutablePointer<Float> {
    guard let pages else { preconditionFailure("a buffer without room") }
    return pages.base.assumingMemoryBound(to: Float.self)
  }

  /// Makes room for so many elements; what was there before is lost.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  func resize(_ count: Int) throws(CheckpointError) {
    guard count > capacity || pages == nil else { return }
    pages = nil
    pages = try Pages(byteCount: count * MemoryLayout<Float>.stride)
    capacity = count
  }
}
