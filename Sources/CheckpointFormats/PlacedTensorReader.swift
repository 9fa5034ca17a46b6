public import FileContainers
public import TensorModel

/// A reader of tensors that lie in a file as they are: little-endian, row-major, in one piece.
public protocol PlacedTensorReader: CheckpointReader {
  /// Where a tensor's bytes lie; nil for one that has to be decoded.
  func place(of position: Int) -> FileRegion?
}
