/// Rows of f32, reused from layer to layer: touching fresh memory costs more than most of the work done in it.
///
/// `@unchecked Sendable`: whoever shares one between threads gives each thread rows of its own.
public final class FloatBuffer: @unchecked Sendable {
  /// The first element.
  public private(set) var base: UnsafeMutablePointer<Float>
  private var capacity: Int

  /// Room for so many elements, uninitialised.
  public init(_ count: Int = 0) {
    capacity = max(count, 1)
    base = .allocate(capacity: capacity)
  }

  deinit { base.deallocate() }

  /// Makes room for so many elements; what was there before is lost.
  func resize(_ count: Int) {
    guard count > capacity else { return }
    base.deallocate()
    base = .allocate(capacity: count)
    capacity = count
  }
}
