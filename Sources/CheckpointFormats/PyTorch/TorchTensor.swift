import FileContainers
import TensorModel

/// A storage as a pickle refers to it; hundreds of thousands of tensors may be views of one.
final class TorchStorage: Sendable {
  /// Its name in the file.
  let key: String
  /// What it holds.
  let element: TorchElement
  /// Bytes of all of it, of which a legacy file's tensors may see a part.
  let byteCount: Int
  /// The part that tensors see.
  let view: Range<Int>

  init(key: String, element: TorchElement, byteCount: Int, view: Range<Int>) {
    self.key = key
    self.element = element
    self.byteCount = byteCount
    self.view = view
  }
}

/// A tensor: a view of a storage.
struct TorchTensor: Sendable {
  /// The storage.
  let storage: TorchStorage
  /// The element type.
  let element: TorchElement
  /// Where the first element is in the storage, in bytes.
  let byteOffset: Int
  /// The extents, outermost first.
  let shape: Shape
  /// Elements from one index to the next, for each dimension; 0 repeats them.
  let strides: [Int]

  /// What elements that are repeated may amount to, whatever the storage has: a small file can't ask for years of reading.
  private static let repeatedByteCount = 1 << 32

  /// A view.
  ///
  /// - Parameters:
  ///   - storage: of bytes or of elements of the same type.
  ///   - element: the element type.
  ///   - offset: the first element's place in the view of the storage.
  ///   - sizes: extents.
  ///   - strides: for each extent.
  /// - Throws: `malformed` if any element lies outside of the storage, or elements are repeated too often.
  init(
    _ storage: TorchStorage, _ element: TorchElement, offset: Int, sizes: [Int], strides: [Int]
  ) throws(CheckpointError) {
    shape = try Shape(checking: sizes)
    guard strides.count == sizes.count, offset >= 0, strides.allSatisfy({ $0 >= 0 }) else {
      throw CheckpointError(
        .malformed, "a tensor's strides or offset can't be",
        expected: "\(sizes.count) strides, none negative",
        found: "offset \(offset), strides \(strides)")
    }
    guard storage.element == element || storage.element == .untyped else {
      throw CheckpointError(
        .malformed, "a tensor's type isn't its storage's", expected: storage.element.name,
        found: element.name)
    }
    guard try Self.end(offset: offset, shape, strides, element) <= storage.view.count else {
      throw CheckpointError(
        .malformed, "a tensor reaches beyond its storage",
        expected: "elements within \(storage.view.count) bytes",
        found: "\(element.name) \(shape), strides \(strides), offset \(offset)")
    }
    let (several, overflow) = storage.view.count.multipliedReportingOverflow(by: 16)
    let most = max(Self.repeatedByteCount, overflow ? .max : several) / element.byteCount
    guard shape.elementCount <= most else {
      throw CheckpointError(
        .malformed, "a tensor repeats its storage's elements too often",
        expected: "at most \(most) elements", found: "\(element.name) \(shape)",
        hint: "save it with .contiguous() only where that is meant")
    }
    self.storage = storage
    self.element = element
    self.strides = strides
    byteOffset =
      storage.view.lowerBound + (shape.elementCount == 0 ? 0 : offset * element.byteCount)
  }

  /// Where the last element ends, in bytes; an empty tensor's place says nothing.
  private static func end(
    offset: Int, _ shape: Shape, _ strides: [Int], _ element: TorchElement
  ) throws(CheckpointError) -> Int {
    guard shape.elementCount > 0 else { return 0 }
    var (last, overflows) = (offset, false)
    for (extent, stride) in zip(shape.dimensions, strides) {
      let (distance, multiplied) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, added) = last.addingReportingOverflow(distance)
      (last, overflows) = (sum, overflows || multiplied || added)
    }
    let (before, multiplied) = last.multipliedReportingOverflow(by: element.byteCount)
    let (end, added) = before.addingReportingOverflow(element.byteCount)
    guard !overflows, !multiplied, !added else {
      throw CheckpointError(
        .malformed, "a tensor's strides or offset can't be",
        found: "offset \(offset), strides \(strides)")
    }
    return end
  }

  /// Whether a row's elements lie farther apart than the rows do, as in a transposed matrix.
  var isScattered: Bool {
    guard let between = strides.first, !isContiguous else { return false }
    return zip(shape.dimensions, strides).dropFirst().contains { $0 > 1 && $1 > between }
  }

  /// Whether its elements lie one after the other.
  var isContiguous: Bool {
    var expected = 1
    for (extent, stride) in zip(shape.dimensions, strides).reversed() where extent != 1 {
      if stride != expected && shape.elementCount > 0 { return false }
      expected *= extent
    }
    return true
  }
}
